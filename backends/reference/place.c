/* SPDX-License-Identifier: MIT
 *
 * Shape and place: ops that put numbers elsewhere. All but scatter-add and one-hot copy bytes.
 */
#include "reference.h"

#include <string.h>

void assay_reference_copy(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  (void)node;
  memcpy(outputs[0].bytes, inputs[0].bytes, (size_t)outputs[0].count * assay_dtype_size(outputs[0].type->dtype));
}

void assay_reference_broadcast(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const size_t size = assay_dtype_size(outputs[0].type->dtype);
  int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
  (void)node;
  do {
    const int64_t from = assay_reference_broadcast_offset(inputs[0].type, outputs[0].type, index);
    memcpy(outputs[0].bytes + (size_t)i++ * size, inputs[0].bytes + (size_t)from * size, size);
  } while (assay_reference_next(outputs[0].type, index));
}

void assay_reference_transpose(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_transpose_attributes *attributes = node->attributes;
  const size_t size = assay_dtype_size(outputs[0].type->dtype);
  int64_t strides[ASSAY_MAX_RANK], index[ASSAY_MAX_RANK] = {0}, i = 0;
  assay_reference_strides(inputs[0].type, strides);
  do {
    int64_t from = 0;
    for (int32_t axis = 0; axis < outputs[0].type->rank; axis++) from += index[axis] * strides[attributes->axes[axis]];
    memcpy(outputs[0].bytes + (size_t)i++ * size, inputs[0].bytes + (size_t)from * size, size);
  } while (assay_reference_next(outputs[0].type, index));
}

void assay_reference_slice(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_slice_attributes *attributes = node->attributes;
  const size_t size = assay_dtype_size(outputs[0].type->dtype);
  int64_t strides[ASSAY_MAX_RANK], index[ASSAY_MAX_RANK] = {0}, i = 0;
  assay_reference_strides(inputs[0].type, strides);
  do {
    int64_t from = 0;
    for (int32_t axis = 0; axis < outputs[0].type->rank; axis++) from += (attributes->start[axis] + index[axis] * attributes->step[axis]) * strides[axis];
    memcpy(outputs[0].bytes + (size_t)i++ * size, inputs[0].bytes + (size_t)from * size, size);
  } while (assay_reference_next(outputs[0].type, index));
}

void assay_reference_pad(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_pad_attributes *attributes = node->attributes;
  const size_t size = assay_dtype_size(outputs[0].type->dtype);
  unsigned char *to = outputs[0].bytes;
  const double value = assay_reference_convert(attributes->value, ASSAY_F64, outputs[0].type->dtype);
  for (int64_t i = 0; i < outputs[0].count; i++) assay_reference_pack(outputs[0].type->dtype, &value, to + (size_t)i * size, 1);
  int64_t strides[ASSAY_MAX_RANK], index[ASSAY_MAX_RANK] = {0}, i = 0;
  assay_reference_strides(outputs[0].type, strides);
  do {
    int64_t place = 0;
    for (int32_t axis = 0; axis < inputs[0].type->rank; axis++)
      place += (attributes->low[axis] + index[axis] * (attributes->interior[axis] + 1)) * strides[axis];
    memcpy(to + (size_t)place * size, inputs[0].bytes + (size_t)i++ * size, size);
  } while (assay_reference_next(inputs[0].type, index));
}

void assay_reference_concat(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_axis_attributes *attributes = node->attributes;
  const size_t size = assay_dtype_size(outputs[0].type->dtype);
  int64_t strides[ASSAY_MAX_RANK], start = 0; /* of the input at hand, along the axis */
  assay_reference_strides(outputs[0].type, strides);
  for (uint32_t k = 0; k < node->input_count; k++) {
    int64_t index[ASSAY_MAX_RANK] = {0}, i = 0;
    do {
      int64_t place = start * strides[attributes->axis];
      for (int32_t axis = 0; axis < inputs[k].type->rank; axis++) place += index[axis] * strides[axis];
      memcpy(outputs[0].bytes + (size_t)place * size, inputs[k].bytes + (size_t)i++ * size, size);
    } while (assay_reference_next(inputs[k].type, index));
    start += inputs[k].type->extents[attributes->axis];
  }
}

static int64_t clamped(int64_t index, int64_t count) { return index < 0 ? 0 : index >= count ? count - 1 : index; }

void assay_reference_gather(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const int64_t rows = inputs[0].type->extents[0];
  const size_t row_size = (size_t)(inputs[0].count / rows) * assay_dtype_size(inputs[0].type->dtype);
  const int32_t *indices = (const int32_t *)inputs[1].bytes;
  (void)node;
  for (int64_t i = 0; i < inputs[1].count; i++)
    memcpy(outputs[0].bytes + (size_t)i * row_size, inputs[0].bytes + (size_t)clamped(indices[i], rows) * row_size, row_size);
}

/* Indices are clamped as gather clamps them, so that each is the other's adjoint. */
void assay_reference_scatter_add(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const int64_t rows = outputs[0].type->extents[0], row_length = outputs[0].count / rows;
  (void)node;
  memset(outputs[0].numbers, 0, (size_t)outputs[0].count * sizeof(double));
  for (int64_t i = 0; i < inputs[1].count; i++) {
    double *row = outputs[0].numbers + clamped((int64_t)inputs[1].numbers[i], rows) * row_length;
    for (int64_t k = 0; k < row_length; k++) row[k] += inputs[0].numbers[i * row_length + k];
  }
}

void assay_reference_one_hot(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_count_attributes *attributes = node->attributes;
  for (int64_t i = 0; i < inputs[0].count; i++)
    for (int64_t k = 0; k < attributes->count; k++) outputs[0].numbers[i * attributes->count + k] = inputs[0].numbers[i] == (double)k;
}
