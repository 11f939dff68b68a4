/* SPDX-License-Identifier: MIT
 *
 * The table of one processor level.
 */
#include "level.h"

#define DECLARE(result, name, ...) extern result ASSAY_CPU_KERNEL(name)(__VA_ARGS__)
DECLARE(assay_cpu_tile, tile, uint32_t, int32_t, int32_t);
DECLARE(void, reduce_sum, float *, const float *, int64_t, int64_t, int64_t, int64_t, bool);
DECLARE(void, reduce_max, float *, const float *, int64_t, int64_t, int64_t, int64_t, bool);
DECLARE(void, max_pool, const struct assay_cpu_pool *, const float *, float *, int32_t *, int64_t, int64_t);
DECLARE(void, max_pool_gradient, const struct assay_cpu_pool *, const float *, const int32_t *, float *, int64_t, int64_t);
DECLARE(void, avg_pool, const struct assay_cpu_pool *, const float *, float *, int64_t, int64_t);
DECLARE(void, avg_pool_gradient, const struct assay_cpu_pool *, const float *, float *, int64_t, int64_t);
DECLARE(void, norm_sums, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, norm_apply, const struct assay_cpu_norm *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, norm_gradient_sums, const struct assay_cpu_norm *, const float *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, norm_gradient_apply, const struct assay_cpu_norm *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, softmax, const float *, float *, int64_t, bool, int64_t, int64_t);
DECLARE(void, softmax_cross_entropy, const float *, const float *, float *, int64_t, int64_t, int64_t);
DECLARE(void, random_uniform, const uint32_t *, uint32_t, float *, int64_t, int64_t, int64_t);
DECLARE(void, warp, const struct assay_cpu_picture *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, mix_channels, const struct assay_cpu_picture *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, gaussian_blur, const struct assay_cpu_picture *, const float *, const float *, float *, int64_t, int64_t);
DECLARE(void, dot_rows, const float *, const float *, float *, int64_t, int64_t, int64_t, int64_t);
DECLARE(void, sparse_sizes, const struct assay_cpu_sparse *, struct assay_cpu_sparse_sizes *);
DECLARE(void, sparse_pairs, const struct assay_cpu_sparse *, const struct assay_cpu_pool *, const float *, const int32_t *, const struct assay_cpu_pairs *,
        int64_t, int64_t);
DECLARE(void, sparse_pad, const struct assay_cpu_sparse *, const float *, float *, int64_t, int64_t);
DECLARE(void, sparse_weights, const struct assay_cpu_sparse *, const float *, float *);
DECLARE(void, sparse_weight_gradient, const struct assay_cpu_sparse *, const float *, const struct assay_cpu_pairs *, float *, float *, int64_t,
        int64_t);
DECLARE(void, sparse_input_gradient, const struct assay_cpu_sparse *, const float *, const struct assay_cpu_pairs *, float *, float *, int64_t,
        int64_t);

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
const struct assay_cpu_kernels ASSAY_CPU_KERNEL(kernels) = {
  .level = TEXT(ASSAY_CPU_LEVEL),
  .tile = ASSAY_CPU_KERNEL(tile),
  .reduce_sum = ASSAY_CPU_KERNEL(reduce_sum),
  .reduce_max = ASSAY_CPU_KERNEL(reduce_max),
  .max_pool = ASSAY_CPU_KERNEL(max_pool),
  .max_pool_gradient = ASSAY_CPU_KERNEL(max_pool_gradient),
  .avg_pool = ASSAY_CPU_KERNEL(avg_pool),
  .avg_pool_gradient = ASSAY_CPU_KERNEL(avg_pool_gradient),
  .norm_sums = ASSAY_CPU_KERNEL(norm_sums),
  .norm_apply = ASSAY_CPU_KERNEL(norm_apply),
  .norm_gradient_sums = ASSAY_CPU_KERNEL(norm_gradient_sums),
  .norm_gradient_apply = ASSAY_CPU_KERNEL(norm_gradient_apply),
  .softmax = ASSAY_CPU_KERNEL(softmax),
  .softmax_cross_entropy = ASSAY_CPU_KERNEL(softmax_cross_entropy),
  .random_uniform = ASSAY_CPU_KERNEL(random_uniform),
  .warp = ASSAY_CPU_KERNEL(warp),
  .mix_channels = ASSAY_CPU_KERNEL(mix_channels),
  .gaussian_blur = ASSAY_CPU_KERNEL(gaussian_blur),
  .dot_rows = ASSAY_CPU_KERNEL(dot_rows),
  .sparse_sizes = ASSAY_CPU_KERNEL(sparse_sizes),
  .sparse_pairs = ASSAY_CPU_KERNEL(sparse_pairs),
  .sparse_pad = ASSAY_CPU_KERNEL(sparse_pad),
  .sparse_weights = ASSAY_CPU_KERNEL(sparse_weights),
  .sparse_weight_gradient = ASSAY_CPU_KERNEL(sparse_weight_gradient),
  .sparse_input_gradient = ASSAY_CPU_KERNEL(sparse_input_gradient),
};
