/* SPDX-License-Identifier: MIT
 *
 * Where a model looks, beside PyTorch (explainer_vectors.py): a flattened network, and branches that end apart; every class, both methods, every backend.
 */
#include "components.h"

#include "explainer_vectors.h"
#include "train/explainer.h"

#include <math.h>

enum { HEIGHT = 8, WIDTH = 6, CHANNELS = 2, MOST_LAYERS = 10 };

struct layer {
  const char *type, *options;
  int32_t inputs[2];
  uint32_t input_count;
};

static const struct layer flat[] = {{"conv2d", "channels=4", {-1}, 1}, {"relu", "", {0}, 1}, {"max_pool", "", {1}, 1},
                                    {"conv2d", "channels=3", {2}, 1},  {"relu", "", {3}, 1}, {"classifier", "", {4}, 1}},
                          branches[] = {{"conv2d", "channels=4", {-1}, 1},
                                        {"relu", "", {0}, 1},
                                        {"conv2d", "channels=2;stride=2;padding=1", {1}, 1},
                                        {"relu", "", {2}, 1},
                                        {"flatten", "", {3}, 1},
                                        {"max_pool", "", {1}, 1},
                                        {"relu", "", {5}, 1},
                                        {"flatten", "", {6}, 1},
                                        {"concat", "", {4, 7}, 2},
                                        {"classifier", "", {8}, 1}};

/* A model with the script's weights. */
static struct assay_model *make_of(const struct layer *layers, uint32_t layer_count, uint32_t class_count, uint32_t columns, uint32_t rows,
                                   uint32_t width, uint32_t height) {
  static const char *const classes[] = {"a", "b", "c"};
  struct assay_layer_setting settings_layers[MOST_LAYERS];
  for (uint32_t i = 0; i < layer_count; i++) {
    settings_layers[i] = (struct assay_layer_setting){component(ASSAY_LAYER, layers[i].type, layers[i].options), layers[i].input_count, layers[i].inputs};
    settings_layers[i].component.name = assay_arena_print(test_arena, "%s%u", layers[i].type, i);
  }
  const struct assay_settings settings = {.data = {.patch_columns = columns, .patch_rows = rows}, .layer_count = layer_count, .layers = settings_layers};
  const struct assay_samples samples = {.class_count = class_count, .height = height, .width = width, .channels = CHANNELS, .positive = -1, .classes = classes};
  const struct assay_network_facts facts = {.class_count = class_count, .height = height, .width = width, .channels = CHANNELS};
  struct assay_program_builder *builder;
  const struct assay_program *program;
  struct assay_status status;
  ck_assert_msg(assay_network_inference(&settings, &facts, &builder, &program, &status) == 0, "%s", status.message);
  uint64_t *sizes = ASSAY_NEW_ARRAY(test_arena, uint64_t, program->variable_count);
  const uint8_t **data = ASSAY_NEW_ARRAY(test_arena, const uint8_t *, program->variable_count);
  uint32_t k = 0;
  for (uint32_t v = 0; v < program->variable_count; v++) {
    const struct assay_variable *variable = program->variables[v];
    const int64_t count = assay_element_count(&variable->type);
    float *values = ASSAY_NEW_ARRAY(test_arena, float, count);
    for (int64_t j = 0; j < count; j++) {
      if (strcmp(variable->name, "pixels/mean") == 0) values[j] = 0;
      else if (strcmp(variable->name, "pixels/scale") == 0) values[j] = 1.0f / 255;
      else values[j] = (float)(cos(0.9 * (double)j + 2.0 * k) / 2);
    }
    k += strncmp(variable->name, "pixels/", 7) != 0;
    sizes[v] = (uint64_t)count * sizeof(float);
    data[v] = (const uint8_t *)values;
  }
  const struct assay_weights weights = {program->variable_count, sizes, data}, *members[] = {&weights};
  struct assay_model *model;
  ck_assert_msg(assay_model_create(&settings, &samples, members, 1, &model, &status) == 0, "%s", status.message);
  assay_program_release(builder);
  return model;
}

static struct assay_model *make(const struct layer *layers, uint32_t layer_count, uint32_t class_count) {
  return make_of(layers, layer_count, class_count, 1, 1, WIDTH, HEIGHT);
}

static void compare(const char *backend_name) {
  const struct assay_component backend = component(ASSAY_BACKEND, backend_name, "");
  struct assay_status status;
  struct assay_session *session;
  ck_assert_msg(assay_session_open(backend.plugin, backend.values, NULL, &session, &status) == 0, "%s", status.message);
  uint8_t pixels[HEIGHT * WIDTH * CHANNELS];
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++)
      for (int c = 0; c < CHANNELS; c++) pixels[(y * WIDTH + x) * CHANNELS + c] = (uint8_t)(11 * y + 5 * x + 3 * c + 7 * y * x + (y > 4 && x < 3 ? 90 : 0));
  for (size_t i = 0; i < sizeof explainer_cases / sizeof *explainer_cases; i++) {
    const struct explainer_case *expected = &explainer_cases[i];
    const bool is_flat = strcmp(expected->network, "flat") == 0;
    struct assay_model *model = is_flat ? make(flat, sizeof flat / sizeof *flat, 3) : make(branches, sizeof branches / sizeof *branches, 2);
    struct assay_explainer *explainer;
    float heat[HEAT_SIZE], most = 0;
    ck_assert_msg(assay_explainer_create(session, model, expected->hires ? ASSAY_EXPLAIN_HIRES_CAM : ASSAY_EXPLAIN_GRAD_CAM, &explainer, &status) == 0, "%s",
                  status.message);
    ck_assert_msg(assay_explainer_run(explainer, pixels, expected->class, 2 * WIDTH, 2 * HEIGHT, heat, &status) == 0, "%s", status.message);
    for (int j = 0; j < HEAT_SIZE; j++) {
      ck_assert_msg(fabsf(heat[j] - expected->heat[j]) <= 2e-5f, "%s, class %d, place %d: %g, not %g", expected->network, expected->class, j, heat[j],
                    expected->heat[j]);
      most = fmaxf(most, expected->heat[j]);
    }
    ck_assert_int_eq(assay_explainer_found(explainer), most > 0);
    assay_explainer_release(explainer);
    assay_model_release(model);
  }
  assay_session_close(session);
}

START_TEST(reference_looks_as_pytorch) { compare("reference"); }
END_TEST

START_TEST(cpu_looks_as_pytorch) {
  const struct assay_plugin *plugin;
  struct assay_status status;
  if (assay_registry_find(test_registry, ASSAY_BACKEND, "cpu", &plugin, &status) != 0) ASSAY_SKIP("%s", status.message);
  compare("cpu");
}
END_TEST

/* Without feature maps it is the picture itself that is weighed. */
START_TEST(a_network_without_convolutions_can_be_explained) {
  static const struct layer dense[] = {{"classifier", "", {-1}, 1}};
  const struct assay_component backend = component(ASSAY_BACKEND, "reference", "");
  struct assay_status status;
  struct assay_session *session;
  struct assay_explainer *explainer;
  struct assay_model *model = make(dense, 1, 3);
  uint8_t pixels[HEIGHT * WIDTH * CHANNELS];
  float heat[HEIGHT * WIDTH];
  memset(pixels, 100, sizeof pixels);
  ck_assert_int_eq(assay_session_open(backend.plugin, backend.values, NULL, &session, &status), 0);
  ck_assert_msg(assay_explainer_create(session, model, ASSAY_EXPLAIN_HIRES_CAM, &explainer, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_explainer_run(explainer, pixels, 1, WIDTH, HEIGHT, heat, &status) == 0, "%s", status.message);
  float most = 0;
  int best = 0, expected_best = 0;
  double expected = 0;
  for (int place = 0; place < HEIGHT * WIDTH; place++) { /* class 1: weights cos(0.9 j) / 2 from j = 96 on, channel by channel */
    const double sum = cos(0.9 * (96 + place)) + cos(0.9 * (96 + 48 + place));
    if (sum > expected) expected = sum, expected_best = place;
    if (heat[place] > most) most = heat[place], best = place;
  }
  ck_assert_int_eq(best, expected_best);
  assay_explainer_release(explainer);
  assay_model_release(model);
  assay_session_close(session);
}
END_TEST

/* The heat of a picture of two patches beside each other is that of each alone, in its place, but for one scale for both. */
START_TEST(patches_have_their_heat_in_their_places) {
  enum { BOTH = 2 * WIDTH };
  const struct assay_component backend = component(ASSAY_BACKEND, "reference", "");
  struct assay_status status;
  struct assay_session *session;
  struct assay_explainer *one, *both;
  struct assay_model *alone = make(flat, sizeof flat / sizeof *flat, 3), *patched = make_of(flat, sizeof flat / sizeof *flat, 3, 2, 1, BOTH, HEIGHT);
  uint8_t halves[2][HEIGHT * WIDTH * CHANNELS], picture[HEIGHT * BOTH * CHANNELS];
  float heat[HEIGHT * BOTH], own[HEIGHT * WIDTH];
  for (int half = 0; half < 2; half++)
    for (int y = 0; y < HEIGHT; y++)
      for (int i = 0; i < WIDTH * CHANNELS; i++)
        picture[(y * 2 + half) * WIDTH * CHANNELS + i] = halves[half][y * WIDTH * CHANNELS + i] = (uint8_t)(11 * y + 5 * i + 60 * half + 7 * y * i);
  ck_assert_int_eq(assay_session_open(backend.plugin, backend.values, NULL, &session, &status), 0);
  ck_assert_msg(assay_explainer_create(session, alone, ASSAY_EXPLAIN_HIRES_CAM, &one, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_explainer_create(session, patched, ASSAY_EXPLAIN_HIRES_CAM, &both, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_explainer_run(both, picture, 1, BOTH, HEIGHT, heat, &status) == 0, "%s", status.message);
  for (int half = 0; half < 2; half++) {
    float most = 0;
    ck_assert_int_eq(assay_explainer_run(one, halves[half], 1, WIDTH, HEIGHT, own, &status), 0);
    ck_assert(assay_explainer_found(one));
    for (int place = 0; place < HEIGHT * WIDTH; place++) most = fmaxf(most, heat[place / WIDTH * BOTH + half * WIDTH + place % WIDTH]);
    ck_assert(most > 0);
    for (int place = 0; place < HEIGHT * WIDTH; place++)
      ck_assert_float_eq_tol(heat[place / WIDTH * BOTH + half * WIDTH + place % WIDTH], most * own[place], 2e-5f);
  }
  assay_explainer_release(one);
  assay_explainer_release(both);
  assay_model_release(alone);
  assay_model_release(patched);
  assay_session_close(session);
}
END_TEST

START_TEST(heat_is_laid_over) {
  uint8_t pixels[6] = {200, 200, 200, 200, 200, 200};
  const float heat[2] = {0, 1};
  assay_heat_overlay(pixels, 2, 1, heat);
  for (int c = 0; c < 3; c++) ck_assert_int_lt(pixels[c], pixels[3 + c]); /* hot is lighter */
  ck_assert_int_gt(pixels[3], 200);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("explainer");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, reference_looks_as_pytorch);
  tcase_add_test(cases, cpu_looks_as_pytorch);
  tcase_add_test(cases, a_network_without_convolutions_can_be_explained);
  tcase_add_test(cases, patches_have_their_heat_in_their_places);
  tcase_add_test(cases, heat_is_laid_over);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
