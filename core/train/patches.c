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
  assay_value patches[MOST_PATCHES];
  uint32_t count = 0;
  for (int64_t y = 0; y < rows; y++) {
    const assay_value strip = assay_slice(b, planes, 2, y * height / rows, (y + 1) * height / rows);
    for (int64_t x = 0; x < columns; x++) patches[count++] = assay_slice(b, strip, 3, x * width / columns, (x + 1) * width / columns);
  }
  return assay_concat(b, patches, count, 0);
}

assay_value assay_patches_keys(struct assay_builder *b, const struct assay_data_settings *settings, assay_value keys) {
  const uint32_t count = assay_patch_count(settings);
  assay_value copies[MOST_PATCHES];
  for (uint32_t i = 0; i < count; i++) copies[i] = keys;
  return count == 1 ? keys : assay_concat(b, copies, count, 0);
}

assay_value assay_patches_join(struct assay_builder *b, const struct assay_data_settings *settings, assay_value logits, bool first_is_positive) {
  const uint32_t count = assay_patch_count(settings);
  if (count == 1 || !assay_is_valid(logits)) return logits;
  const int64_t columns = assay_extent(b, logits, 1);
  const assay_value apart = assay_reshape(b, logits, 3, (const int64_t[]){count, -1, columns});
  if (settings->patch_score == ASSAY_PATCH_MEAN) return assay_mul(b, assay_reduce_sum(b, apart, 1u << 0, 0), assay_number(b, logits, 1.0 / count));
  if (columns > 1 || !first_is_positive) return assay_reduce_max(b, apart, 1u << 0, 0);
  return assay_negate(b, assay_reduce_max(b, assay_negate(b, apart), 1u << 0, 0));
}
