/* SPDX-License-Identifier: MIT */
#include "train/patches.h"

enum { MOST_PATCHES = 1024 };

uint32_t assay_patch_count(const struct assay_data_settings *settings) {
  const uint32_t count = settings->patch_columns * settings->patch_rows;
  return count > 1 && count <= MOST_PATCHES ? count : 1;
}

assay_value assay_patches_cut(struct assay_builder *b, const struct assay_data_settings *settings, assay_value planes) {
  if (assay_patch_count(settings) == 1) return planes;
  const int64_t rows = settings->patch_rows, columns = settings->patch_columns, height = assay_extent(b, planes, 2), width = assay_extent(b, planes, 3);
  if (height % rows != 0 || width % columns != 0)
    return assay_fail(b, "[data] patches does not divide the size; choose a size whose width is a multiple of the columns and whose height is one of the rows");
  /* Channels stand before the patch in a plane and behind it in a batch. */
  const int64_t channels = assay_extent(b, planes, 1), cut[6] = {-1, channels, rows, height / rows, columns, width / columns};
  const assay_value patches = assay_transpose(b, assay_reshape(b, planes, 6, cut), (const int32_t[]){0, 2, 4, 1, 3, 5});
  return assay_reshape(b, patches, 4, (const int64_t[]){-1, channels, height / rows, width / columns});
}

assay_value assay_patches_keys(struct assay_builder *b, const struct assay_data_settings *settings, assay_value keys) {
  const int64_t count = assay_patch_count(settings), each[3] = {assay_extent(b, keys, 0), count, 2};
  if (count == 1) return keys;
  const assay_value copies = assay_broadcast(b, assay_reshape(b, keys, 3, (const int64_t[]){-1, 1, 2}), 3, each);
  return assay_reshape(b, copies, 2, (const int64_t[]){-1, 2});
}

assay_value assay_patches_join(struct assay_builder *b, const struct assay_data_settings *settings, assay_value logits, bool first_is_positive) {
  const uint32_t count = assay_patch_count(settings);
  if (count == 1 || !assay_is_valid(logits)) return logits;
  const int64_t columns = assay_extent(b, logits, 1);
  const assay_value apart = assay_reshape(b, logits, 3, (const int64_t[]){-1, count, columns});
  if (settings->patch_score == ASSAY_PATCH_MEAN) return assay_mul(b, assay_reduce_sum(b, apart, 1u << 1, 0), assay_number(b, logits, 1.0 / count));
  if (columns > 1 || !first_is_positive) return assay_reduce_max(b, apart, 1u << 1, 0);
  return assay_negate(b, assay_reduce_max(b, assay_negate(b, apart), 1u << 1, 0));
}
