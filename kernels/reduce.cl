/* SPDX-License-Identifier: MIT
 *
 * Sums and maxima over some axes, and the place of the maximum along one. The text of this file stands in front of every generated reduction, and gives it the
 * accumulators and the end that all of them share; the loop in between, which computes what is reduced from whatever elementwise operations are
 * before it, is generated (backends/opencl/reduce.c). The kernel `reduction_example` shows what a generated one looks like: the sum over all axes of x * x.
 *
 *   by items:  a work-item a result, for short reductions and where neighbouring results lie side by side.
 *   by groups: a work-group a result.
 * Both take the elements of a result in stretches of `chunk`, the second axis of the launch; with more than one, a second launch reduces what the first has stored,
 * [results, stretches].
 */

/* Work-items of a work-group: a power of two. More of them have more loads under way on a GPU. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

/* Is y to take the place of x? What is not a number wins, and stays. */
#define GREATER(y, x) ((y) > (x) || ((y) != (y) && (x) == (x)))
#define SUM_OF(x, y) ((x) + (y))
#define MAXIMUM_OF(x, y) (GREATER(y, x) ? (y) : (x))

/* The items' results of a group become one, which is stored. `partial`: GROUP_SIZE numbers of local memory. */
#define GROUP_TOTAL(partial, item, mine, COMBINE, destination)                                                                                                 \
  do {                                                                                                                                                         \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                                                              \
    partial[item] = mine;                                                                                                                                      \
    for (uint half_size = GROUP_SIZE / 2; half_size > 0; half_size /= 2) {                                                                                     \
      barrier(CLK_LOCAL_MEM_FENCE);                                                                                                                            \
      if (item < half_size) partial[item] = COMBINE(partial[item], partial[item + half_size]);                                                                 \
    }                                                                                                                                                          \
    if (item == 0) destination = partial[0];                                                                                                                   \
  } while (0)

#ifndef GENERATED
/* The type of the elements of argmax. */
#ifndef TYPE
#define TYPE float
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void reduction_example(__global const float *x, __global float *total0, const uint chunk,
                                                                                        const uint length) {
  __local float partial0[GROUP_SIZE];
  const uint item = get_local_id(0), output = get_group_id(0), first = get_group_id(1) * chunk, last = min(first + chunk, length);
  float sum0 = 0.0f;
  for (uint element = first + item; element < last; element += GROUP_SIZE) {
    const float x0 = x[output * length + element];
    const float v0 = x0 * x0;
    sum0 = SUM_OF(sum0, v0);
  }
  GROUP_TOTAL(partial0, item, sum0, SUM_OF, total0[output * get_num_groups(1) + get_group_id(1)]);
}

/* The host sorts the axes into kept and reduced ones, merges neighbours, and passes at most three of each, the outermost first. A work-item a result, which is the
 * first of equals among `length` elements. */
__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void argmax_items(__global const TYPE *x, __global int *y, const uint outputs, const uint offset,
                                                                                   const uint kept1, const uint kept2, const uint kept_stride0,
                                                                                   const uint kept_stride1, const uint kept_stride2, const uint length,
                                                                                   const uint reduced1, const uint reduced2, const uint reduced_stride0,
                                                                                   const uint reduced_stride1, const uint reduced_stride2) {
  const uint output = get_global_id(0);
  if (output >= outputs) return;
  const uint base = offset + output / (kept1 * kept2) * kept_stride0 + output / kept2 % kept1 * kept_stride1 + output % kept2 * kept_stride2;
  TYPE best = x[base];
  int place = 0;
  for (uint element = 1; element < length; element++) {
    const TYPE value = x[base + element / (reduced1 * reduced2) * reduced_stride0 + element / reduced2 % reduced1 * reduced_stride1 + element % reduced2 * reduced_stride2];
    if (GREATER(value, best)) {
      best = value;
      place = (int)element;
    }
  }
  y[output] = place;
}
#endif
