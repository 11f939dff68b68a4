/* SPDX-License-Identifier: MIT
 *
 * What kernels with a tail share: a tail is a chain of elementwise operations behind their results, which the host puts in front of their text.
 */
#define JOIN(a, b) JOIN_NOW(a, b)
#define JOIN_NOW(a, b) a##b

/* Sums stay in registers only where everything is inlined and unrolled. */
#define INLINE static inline __attribute__((always_inline))

/* What becomes of a result: stored, unless the host has put a chain of elementwise operations behind it. That is a function of the result, its place in the dense
 * tensor and its position on the three axes sample (or batch), row and column, which stores by itself. */
#ifndef TAIL
#define TAIL_PARAMETERS , __global float *y
#define TAIL(result, index, position0, position1, position2) y[index] = result
#endif
