/* SPDX-License-Identifier: MIT
 *
 * Graphs of any ops with any attributes: what shape inference lets through is built, differentiated, taken apart into primitives, and run by the reference
 * backend, which is linked in. Under a sanitizer this shows attributes that a rule should have refused.
 *
 * The input is a program: a byte for the op, one for each input, and for each number of the attributes a byte that stands for a small number or, rarely, for
 * one at the edge of its range.
 */
#include "graph/ops.h"
#include "graph/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 64, MOST_NODES = 24, MOST_ELEMENTS = 1024, MOST_INPUTS = 5, FEEDS = 8 };

static const struct assay_tensor_type feeds[FEEDS] = {
    {ASSAY_F32, 4, {2, 4, 5, 3}}, {ASSAY_F32, 4, {4, 2, 2, 3}}, {ASSAY_F32, 1, {4}}, {ASSAY_I32, 1, {3}},
    {ASSAY_U32, 2, {2, 2}},       {ASSAY_BOOL, 2, {5, 3}},      {ASSAY_U8, 2, {3, 3}}, {ASSAY_F16, 2, {3, 3}},
};

struct reader {
  const uint8_t *data;
  size_t size, at;
};

static uint8_t next_byte(struct reader *reader) { return reader->at < reader->size ? reader->data[reader->at++] : 0; }

static int64_t next_number(struct reader *reader) {
  const int8_t byte = (int8_t)next_byte(reader);
  switch (byte) {
  case 127: return INT64_MAX;
  case 126: return INT32_MAX;
  case 125: return (int64_t)1 << 40;
  case -128: return INT64_MIN;
  case -127: return INT32_MIN;
  default: return byte % 16;
  }
}

static void read_attributes(struct reader *reader, const struct assay_op_info *info, unsigned char *attributes) {
  for (const struct assay_attribute_field *field = info->fields; field && field->name; field++)
    for (uint32_t i = 0; i < field->count; i++) {
      const int64_t number = next_number(reader);
      const double real = (double)number / 2;
      const int32_t word = (int32_t)(uint32_t)number;
      const size_t size = field->kind == ASSAY_FIELD_I32 || field->kind == ASSAY_FIELD_U32 ? 4 : 8;
      const void *from = size == 4 ? (const void *)&word : field->kind == ASSAY_FIELD_F64 ? (const void *)&real : (const void *)&number;
      memcpy(attributes + field->offset + i * size, from, size);
    }
}

/* Whether the rules take the node, and its results are small. */
static bool is_welcome(struct assay_builder *b, const struct assay_op_info *info, const unsigned char *given, const assay_value *inputs, uint32_t count) {
  const struct assay_tensor_type *types[MOST_INPUTS];
  struct assay_tensor_type outputs[4];
  struct assay_status status;
  _Alignas(max_align_t) unsigned char attributes[256];
  memset(outputs, 0, sizeof outputs);
  memcpy(attributes, given, sizeof attributes);
  for (uint32_t i = 0; i < count; i++) types[i] = assay_type(b, inputs[i]);
  if (info->normalise) info->normalise(attributes, info->op, types);
  if (info->shape(attributes, types, count, outputs, &status)) return false;
  for (uint32_t i = 0; i < info->output_count; i++)
    if (assay_type_check(&outputs[i], &status) || assay_element_count(&outputs[i]) > MOST_ELEMENTS) return false;
  return true;
}

/* One node from the input; gives how many values it adds. */
static uint32_t add_node(struct reader *reader, struct assay_builder *b, assay_value *values, uint32_t value_count) {
  uint32_t op_count = 0;
  while (assay_op_at(op_count)) op_count++;
  const struct assay_op_info *info = assay_op_at(next_byte(reader) % op_count);
  if ((info->flags & (ASSAY_OP_SOURCE | ASSAY_OP_EFFECT)) || value_count + info->output_count > MOST_VALUES) return 0;
  const uint32_t count = info->input_count >= 0 ? (uint32_t)info->input_count : 1u + next_byte(reader) % 3;
  assay_value inputs[MOST_INPUTS];
  _Alignas(max_align_t) unsigned char attributes[256] = {0};
  if (count > MOST_INPUTS || info->attributes_size > sizeof attributes) abort(); /* the table has outgrown this test */
  for (uint32_t i = 0; i < count; i++) inputs[i] = values[next_byte(reader) % value_count];
  read_attributes(reader, info, attributes);
  if (!is_welcome(b, info, attributes, inputs, count)) return 0;
  const assay_value first = b->host->emit(b, info->op, inputs, count, info->attributes_size ? attributes : NULL, info->attributes_size);
  if (!assay_is_valid(first)) abort(); /* the builder refuses what the rules take */
  for (uint32_t i = 0; i < info->output_count; i++) values[value_count + i] = assay_output(first, (int32_t)i);
  return info->output_count;
}

/* Gradients of everything that the last float depends on. */
static void differentiate(struct assay_builder *b, const assay_value *values, uint32_t count) {
  assay_value gradients[3];
  for (uint32_t i = count; i-- > FEEDS;)
    if (assay_dtype_is_float(assay_type(b, values[i])->dtype)) {
      assay_builder_gradient(b, values[i], values, 3, gradients);
      for (int k = 0; k < 3; k++) assay_function_fetch(b, gradients[k]);
      return;
    }
}

static void run_program(const struct assay_program *program) {
  struct assay_session *session;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *buffers[FEEDS + MOST_VALUES + 3] = {NULL};
  struct assay_status status;
  const struct assay_function *function = program->functions[0];
  if (assay_session_open(assay_plugin_query(0), NULL, NULL, &session, &status)) abort();
  const struct assay_backend *backend = assay_session_backend(session);
  if (assay_session_compile(session, program, &executable, &status) || backend->store_create(executable, &store, &status)) abort();
  for (uint32_t i = 0; i < function->feed_count + function->fetch_count; i++) {
    const int32_t value = i < function->feed_count ? function->feeds[i] : function->fetches[i - function->feed_count];
    const struct assay_tensor_type *type = function->graph->types[value];
    const size_t size = (size_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    unsigned char bytes[MOST_ELEMENTS * 8];
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (unsigned char)(k * 37 % 5); /* small integers, tiny floats; as a bool only 0 and 1 */
    for (size_t k = 0; k < size && type->dtype == ASSAY_BOOL; k++) bytes[k] &= 1;
    if (backend->buffer_create(assay_session_device(session), size, &buffers[i], &status)) abort();
    if (size <= sizeof bytes && backend->buffer_write(buffers[i], 0, bytes, size, &status)) abort();
  }
  if (backend->run(executable, 0, store, buffers, buffers + function->feed_count, &status)) abort();
  for (uint32_t i = 0; i < function->feed_count + function->fetch_count; i++) backend->buffer_release(buffers[i]);
  backend->store_release(store);
  assay_session_close(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reader reader = {data, size, 0};
  struct assay_program_builder *builder = assay_program_begin();
  struct assay_builder *b = builder ? assay_function_begin(builder, "fuzz") : NULL;
  assay_value values[MOST_VALUES];
  uint32_t count = 0;
  const struct assay_program *program;
  struct assay_status status;
  if (!b) abort();
  for (; count < FEEDS; count++) values[count] = assay_function_feed(b, feeds[count].dtype, feeds[count].rank, feeds[count].extents);
  for (int i = 0; i < MOST_NODES && reader.at < size; i++) count += add_node(&reader, b, values, count);
  for (uint32_t i = FEEDS; i < count; i++) assay_function_fetch(b, values[i]);
  differentiate(b, values, count);
  /* The build may fail only where a derivative is not known. */
  if (assay_function_end(b, &status) == 0) {
    if (assay_program_finish(builder, &program, &status)) abort();
    run_program(program);
  }
  assay_program_release(builder);
  return 0;
}
