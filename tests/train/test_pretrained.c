/* SPDX-License-Identifier: MIT
 *
 * Pretrained weights: what of a file reaches which variable, under which names, and what is said of the rest. Files are written here; what they must become
 * follows from their numbers.
 */
#include "components.h"

#include "base/text.h"
#include "config/weights_file.h"
#include "graph/number.h"
#include "graph/safetensors.h"
#include "train/model.h"
#include "train/pretrained.h"
#include "train/weight_names.h"

#include <math.h>
#include <unistd.h>

enum { MOST = 64 };

/* A file in the making: tensor k holds 100 k + i at element i, k from 1, unless given numbers. */
struct made {
  struct assay_tensor tensors[MOST];
  struct assay_string_pair pairs[4];
  struct assay_safetensors file;
};

static const char *file_path(void) { return assay_arena_print(test_arena, "%s/pretrained.safetensors", getenv("HOME")); }

static void add(struct made *made, const char *name, int32_t dtype, int32_t rank, const int64_t *extents) {
  struct assay_tensor *tensor = &made->tensors[made->file.tensor_count++];
  *tensor = (struct assay_tensor){.name = name, .type = {dtype, rank, {0}}};
  for (int32_t axis = 0; axis < rank; axis++) tensor->type.extents[axis] = extents[axis];
  const int64_t count = assay_element_count(&tensor->type);
  const size_t size = assay_dtype_size(dtype);
  unsigned char *data = ASSAY_NEW_ARRAY(test_arena, unsigned char, (size_t)count * size);
  for (int64_t i = 0; i < count; i++) assay_store_number(100.0 * made->file.tensor_count + (double)i, dtype, data + (size_t)i * size);
  tensor->data = data;
  tensor->size = (uint64_t)count * size;
}

#define ADD(made, name, dtype, ...) add(made, name, dtype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static void tell(struct made *made, const char *key, const char *value) { made->pairs[made->file.pair_count++] = (struct assay_string_pair){key, value}; }

static void write_file(struct made *made) {
  struct assay_status status;
  made->file.tensors = made->tensors;
  made->file.pairs = made->pairs;
  ck_assert_msg(assay_safetensors_write(file_path(), &made->file, &status) == 0, "%s", status.message);
}

/* A network of one convolution (layer `conv1`, 2 filters of 1 x 1) and a classifier, on 2 x 2 pixels. */
struct bench {
  struct assay_layer_setting layers[3];
  struct assay_settings settings;
  struct assay_program_builder *builder;
  const struct assay_program *program;
};

static void build(struct bench *bench, uint32_t channels, uint32_t classes) {
  static const int32_t before[3] = {-1, 0, 1};
  struct assay_status status;
  const struct assay_network_facts facts = {.class_count = classes, .height = 2, .width = 2, .channels = channels};
  memset(bench, 0, sizeof *bench);
  bench->layers[0] = (struct assay_layer_setting){component(ASSAY_LAYER, "conv2d", "channels=2;kernel=1"), 1, &before[0]};
  bench->layers[0].component.name = "net";
  bench->layers[1] = (struct assay_layer_setting){component(ASSAY_LAYER, "global_avg_pool", ""), 1, &before[1]};
  bench->layers[2] = (struct assay_layer_setting){component(ASSAY_LAYER, "classifier", ""), 1, &before[2]};
  bench->settings = (struct assay_settings){.layers = bench->layers, .layer_count = 3, .weights = file_path()};
  bench->settings.data = (struct assay_data_settings){.width = 2, .height = 2, .normalise = ASSAY_NORMALISE_UNIT, .colour = channels == 1 ? ASSAY_COLOUR_GREY : ASSAY_COLOUR_RGB};
  ck_assert_msg(assay_network_inference(&bench->settings, &facts, &bench->builder, &bench->program, &status) == 0, "%s", status.message);
}

static const char *const class_names[] = {"a", "b", "c", "d"};

static struct assay_pretrained *opened(const struct bench *bench, uint32_t classes) {
  struct assay_status status;
  struct assay_pretrained *pretrained;
  ck_assert_msg(assay_pretrained_open(&bench->settings, bench->program, class_names, classes, &pretrained, &status) == 0, "%s", status.message);
  return pretrained;
}

static int refused(const struct bench *bench, uint32_t classes, struct assay_status *status) {
  struct assay_pretrained *pretrained;
  const int code = assay_pretrained_open(&bench->settings, bench->program, class_names, classes, &pretrained, status);
  ck_assert_ptr_null(pretrained);
  return code;
}

/* The numbers that a variable gets; NULL when it stays new. */
static const float *numbers_of(const struct bench *bench, const struct assay_pretrained *pretrained, const char *name) {
  for (uint32_t v = 0; v < bench->program->variable_count; v++) {
    const struct assay_variable *variable = bench->program->variables[v];
    if (strcmp(variable->name, name) != 0) continue;
    if (!assay_pretrained_has(pretrained, v)) return NULL;
    float *numbers = ASSAY_NEW_ARRAY(test_arena, float, (size_t)assay_element_count(&variable->type));
    assay_pretrained_fill(pretrained, v, numbers);
    return numbers;
  }
  ck_abort_msg("there is no variable %s", name);
  return NULL;
}

static const struct assay_weight_row *row_of(const struct assay_pretrained *pretrained, const char *name) {
  uint32_t count;
  const struct assay_weight_row *rows = assay_pretrained_rows(pretrained, &count);
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(rows[i].variable != NULL ? rows[i].variable : rows[i].tensor, name) == 0) return &rows[i];
  ck_abort_msg("there is no row for %s", name);
  return NULL;
}

static void done(struct bench *bench, struct assay_pretrained *pretrained) {
  assay_pretrained_release(pretrained);
  assay_program_release(bench->builder);
  unlink(file_path());
}

START_TEST(tensors_reach_variables_of_their_name) {
  static const int32_t dtypes[] = {ASSAY_F32, ASSAY_F16, ASSAY_BF16, ASSAY_F64};
  static const char *const prefixes[] = {"", "module.", "", "model."};
  struct made made = {.file = {0}};
  struct bench bench;
  const char *prefix = prefixes[_i];
  ADD(&made, assay_arena_print(test_arena, "%sweight", prefix), dtypes[_i], 2, 3, 1, 1);
  ADD(&made, assay_arena_print(test_arena, "%sbias", prefix), ASSAY_F32, 2);
  ADD(&made, assay_arena_print(test_arena, "%sfc.weight", prefix), ASSAY_F32, 4, 2);
  ADD(&made, assay_arena_print(test_arena, "%sfc.bias", prefix), ASSAY_F32, 4);
  ADD(&made, "bn.num_batches_tracked", ASSAY_I32, 1);
  write_file(&made);
  build(&bench, 3, 4);
  struct assay_pretrained *pretrained = opened(&bench, 4);
  const float *weight = numbers_of(&bench, pretrained, "net.weight"), *bias = numbers_of(&bench, pretrained, "net.bias");
  const float *last = numbers_of(&bench, pretrained, "classifier.weight");
  for (int i = 0; i < 6; i++) ck_assert_float_eq(weight[i], 100.0f + (float)i);
  ck_assert_float_eq(bias[1], 201);
  for (int i = 0; i < 8; i++) ck_assert_float_eq(last[i], 300.0f + (float)i);
  ck_assert_str_eq(row_of(pretrained, "net.weight")->tensor, assay_arena_print(test_arena, "%sweight", prefix));
  ck_assert_ptr_nonnull(strstr(row_of(pretrained, "bn.num_batches_tracked")->note, "not needed"));
  done(&bench, pretrained);
}
END_TEST

START_TEST(grey_images_sum_the_filters) {
  struct made made = {.file = {0}};
  struct bench bench;
  ADD(&made, "weight", ASSAY_F16, 2, 3, 1, 1);
  write_file(&made);
  build(&bench, 1, 4);
  struct assay_pretrained *pretrained = opened(&bench, 4);
  const float *weight = numbers_of(&bench, pretrained, "net.weight");
  ck_assert_float_eq(weight[0], 100 + 101 + 102);
  ck_assert_float_eq(weight[1], 103 + 104 + 105);
  ck_assert_ptr_nonnull(strstr(row_of(pretrained, "net.weight")->note, "summed"));
  ck_assert_ptr_null(numbers_of(&bench, pretrained, "classifier.weight"));
  ck_assert_ptr_nonnull(strstr(row_of(pretrained, "classifier.weight")->note, "no tensor"));
  done(&bench, pretrained);
  made = (struct made){.file = {0}};
  ADD(&made, "weight", ASSAY_F32, 2, 1, 1, 1);
  write_file(&made);
  build(&bench, 3, 4);
  pretrained = opened(&bench, 4);
  ck_assert_float_eq(numbers_of(&bench, pretrained, "net.weight")[5], 101 / 3.0f);
  done(&bench, pretrained);
}
END_TEST

START_TEST(classifiers_fit_by_their_classes) {
  static const struct {
    const char *names; /* metadata; NULL: none */
    int64_t rows;      /* of the file */
    uint32_t classes;  /* of the data */
    int first;         /* row that class 0 gets; -1: a new classifier; -2: row 1 less row 0 */
  } cases[] = {{NULL, 4, 4, 0}, {NULL, 5, 4, -1},        {"d c b a", 4, 4, 3},    {"x d y c b a", 6, 4, 5}, {"a b c e", 4, 4, -1}, {NULL, 2, 2, -2},
               {"b a", 2, 2, -3}, {"1000 ImageNet classes", 4, 4, 0}, {"a b c d", 5, 4, -1}};
  struct made made = {.file = {0}};
  struct bench bench;
  ADD(&made, "weight", ASSAY_F32, 2, 3, 1, 1);
  ADD(&made, "linear.weight", ASSAY_F32, cases[_i].rows, 2);
  ADD(&made, "linear.bias", ASSAY_F32, cases[_i].rows);
  if (cases[_i].names != NULL) tell(&made, "classes", cases[_i].names);
  write_file(&made);
  build(&bench, 3, cases[_i].classes);
  struct assay_pretrained *pretrained = opened(&bench, cases[_i].classes);
  const float *weight = numbers_of(&bench, pretrained, "classifier.weight"), *bias = numbers_of(&bench, pretrained, "classifier.bias");
  const int first = cases[_i].first;
  if (first == -1) {
    ck_assert(weight == NULL && bias == NULL);
    ck_assert_ptr_nonnull(strstr(row_of(pretrained, "classifier.weight")->note, "new classifier"));
  } else if (first < -1) {
    const float sign = first == -2 ? 1 : -1;
    ck_assert(weight[0] == 2 * sign && weight[1] == 2 * sign && bias[0] == sign);
  } else {
    ck_assert_float_eq(weight[0], 200.0f + 2.0f * (float)first);
    ck_assert_float_eq(weight[1], 201.0f + 2.0f * (float)first);
    ck_assert_float_eq(bias[0], 300.0f + (float)first);
  }
  done(&bench, pretrained);
}
END_TEST

START_TEST(other_networks_are_refused) {
  struct assay_status status;
  struct made made = {.file = {0}};
  struct bench bench;
  ADD(&made, "weight", ASSAY_F32, 5, 3, 1, 1);
  write_file(&made);
  build(&bench, 3, 4);
  ck_assert_int_eq(refused(&bench, 4, &status), ASSAY_E_CONFIG);
  ck_assert_msg(strstr(status.message, "5x3x1x1") != NULL && strstr(status.message, "net.weight") != NULL, "%s", status.message);
  made = (struct made){.file = {0}};
  ADD(&made, "other", ASSAY_F32, 2);
  write_file(&made);
  ck_assert_int_eq(refused(&bench, 4, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "none of its 1 tensors"));
  FILE *pickle = fopen(file_path(), "wb");
  ck_assert(pickle != NULL && fwrite("PK\3\4archive/data.pkl", 1, 20, pickle) == 20 && fclose(pickle) == 0);
  ck_assert_int_eq(refused(&bench, 4, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "save_file"));
  unlink(file_path());
  ck_assert_int_eq(refused(&bench, 4, &status), ASSAY_E_DATA);
  assay_program_release(bench.builder);
}
END_TEST

/* timm's names, looked up in its sources: vgg.py, mobilenetv2 through _efficientnet_blocks.py. */
START_TEST(names_of_timm_are_known) {
  static const char *const names[][2] = {
      {"features.0.0.weight", "conv_stem.weight"},
      {"features.0.1.running_var", "bn1.running_var"},
      {"features.1.conv.0.0.weight", "blocks.0.0.conv_dw.weight"},
      {"features.1.conv.0.1.bias", "blocks.0.0.bn1.bias"},
      {"features.1.conv.1.weight", "blocks.0.0.conv_pw.weight"},
      {"features.1.conv.2.running_mean", "blocks.0.0.bn2.running_mean"},
      {"features.2.conv.0.0.weight", "blocks.1.0.conv_pw.weight"},
      {"features.3.conv.1.0.weight", "blocks.1.1.conv_dw.weight"},
      {"features.6.conv.1.1.weight", "blocks.2.2.bn2.weight"},
      {"features.7.conv.2.weight", "blocks.3.0.conv_pwl.weight"},
      {"features.17.conv.3.running_var", "blocks.6.0.bn3.running_var"},
      {"features.18.0.weight", "conv_head.weight"},
      {"features.18.1.bias", "bn2.bias"},
      {"classifier.0.weight", "pre_logits.fc1.weight"},
      {"classifier.3.bias", "pre_logits.fc2.bias"},
  };
  char name[ASSAY_WEIGHT_NAME];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    ck_assert(assay_weight_name(names[i][0], false, 0, name));
    ck_assert_str_eq(name, names[i][0]);
    ck_assert(assay_weight_name(names[i][0], false, 1, name));
    ck_assert_str_eq(name, names[i][1]);
    ck_assert(!assay_weight_name(names[i][0], false, 2, name));
  }
  ck_assert(!assay_weight_name("layer1.0.conv1.weight", false, 1, name));
  ck_assert(!assay_weight_name("features.19.0.weight", false, 1, name));
}
END_TEST

START_TEST(inputs_are_read) {
  static const struct {
    const char *text;
    bool known;
    double mean, deviation; /* of green */
    uint32_t size;
  } inputs[] = {{"RGB, 0..1, minus mean 0.485,0.456,0.406, over std 0.229,0.224,0.225, size 32", true, 116.28, 57.12, 32},
                {"RGB, 0..255, minus mean 123.68,116.779,103.939, size 224", true, 116.779, 1, 224},
                {"RGB, value/127.5 - 1, size 224", true, 127.5, 127.5, 224},
                {"-1..1", true, 127.5, 127.5, 0},
                {"0..1", true, 0, 255, 0},
                {"0..1, over std 0.5", true, 0, 127.5, 0},
                {"BGR, 0..255", false, 0, 0, 0},
                {"", false, 0, 0, 0},
                {"RGB", false, 0, 0, 0},
                {"0..1, over std 0", false, 0, 0, 0},
                {"0..1 minus", false, 0, 0, 0},
                {"value/0 - 1", false, 0, 0, 0},
                {"0..1, size 99999999", false, 0, 0, 0},
                {"0..1,", false, 0, 0, 0}};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    struct assay_weights_facts facts = {.size = 0};
    ck_assert_msg(assay_weights_input(inputs[i].text, &facts) == inputs[i].known, "%s", inputs[i].text);
    if (!inputs[i].known) continue;
    ck_assert_double_eq_tol(facts.mean[1], inputs[i].mean, 1e-9);
    ck_assert_double_eq_tol(facts.deviation[1], inputs[i].deviation, 1e-9);
    ck_assert_uint_eq(facts.size, inputs[i].size);
  }
}
END_TEST

/* (pixel - mean) / deviation. */
START_TEST(normalisation_is_as_written) {
  static const double measured_mean[4] = {10, 20, 30}, measured_deviation[4] = {1, 2, 3}, means[3] = {3, 6, 12}, one[1] = {7};
  static const struct {
    uint32_t choice, channels, channel;
    double mean, deviation;
  } cases[] = {{ASSAY_NORMALISE_STANDARD, 3, 2, 30, 3},     {ASSAY_NORMALISE_UNIT, 3, 1, 0, 255},         {ASSAY_NORMALISE_SYMMETRIC, 1, 0, 127.5, 127.5},
               {ASSAY_NORMALISE_IMAGENET, 3, 0, 123.675, 58.395}, {ASSAY_NORMALISE_IMAGENET, 1, 0, 114.495, 57.63}, {ASSAY_NORMALISE_VALUES, 3, 1, 6, 7},
               {ASSAY_NORMALISE_VALUES, 1, 0, 7, 7}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct assay_data_settings settings = {.normalise = cases[i].choice, .mean = means, .mean_count = 3, .deviation = one, .deviation_count = 1};
    double mean[4], deviation[4];
    assay_normalisation(&settings, cases[i].channels, measured_mean, measured_deviation, mean, deviation);
    ck_assert_double_eq_tol(mean[cases[i].channel], cases[i].mean, 1e-9);
    ck_assert_double_eq_tol(deviation[cases[i].channel], cases[i].deviation, 1e-9);
  }
}
END_TEST

START_TEST(weights_alone_make_a_model) {
  struct assay_status status;
  struct made made = {.file = {0}};
  struct bench bench;
  ADD(&made, "weight", ASSAY_F32, 2, 3, 1, 1);
  ADD(&made, "bias", ASSAY_F32, 2);
  ADD(&made, "fc.weight", ASSAY_F32, 3, 2);
  write_file(&made);
  build(&bench, 3, 3);
  struct assay_model *model;
  ck_assert_int_eq(assay_model_from_weights(&bench.settings, &model, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "classifier.bias"));
  ADD(&made, "fc.bias", ASSAY_F32, 3);
  write_file(&made);
  ck_assert_msg(assay_model_from_weights(&bench.settings, &model, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(model->class_count, 3);
  ck_assert_str_eq(model->classes[2], "0002");
  assay_model_release(model);
  bench.settings.data.normalise = ASSAY_NORMALISE_STANDARD;
  ck_assert_int_eq(assay_model_from_weights(&bench.settings, &model, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "normalise"));
  done(&bench, NULL);
}
END_TEST

/* Hostile beyond the list in test_model: very many tensors, and names that a terminal would obey. */
START_TEST(very_many_tensors_are_read_quickly) {
  enum { TENSORS = 100000 };
  struct assay_text text = {0};
  assay_text_add(&text, "{");
  for (int i = 0; i < TENSORS; i++) assay_text_print(&text, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i > 0 ? "," : "", i, i, i + 1);
  assay_text_add(&text, "}");
  char *bytes = ASSAY_NEW_ARRAY(test_arena, char, 8 + text.length + TENSORS);
  const uint64_t length = text.length;
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, text.data, text.length);
  struct assay_safetensors file;
  struct assay_status status;
  ck_assert_msg(assay_safetensors_parse("many", bytes, 8 + text.length + TENSORS, test_arena, &file, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(file.tensor_count, TENSORS);
  ck_assert_uint_eq(assay_safetensors_tensor(&file, "t99999")->offset, 99999);
  assay_text_release(&text);
  static const char evil[] = "{\"a\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
  const uint64_t evil_length = sizeof evil - 1;
  memcpy(bytes, &evil_length, 8);
  memcpy(bytes + 8, evil, sizeof evil);
  ck_assert_int_eq(assay_safetensors_parse("evil", bytes, 8 + evil_length + 1, test_arena, &file, &status), ASSAY_E_DATA);
  ck_assert(assay_is_printable(status.message));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pretrained");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_loop_test(cases, tensors_reach_variables_of_their_name, 0, 4);
  tcase_add_test(cases, grey_images_sum_the_filters);
  tcase_add_loop_test(cases, classifiers_fit_by_their_classes, 0, 9);
  tcase_add_test(cases, other_networks_are_refused);
  tcase_add_test(cases, names_of_timm_are_known);
  tcase_add_test(cases, inputs_are_read);
  tcase_add_test(cases, normalisation_is_as_written);
  tcase_add_test(cases, weights_alone_make_a_model);
  tcase_add_test(cases, very_many_tensors_are_read_quickly);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
