/* SPDX-License-Identifier: MIT
 *
 * Softmax, its logarithm, and cross-entropy with its gradient, over rows of `width` numbers. Each is one kernel: a row is read from memory once and from the cache after that, for its maximum,
 * for the sum of exp(x - maximum), which cannot overflow, and for the results.
 *
 * ROW_ITEMS work-items share a row and take turns at its runs (runs.cl); a group of GROUP_SIZE has GROUP_SIZE / ROW_ITEMS rows.
 */
#include "runs.cl"

/* Work-items of a group, and of a row: powers of two, the second at most the first. As many for a row as it has runs for, on a GPU; one on a processor, whose work-items are not free. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif
#ifndef ROW_ITEMS
#define ROW_ITEMS 1
#endif

#define SOFTMAX_KERNEL __kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void

#if ROW_ITEMS > 1
#define SCRATCH __local float scratch[GROUP_SIZE]
/* What the items of a row have, as one; every item of the group has to come here. */
#define COMBINE(mine, two)                                                                                                                                     \
  do {                                                                                                                                                         \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                                                              \
    scratch[item] = mine;                                                                                                                                      \
    for (int half_size = ROW_ITEMS / 2; half_size > 0; half_size /= 2) {                                                                                       \
      barrier(CLK_LOCAL_MEM_FENCE);                                                                                                                            \
      if (lane < half_size) scratch[item] = two(scratch[item], scratch[item + half_size]);                                                                     \
    }                                                                                                                                                          \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                                                              \
    mine = scratch[item - lane];                                                                                                                               \
  } while (0)
#else
#define SCRATCH
#define COMBINE(mine, two)
#endif
#define SUM_OF(a, b) ((a) + (b))

/* The runs of a row that are this item's, from number k on. */
#define EACH_RUN(k) for (int k = lane * RUN; k < width; k += ROW_ITEMS * RUN)

/* A run of the row that begins at `first`; what is beyond the row's end is `outside`. */
INLINE RUN_FLOATS row_run(__global const float *x, const int rows, const int width, const int first, const int k, const float outside) {
  return select((RUN_FLOATS)(outside), read_run(x, rows * width, first + k, k, 1, width), (RUN_UINTS)((uint)k) + RUN_PLACES < (RUN_UINTS)((uint)width));
}

INLINE void store_row_run(__global float *y, const int width, const int first, const int k, const RUN_FLOATS results) {
  float each[RUN];
  STORE_RUN(results, 0, each);
  for (int i = 0; i < RUN; i++)
    if (k + i < width) y[first + k + i] = each[i];
}

INLINE float sum_of_run(const RUN_FLOATS run) {
  float each[RUN], sum = 0.0f;
  STORE_RUN(run, 0, each);
  for (int i = 0; i < RUN; i++) sum += each[i];
  return sum;
}

INLINE float largest_of_run(const RUN_FLOATS run) {
  float each[RUN], largest = -INFINITY;
  STORE_RUN(run, 0, each);
  for (int i = 0; i < RUN; i++) largest = fmax(largest, each[i]);
  return largest;
}

/* The item's row (the last one again, where there are fewer; it then stores nothing), its maximum, and the sum of the exponentials. */
#define BEGIN_ROWS                                                                                                                                             \
  SCRATCH;                                                                                                                                                     \
  const int item = get_local_id(0), lane = item % ROW_ITEMS, row = get_global_id(0) / ROW_ITEMS;                                                               \
  const bool stores = row < rows;                                                                                                                              \
  const int first = (stores ? row : rows - 1) * width;                                                                                                         \
  RUN_FLOATS largest_run = (RUN_FLOATS)(-INFINITY), sum_run = (RUN_FLOATS)(0.0f);                                                                              \
  EACH_RUN(k) largest_run = fmax(largest_run, row_run(x, rows, width, first, k, -INFINITY));                                                                   \
  float largest = largest_of_run(largest_run);                                                                                                                 \
  COMBINE(largest, fmax);                                                                                                                                      \
  EACH_RUN(k) sum_run += exp(row_run(x, rows, width, first, k, -INFINITY) - largest);                                                                          \
  float sum = sum_of_run(sum_run);                                                                                                                             \
  COMBINE(sum, SUM_OF)

SOFTMAX_KERNEL softmax(__global const float *x, __global float *y, const int rows, const int width) {
  BEGIN_ROWS;
  if (!stores) return;
  EACH_RUN(k) store_row_run(y, width, first, k, exp(row_run(x, rows, width, first, k, -INFINITY) - largest) / sum);
}

SOFTMAX_KERNEL log_softmax(__global const float *x, __global float *y, const int rows, const int width) {
  BEGIN_ROWS;
  const float logarithm = log(sum);
  if (!stores) return;
  EACH_RUN(k) store_row_run(y, width, first, k, row_run(x, rows, width, first, k, 0.0f) - largest - logarithm);
}

SOFTMAX_KERNEL softmax_cross_entropy(__global const float *x, __global const float *targets, __global float *loss, const int rows, const int width) {
  BEGIN_ROWS;
  const float logarithm = log(sum);
  RUN_FLOATS total_run = (RUN_FLOATS)(0.0f);
  EACH_RUN(k) total_run += row_run(targets, rows, width, first, k, 0.0f) * (row_run(x, rows, width, first, k, largest) - largest - logarithm);
  float total = sum_of_run(total_run);
  COMBINE(total, SUM_OF);
  if (lane == 0 && stores) loss[row] = -total;
}

/* Right for targets of any sum, as class weights may make them. */
SOFTMAX_KERNEL softmax_cross_entropy_gradient(__global const float *gradient, __global const float *x, __global const float *targets, __global float *dx, const int rows,
                                              const int width) {
  BEGIN_ROWS;
  RUN_FLOATS weight_run = (RUN_FLOATS)(0.0f);
  EACH_RUN(k) weight_run += row_run(targets, rows, width, first, k, 0.0f);
  float weight = sum_of_run(weight_run);
  COMBINE(weight, SUM_OF);
  if (!stores) return;
  const float factor = gradient[row];
  EACH_RUN(k) store_row_run(dx, width, first, k,
                            factor * (exp(row_run(x, rows, width, first, k, -INFINITY) - largest) / sum * weight - row_run(targets, rows, width, first, k, 0.0f)));
}
