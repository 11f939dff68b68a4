/* SPDX-License-Identifier: MIT
 *
 * Padding at both ends of every axis and between neighbours, with one value. A work-item an element of the result. Tensors have six axes here;
 * the host puts axes of extent 1 in front.
 */

/* Any type of the right size: the value comes as bits of it. */
#ifndef TYPE
#define TYPE uint
#endif
/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

/* One axis from the back: takes this axis' position out of `rest`, and moves `from` to where it lies in x, or notes that nothing lies there. */
#define AXIS(extent, input_extent, low, step, stride)                                                                                                          \
  {                                                                                                                                                            \
    const int position = rest % (extent) - (low);                                                                                                              \
    rest /= (extent);                                                                                                                                          \
    inside = inside && position >= 0 && position % (step) == 0 && position / (step) < (input_extent);                                                          \
    from += position / (step) * (stride);                                                                                                                      \
  }
#define AXIS_PARAMETERS(n) const int extent##n, const int input_extent##n, const int low##n, const int step##n, const int stride##n

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void pad(__global const TYPE *x, __global TYPE *y, const TYPE value, const int count,
                                                                          const int offset, AXIS_PARAMETERS(0), AXIS_PARAMETERS(1), AXIS_PARAMETERS(2),
                                                                          AXIS_PARAMETERS(3), AXIS_PARAMETERS(4), AXIS_PARAMETERS(5)) {
  const int index = get_global_id(0);
  if (index >= count) return;
  int rest = index, from = offset;
  bool inside = true;
  AXIS(extent5, input_extent5, low5, step5, stride5)
  AXIS(extent4, input_extent4, low4, step4, stride4)
  AXIS(extent3, input_extent3, low3, step3, stride3)
  AXIS(extent2, input_extent2, low2, step2, stride2)
  AXIS(extent1, input_extent1, low1, step1, stride1)
  AXIS(extent0, input_extent0, low0, step0, stride0)
  y[index] = inside ? x[from] : value;
}
