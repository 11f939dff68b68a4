/* SPDX-License-Identifier: MIT
 *
 * Ops that pick rows by number. A row is `width` elements; a work-item an element of the result. TYPE only needs the right size where
 * nothing is computed.
 */

#ifndef TYPE
#define TYPE float
#endif
/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

#define ROWS_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void

/* y[i] = x[indices[i]]; indices are clamped into range. */
ROWS_KERNEL gather_rows(__global const TYPE *x, __global const int *indices, __global TYPE *y, const uint count, const uint width, const int rows) {
  const uint index = get_global_id(0);
  if (index >= count * width) return;
  const uint row = (uint)clamp(indices[index / width], 0, rows - 1);
  y[index] = x[row * width + index % width];
}

/* y[r] = sum of x[i] over all i with indices[i] = r, added in the order of i, so that the result is always the same. Indices are clamped. */
ROWS_KERNEL scatter_add_rows(__global const TYPE *x, __global const int *indices, __global TYPE *y, const uint count, const uint width, const int rows) {
  const uint index = get_global_id(0);
  if (index >= (uint)rows * width) return;
  const int row = (int)(index / width);
  TYPE sum = 0;
  for (uint i = 0; i < count; i++)
    if (clamp(indices[i], 0, rows - 1) == row) sum += x[i * width + index % width];
  y[index] = sum;
}

/* y[i][indices[i]] = 1, all else 0. */
ROWS_KERNEL one_hot_rows(__global const int *indices, __global float *y, const uint count, const uint width) {
  const uint index = get_global_id(0);
  if (index >= count * width) return;
  y[index] = indices[index / width] == (int)(index % width) ? 1.0f : 0.0f;
}
