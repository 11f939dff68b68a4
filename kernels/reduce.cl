/* SPDX-License-Identifier: MIT
 *
 * Sum and maximum over some axes of a strided view, and the place of the maximum along one axis.
 *
 * The host sorts the axes into kept and reduced ones, merges neighbours, and passes at most three of each, the outermost first. Result
 * number `output` belongs to one position on the kept axes, and `length` is the number of elements that it is made of.
 *   reduce_items:  a work-item a result, for short or many ones.
 *   reduce_groups: a work-group a stretch of `chunk` elements of a result. Result `output` has as many stretches as there are groups along
 *                  the second axis; with more than one, a second launch reduces the partial results [outputs, stretches].
 *   argmax_items:  a work-item a result.
 */

/* The type of the elements, and of the accumulator. */
#ifndef TYPE
#define TYPE float
#endif
/* 1: maximum; 0: sum. */
#ifndef MAXIMUM
#define MAXIMUM 0
#endif
/* The neutral element: 0 for a sum, the least value of the type for a maximum. */
#ifndef NEUTRAL
#define NEUTRAL 0
#endif
/* Work-items of a work-group: a power of two. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

/* Is y to take the place of x? What is not a number wins, and stays. */
#define GREATER(y, x) ((y) > (x) || ((y) != (y) && (x) == (x)))
#if MAXIMUM
#define COMBINE(x, y) (GREATER(y, x) ? (y) : (x))
#else
#define COMBINE(x, y) ((x) + (y))
#endif

#define VIEW_PARAMETERS                                                                                                                                        \
  const uint offset, const uint kept1, const uint kept2, const uint kept_stride0, const uint kept_stride1, const uint kept_stride2, const uint length,          \
      const uint reduced1, const uint reduced2, const uint reduced_stride0, const uint reduced_stride1, const uint reduced_stride2

/* Where the elements of a result begin, and where its element number `element` lies from there. */
#define RESULT_BASE(output)                                                                                                                                    \
  (offset + (output) / (kept1 * kept2) * kept_stride0 + (output) / kept2 % kept1 * kept_stride1 + (output) % kept2 * kept_stride2)
#define ELEMENT_OFFSET(element)                                                                                                                                \
  ((element) / (reduced1 * reduced2) * reduced_stride0 + (element) / reduced2 % reduced1 * reduced_stride1 + (element) % reduced2 * reduced_stride2)

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void reduce_items(__global const TYPE *x, __global TYPE *y, const uint outputs,
                                                                                   VIEW_PARAMETERS) {
  const uint output = get_global_id(0);
  if (output >= outputs) return;
  const uint base = RESULT_BASE(output);
  TYPE result = NEUTRAL;
  for (uint element = 0; element < length; element++) {
    const TYPE value = x[base + ELEMENT_OFFSET(element)];
    result = COMBINE(result, value);
  }
  y[output] = result;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void reduce_groups(__global const TYPE *x, __global TYPE *y, const uint chunk,
                                                                                    VIEW_PARAMETERS) {
  __local TYPE partial[GROUP_SIZE];
  const uint item = get_local_id(0), output = get_group_id(0), stretch = get_group_id(1);
  const uint base = RESULT_BASE(output), first = stretch * chunk, last = min(first + chunk, length);
  TYPE result = NEUTRAL;
  for (uint element = first + item; element < last; element += GROUP_SIZE) {
    const TYPE value = x[base + ELEMENT_OFFSET(element)];
    result = COMBINE(result, value);
  }
  partial[item] = result;
  for (uint half_size = GROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_size) partial[item] = COMBINE(partial[item], partial[item + half_size]);
  }
  if (item == 0) y[output * get_num_groups(1) + stretch] = partial[0];
}

/* The first of equals wins. */
__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void argmax_items(__global const TYPE *x, __global int *y, const uint outputs, VIEW_PARAMETERS) {
  const uint output = get_global_id(0);
  if (output >= outputs) return;
  const uint base = RESULT_BASE(output);
  TYPE best = x[base];
  int place = 0;
  for (uint element = 1; element < length; element++) {
    const TYPE value = x[base + ELEMENT_OFFSET(element)];
    if (GREATER(value, best)) {
      best = value;
      place = (int)element;
    }
  }
  y[output] = place;
}
