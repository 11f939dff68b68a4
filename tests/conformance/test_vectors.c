/* SPDX-License-Identifier: MIT
 *
 * The reference backend and the core's gradients and decompositions against what PyTorch computed: vectors.json, written by make_vectors.py.
 */
#include "backends.h"
#include "tensors.h"

#include "graph/number.h"
#include "graph/ops.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MOST = 8 };

/* ---- Attributes from JSON ---- */

static int64_t whole(const json_t *object, const char *key) { return (int64_t)json_number_value(json_object_get(object, key)); }

static void pair(const json_t *object, const char *key, int64_t numbers[2]) {
  for (size_t i = 0; i < 2; i++) numbers[i] = (int64_t)json_number_value(json_array_get(json_object_get(object, key), i));
}

static struct assay_case attributes_of(uint32_t op, const json_t *object) {
  struct assay_case c;
  memset(&c, 0, sizeof c);
  c.attributes_size = assay_op_info(op)->attributes_size;
  switch (op) {
  case ASSAY_OP_REDUCE_SUM:
  case ASSAY_OP_REDUCE_MAX:
  case ASSAY_OP_ARGMAX: c.attributes.reduce.axes = (uint32_t)whole(object, "axes"); break;
  case ASSAY_OP_SCATTER_ADD:
  case ASSAY_OP_ONE_HOT: c.attributes.count.count = whole(object, "count"); break;
  case ASSAY_OP_TRANSPOSE:
    for (size_t i = 0; i < json_array_size(json_object_get(object, "axes")); i++)
      c.attributes.transpose.axes[i] = (int32_t)json_integer_value(json_array_get(json_object_get(object, "axes"), i));
    break;
  case ASSAY_OP_MATMUL:
    c.attributes.matmul.transpose_a = (uint32_t)whole(object, "transpose_a");
    c.attributes.matmul.transpose_b = (uint32_t)whole(object, "transpose_b");
    break;
  case ASSAY_OP_CONV2D:
    pair(object, "stride", c.attributes.conv2d.stride);
    pair(object, "dilation", c.attributes.conv2d.dilation);
    pair(object, "pad_low", c.attributes.conv2d.pad_low);
    pair(object, "pad_high", c.attributes.conv2d.pad_high);
    c.attributes.conv2d.groups = whole(object, "groups");
    break;
  case ASSAY_OP_MAX_POOL2D:
  case ASSAY_OP_AVG_POOL2D:
    pair(object, "kernel", c.attributes.pool2d.kernel);
    pair(object, "stride", c.attributes.pool2d.stride);
    pair(object, "pad_low", c.attributes.pool2d.pad_low);
    pair(object, "pad_high", c.attributes.pool2d.pad_high);
    c.attributes.pool2d.count_padding = whole(object, "count_padding");
    break;
  case ASSAY_OP_BATCH_NORM_TRAINING:
  case ASSAY_OP_BATCH_NORM_INFERENCE: c.attributes.epsilon.epsilon = json_number_value(json_object_get(object, "epsilon")); break;
  case ASSAY_OP_WARP: c.attributes.warp.border = (uint32_t)whole(object, "border"); break;
  case ASSAY_OP_GAUSSIAN_BLUR: c.attributes.blur.radius = whole(object, "radius"); break;
  default: break;
  }
  return c;
}

/* ---- Tensors from JSON ---- */

static struct assay_host_tensor read_tensor(const json_t *object, int32_t dtype) {
  const json_t *shape = json_object_get(object, "shape"), *data = json_object_get(object, "data");
  struct assay_host_tensor tensor = {{dtype, (int32_t)json_array_size(shape), {0}}, NULL};
  for (int32_t axis = 0; axis < tensor.type.rank; axis++) tensor.type.extents[axis] = json_integer_value(json_array_get(shape, (size_t)axis));
  tensor.bytes = malloc(assay_host_tensor_size(&tensor.type) + 1);
  ck_assert_ptr_nonnull(tensor.bytes);
  ck_assert_int_eq((int64_t)json_array_size(data), assay_element_count(&tensor.type));
  for (int64_t i = 0; i < assay_element_count(&tensor.type); i++)
    assay_store_number(json_number_value(json_array_get(data, (size_t)i)), dtype, tensor.bytes + (size_t)i * assay_dtype_size(dtype));
  return tensor;
}

static void check(const struct assay_host_tensor *got, const json_t *object, double bound, const char *label, const char *part, size_t number) {
  struct assay_host_tensor expected = read_tensor(object, assay_dtype_is_float(got->type.dtype) ? ASSAY_F64 : got->type.dtype);
  ck_assert_int_eq(assay_element_count(&got->type), assay_element_count(&expected.type));
  ck_assert_int_eq(got->type.rank, expected.type.rank);
  for (int32_t axis = 0; axis < expected.type.rank; axis++) ck_assert_int_eq(got->type.extents[axis], expected.type.extents[axis]);
  const struct assay_measure measure = {assay_dtype_is_float(got->type.dtype) ? bound : 0, 1e-3, true};
  struct assay_conformance_result result = {.subject = ""};
  assay_host_compare(got, &expected, &measure, &result);
  ck_assert_msg(result.verdict == ASSAY_CONFORMANCE_PASSED, "%s, %s %zu: %s (error %g, bound %g)", label, part, number, result.message, result.worst, bound);
  free(expected.bytes);
}

/* ---- One case ---- */

/* What the case computes: an op of the table, or a composition that layers make. */
static assay_value emit(struct assay_builder *b, const char *name, const json_t *attributes, const assay_value *inputs, uint32_t count) {
  const assay_value x = inputs[0];
  if (strcmp(name, "silu") == 0) return assay_mul(b, x, assay_sigmoid(b, x));
  if (strcmp(name, "gelu") == 0) {
    const assay_value e = assay_erf(b, assay_mul(b, x, assay_number(b, x, 0.70710678118654752)));
    return assay_mul(b, assay_mul(b, x, assay_number(b, x, 0.5)), assay_add(b, e, assay_number(b, x, 1)));
  }
  const struct assay_op_info *info = assay_op_by_name(name);
  ck_assert_msg(info != NULL, "no op \"%s\"", name);
  const struct assay_case c = attributes_of(info->op, attributes);
  return b->host->emit(b, info->op, inputs, count, c.attributes_size ? &c.attributes : NULL, c.attributes_size);
}

/* Feeds: inputs, then the weight. Results: outputs, then gradients. */
static const struct assay_program *build(struct assay_program_builder *builder, const json_t *vector, int32_t dtype) {
  const char *name = json_string_value(json_object_get(vector, "op"));
  const json_t *inputs = json_object_get(vector, "inputs"), *integers = json_object_get(vector, "integers"), *gradients = json_object_get(vector, "gradients");
  struct assay_builder *b = assay_function_begin(builder, name);
  assay_value values[MOST], wrt[MOST], found[MOST];
  for (size_t i = 0; i < json_array_size(inputs); i++) {
    int32_t own = dtype;
    for (size_t k = 0; k < json_array_size(integers); k++)
      if (json_integer_value(json_array_get(integers, k)) == (json_int_t)i) own = ASSAY_I32;
    struct assay_host_tensor tensor = read_tensor(json_array_get(inputs, i), own);
    values[i] = assay_function_feed(b, own, tensor.type.rank, tensor.type.extents);
    free(tensor.bytes);
  }
  const assay_value first = emit(b, name, json_object_get(vector, "attributes"), values, (uint32_t)json_array_size(inputs));
  for (size_t i = 0; i < json_array_size(json_object_get(vector, "outputs")); i++) assay_function_fetch(b, assay_output(first, (int32_t)i));
  const size_t count = json_array_size(gradients);
  if (count) {
    const struct assay_tensor_type type = *assay_type(b, first);
    const assay_value weight = assay_function_feed(b, dtype, type.rank, type.extents);
    for (size_t i = 0; i < count; i++) wrt[i] = values[whole(json_array_get(gradients, i), "input")];
    assay_builder_gradient(b, assay_mul(b, first, weight), wrt, (uint32_t)count, found);
    for (size_t i = 0; i < count; i++) assay_function_fetch(b, found[i]);
  }
  struct assay_status status;
  const struct assay_program *program;
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s: %s", name, status.message);
  ck_assert_msg(assay_program_finish(builder, &program, &status) == 0, "%s: %s", name, status.message);
  return program;
}

static void run_vector(struct assay_session *session, const json_t *vector, int32_t dtype, double bound, size_t number) {
  const json_t *inputs = json_object_get(vector, "inputs"), *outputs = json_object_get(vector, "outputs"), *gradients = json_object_get(vector, "gradients");
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build(builder, vector, dtype);
  const struct assay_function *function = program->functions[0];
  struct assay_host_tensor feeds[MOST] = {0}, fetches[MOST] = {0};
  const size_t input_count = json_array_size(inputs), output_count = json_array_size(outputs);
  for (size_t i = 0; i < function->feed_count; i++)
    feeds[i] = read_tensor(i < input_count ? json_array_get(inputs, i) : json_object_get(vector, "weight"), function->graph->types[function->feeds[i]]->dtype);

  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_status status;
  ck_assert_msg(assay_session_compile(session, program, &executable, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_session_backend(session)->store_create(executable, &store, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_host_call(session, executable, store, program, 0, feeds, fetches, &status) == 0, "%s", status.message);
  char label[80];
  snprintf(label, sizeof label, "case %zu (%s, %s)", number, function->name, assay_conformance_dtype(dtype));
  for (size_t i = 0; i < output_count; i++) check(&fetches[i], json_array_get(outputs, i), bound, label, "output", i);
  for (size_t i = 0; i < json_array_size(gradients); i++) check(&fetches[output_count + i], json_array_get(gradients, i), bound, label, "gradient", i);

  assay_host_tensors_release(feeds, MOST);
  assay_host_tensors_release(fetches, MOST);
  assay_session_backend(session)->store_release(store);
  assay_program_release(builder);
}

/* ---- Tests ---- */

static json_t *read_vectors(void) {
  const char *source = getenv("srcdir");
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof path, "%s/tests/conformance/vectors.json", source ? source : ".");
  json_t *vectors = json_load_file(path, 0, &error);
  ck_assert_msg(vectors != NULL, "%s: %s", path, error.text);
  return vectors;
}

static void run_vectors(int32_t dtype, double bound) {
  struct assay_registry *registry = open_registry();
  struct assay_arena *arena = assay_arena_create();
  struct assay_session *session;
  struct assay_status status;
  ck_assert_msg(open_backend(registry, "reference", NULL, arena, &session, &status) == 0, "%s", status.message);
  json_t *vectors = read_vectors();
  const json_t *cases = json_object_get(vectors, "cases");
  ck_assert_uint_gt(json_array_size(cases), 50);
  for (size_t i = 0; i < json_array_size(cases); i++) run_vector(session, json_array_get(cases, i), dtype, bound, i);
  json_decref(vectors);
  assay_session_close(session);
  assay_registry_release(registry);
  assay_arena_release(arena);
}

START_TEST(agrees_with_pytorch_in_f64) { run_vectors(ASSAY_F64, 1e-12); }
END_TEST

START_TEST(agrees_with_pytorch_in_f32) { run_vectors(ASSAY_F32, 4e-6); }
END_TEST

int main(void) {
  Suite *suite = suite_create("vectors");
  TCase *tests = tcase_create("pytorch");
  tcase_add_test(tests, agrees_with_pytorch_in_f64);
  tcase_add_test(tests, agrees_with_pytorch_in_f32);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
