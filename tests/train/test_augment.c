/* SPDX-License-Identifier: MIT
 *
 * Augmentation on every backend, against what torchvision, SciPy and NumPy make of the same random numbers (augment_vectors.json), and the statistics of
 * what has no such peer.
 */
#include "components.h"
#include "train/toy.h"

#include "config/sections.h"
#include "train/augment.h"
#include "train/model.h"

#include <jansson.h>
#include <math.h>

/* ---- Running the graph ---- */

struct batch {
  struct assay_augment_settings settings;
  int64_t count, height, width, channels;
  const uint8_t *pixels; /* N, H, W, C */
  const uint32_t *keys;
  const float *mean;
};

static const struct assay_program *build(const struct batch *batch, struct assay_program_builder *builder) {
  struct assay_status status;
  const struct assay_program *program;
  struct assay_builder *b = assay_function_begin(builder, "augment");
  const uint32_t used = assay_augment_count(&batch->settings);
  const int64_t extents[4] = {batch->count, batch->height, batch->width, batch->channels}, strength_count = used > 0 ? used : 1;
  const assay_value pixels = assay_function_feed(b, ASSAY_U8, 4, extents), options = assay_function_feed(b, ASSAY_F32, 1, &strength_count);
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){batch->count, 2});
  const assay_value mean = assay_function_feed(b, ASSAY_F32, 1, &batch->channels);
  const struct assay_build_context context = {sizeof context, 1, 2, keys, assay_invalid()};
  assay_function_context(b, &context);
  assay_value strengths[ASSAY_AUGMENT_COUNT], shares;
  for (uint32_t i = 0; i < used; i++) strengths[i] = assay_reshape(b, assay_slice(b, options, 0, i, i + 1), 0, NULL);
  const assay_value planes = assay_transpose(b, assay_cast(b, pixels, ASSAY_F32), (const int32_t[]){0, 3, 1, 2});
  const assay_value augmented = assay_augment_build(b, &batch->settings, strengths, planes, mean, &shares);
  assay_function_fetch(b, assay_transpose(b, augmented, (const int32_t[]){0, 2, 3, 1}));
  if (assay_is_valid(shares)) assay_function_fetch(b, shares);
  ck_assert_msg(assay_function_end(b, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_program_finish(builder, &program, &status) == 0, "%s", status.message);
  return program;
}

/* `out`: N, H, W, C; `shares`: N, or NULL without mixup. */
static void run(struct assay_session *session, const struct batch *batch, float *out, float *shares) {
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program = build(batch, builder);
  const struct assay_backend *backend = assay_session_backend(session);
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *feeds[4], *fetches[2];
  struct assay_status status;
  float options[ASSAY_AUGMENT_COUNT] = {0};
  assay_augment_options(&batch->settings, options);
  const uint64_t image = (uint64_t)(batch->height * batch->width * batch->channels), count = (uint64_t)batch->count;
  const void *data[4] = {batch->pixels, options, batch->keys, batch->mean};
  const uint64_t sizes[4] = {count * image, sizeof options, count * 2 * sizeof(uint32_t), (uint64_t)batch->channels * sizeof(float)};
  const uint64_t results[2] = {count * image * sizeof(float), count * sizeof(float)};
  ck_assert_msg(assay_session_compile(session, program, &executable, &status) == 0, "%s", status.message);
  ck_assert_msg(backend->store_create(executable, &store, &status) == 0, "%s", status.message);
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(backend->buffer_create(assay_session_device(session), sizes[i], &feeds[i], &status), 0);
    ck_assert_int_eq(backend->buffer_write(feeds[i], 0, data[i], sizes[i], &status), 0);
  }
  for (int i = 0; i < 2; i++) ck_assert_int_eq(backend->buffer_create(assay_session_device(session), results[i], &fetches[i], &status), 0);
  ck_assert_msg(backend->run(executable, 0, store, feeds, fetches, &status) == 0, "%s", status.message);
  ck_assert_int_eq(backend->buffer_read(fetches[0], 0, out, results[0], &status), 0);
  if (shares != NULL) ck_assert_int_eq(backend->buffer_read(fetches[1], 0, shares, results[1], &status), 0);
  for (int i = 0; i < 4; i++) backend->buffer_release(feeds[i]);
  for (int i = 0; i < 2; i++) backend->buffer_release(fetches[i]);
  backend->store_release(store);
  assay_program_release(builder);
}

/* Calls `test` with a session of each backend that works here. */
static void on_each_backend(void (*test)(struct assay_session *session, const char *name)) {
  static const char *const names[] = {"reference", "cpu", "opencl"};
  for (int i = 0; i < 3; i++) {
    const struct assay_plugin *plugin;
    const struct assay_option_value *const *values;
    struct assay_session *session;
    struct assay_status status;
    int code = assay_registry_find(test_registry, ASSAY_BACKEND, names[i], &plugin, &status);
    if (code == 0) code = assay_option_defaults(plugin->options, test_arena, &values, &status);
    if (code == 0) code = assay_session_open(plugin, values, NULL, &session, &status);
    if (code != 0) {
      ck_assert_msg(i > 0, "%s", status.message);
      fprintf(stderr, "skipped: %s: %s\n", names[i], status.message);
      continue;
    }
    test(session, names[i]);
    assay_session_close(session);
  }
}

/* ---- Vectors ---- */

static uint32_t kind_of(const char *key) {
  const int index = assay_option_index(assay_section_options("augment"), key);
  ck_assert_msg(index >= 0 && index < ASSAY_AUGMENT_COUNT, "[augment] has no %s", key);
  return (uint32_t)index;
}

static void read_case(const json_t *object, struct batch *batch) {
  const char *key;
  json_t *value;
  *batch = (struct batch){.count = 0};
  json_object_foreach(json_object_get(object, "strengths"), key, value) {
    batch->settings.strength[kind_of(key)] = json_number_value(value);
    batch->settings.most[kind_of(key)] = json_number_value(value);
  }
  json_object_foreach(json_object_get(object, "most"), key, value) batch->settings.most[kind_of(key)] = json_number_value(value);
  const char *border = json_string_value(json_object_get(object, "border"));
  batch->settings.border = strcmp(border, "black") == 0 ? ASSAY_BORDER_ZERO : strcmp(border, "edge") == 0 ? ASSAY_BORDER_EDGE : ASSAY_BORDER_REFLECT;
  int64_t *const extents[4] = {&batch->count, &batch->height, &batch->width, &batch->channels};
  for (size_t i = 0; i < 4; i++) *extents[i] = json_integer_value(json_array_get(json_object_get(object, "shape"), i));
  const json_t *pixels = json_object_get(object, "pixels"), *keys = json_object_get(object, "keys"), *mean = json_object_get(object, "mean");
  uint8_t *bytes = ASSAY_NEW_ARRAY(test_arena, uint8_t, json_array_size(pixels));
  uint32_t *words = ASSAY_NEW_ARRAY(test_arena, uint32_t, 2 * (size_t)batch->count);
  float *means = ASSAY_NEW_ARRAY(test_arena, float, (size_t)batch->channels);
  for (size_t i = 0; i < json_array_size(pixels); i++) bytes[i] = (uint8_t)json_integer_value(json_array_get(pixels, i));
  for (size_t i = 0; i < 2 * (size_t)batch->count; i++) words[i] = (uint32_t)json_integer_value(json_array_get(json_array_get(keys, i / 2), i % 2));
  for (size_t i = 0; i < (size_t)batch->channels; i++) means[i] = (float)json_number_value(json_array_get(mean, i));
  batch->pixels = bytes;
  batch->keys = words;
  batch->mean = means;
}

static void check_vectors(struct assay_session *session, const char *name) {
  char path[4096];
  json_error_t error;
  const char *source = getenv("ASSAY_SOURCE");
  snprintf(path, sizeof path, "%s/tests/train/augment_vectors.json", source != NULL ? source : ".");
  json_t *cases = json_load_file(path, 0, &error);
  ck_assert_msg(cases != NULL, "%s: %s", path, error.text);
  ck_assert_uint_gt(json_array_size(cases), 15);
  for (size_t c = 0; c < json_array_size(cases); c++) {
    const json_t *object = json_array_get(cases, c), *expected = json_object_get(object, "expected");
    struct batch batch;
    read_case(object, &batch);
    float *out = ASSAY_NEW_ARRAY(test_arena, float, json_array_size(expected));
    run(session, &batch, out, NULL);
    for (size_t i = 0; i < json_array_size(expected); i++) {
      const double wanted = json_number_value(json_array_get(expected, i)), tolerance = json_number_value(json_object_get(object, "tolerance"));
      ck_assert_msg(fabs(out[i] - wanted) <= tolerance, "%s, %s: number %zu is %g instead of %g", name, json_string_value(json_object_get(object, "name")), i,
                    out[i], wanted);
    }
  }
  json_decref(cases);
}

START_TEST(agrees_with_torchvision_and_scipy) { on_each_backend(check_vectors); }
END_TEST

/* ---- Batches made here ---- */

enum { SIDE = 6, CHANNELS = 3, IMAGE = SIDE * SIDE * CHANNELS };

static struct batch random_batch(int64_t count, uint64_t seed) {
  struct assay_random random = assay_random_seed(seed, 0);
  struct batch batch = {.count = count, .height = SIDE, .width = SIDE, .channels = CHANNELS, .settings = {.border = ASSAY_BORDER_REFLECT}};
  uint8_t *pixels = ASSAY_NEW_ARRAY(test_arena, uint8_t, (size_t)count * IMAGE);
  uint32_t *keys = ASSAY_NEW_ARRAY(test_arena, uint32_t, 2 * (size_t)count);
  for (int64_t i = 0; i < count * IMAGE; i++) pixels[i] = (uint8_t)assay_random_below(&random, 256);
  for (int64_t i = 0; i < 2 * count; i++) keys[i] = assay_random_u32(&random);
  batch.pixels = pixels;
  batch.keys = keys;
  batch.mean = ASSAY_NEW_ARRAY(test_arena, float, CHANNELS);
  return batch;
}

static void use(struct batch *batch, uint32_t kind, double strength) { batch->settings.strength[kind] = batch->settings.most[kind] = strength; }

static void use_all(struct batch *batch) {
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) use(batch, kind, 0.2);
  use(batch, ASSAY_AUGMENT_ROTATION, 30);
  use(batch, ASSAY_AUGMENT_HUE, 60);
  use(batch, ASSAY_AUGMENT_NOISE, 10);
  use(batch, ASSAY_AUGMENT_BLUR, 1);
}

static float all_of_reference[8 * IMAGE], shares_of_reference[8];

static void check_all(struct assay_session *session, const char *name) {
  struct batch batch = random_batch(8, 3);
  use_all(&batch);
  float out[8 * IMAGE], shares[8];
  run(session, &batch, out, shares);
  if (strcmp(name, "reference") == 0) {
    memcpy(all_of_reference, out, sizeof out);
    memcpy(shares_of_reference, shares, sizeof shares);
    return;
  }
  for (int i = 0; i < 8 * IMAGE; i++) ck_assert_msg(fabsf(out[i] - all_of_reference[i]) < 0.05f, "%s: %d: %g, reference %g", name, i, out[i], all_of_reference[i]);
  for (int i = 0; i < 8; i++) ck_assert_msg(fabsf(shares[i] - shares_of_reference[i]) < 1e-5f, "%s: share %d: %g, reference %g", name, i, shares[i], shares_of_reference[i]);
}

START_TEST(is_the_same_on_every_backend) { on_each_backend(check_all); }
END_TEST

/* All but mixup, whose partner is one of the batch. */
static void check_splitting(struct assay_session *session, const char *name) {
  if (strcmp(name, "reference") != 0) return;
  struct batch batch = random_batch(7, 4);
  use_all(&batch);
  use(&batch, ASSAY_AUGMENT_MIXUP, 0);
  float whole[7 * IMAGE], part[4 * IMAGE];
  run(session, &batch, whole, NULL);
  struct batch rest = batch;
  rest.count = 4;
  rest.pixels = batch.pixels + 3 * IMAGE;
  rest.keys = batch.keys + 3 * 2;
  run(session, &rest, part, NULL);
  for (int i = 0; i < 4 * IMAGE; i++) ck_assert_float_eq(part[i], whole[3 * IMAGE + i]);
}

START_TEST(does_not_depend_on_the_batch) { on_each_backend(check_splitting); }
END_TEST

/* Moments of a normal distribution; 64 images of 108 numbers: standard errors are 0.012, 0.017 and 0.06. A strength of 30 gives each image a deviation of its own. */
static void check_noise(struct assay_session *session, const char *name) {
  struct batch batch = random_batch(64, 5);
  memset((uint8_t *)(uintptr_t)batch.pixels, 128, 64 * IMAGE);
  use(&batch, ASSAY_AUGMENT_NOISE, 30);
  float *out = ASSAY_NEW_ARRAY(test_arena, float, 64 * IMAGE);
  run(session, &batch, out, NULL);
  double first = 0, second = 0, fourth = 0;
  for (int n = 0; n < 64; n++) {
    const uint32_t counter[4] = {5, 0, 0, 0}; /* noise is draw 20 */
    uint32_t words[4];
    assay_philox(counter, batch.keys + 2 * n, words);
    const double deviation = 30 * (words[0] >> 8) * 0x1p-24;
    for (int i = 0; i < IMAGE; i++) {
      const double x = (out[n * IMAGE + i] - 128) / deviation;
      first += x, second += x * x, fourth += x * x * x * x;
    }
  }
  const double count = 64 * IMAGE;
  ck_assert_msg(fabs(first / count) < 0.05, "%s: the noise's mean is %g", name, first / count);
  ck_assert_msg(fabs(second / count - 1) < 0.07, "%s: the noise's variance is %g", name, second / count);
  ck_assert_msg(fabs(fourth / count - 3) < 0.3, "%s: the noise's fourth moment is %g", name, fourth / count);
}

START_TEST(noise_is_normal) { on_each_backend(check_noise); }
END_TEST

/* Mean and deviation of the larger share max(B, 1 - B), from SciPy: the mean is 0.5 + 2 * quad(lambda x: (.5 - x) * scipy.stats.beta.pdf(x, a, a), 0, .5)[0]. */
static void check_shares(struct assay_session *session, const char *name) {
  static const struct {
    double alpha, mean, deviation;
  } wanted[] = {{0.2, 0.89881, 0.1397}, {0.4, 0.83976, 0.1531}, {1, 0.75, 0.1443}};
  enum { COUNT = 4096 };
  if (strcmp(name, "opencl") == 0) return; /* slow on a processor, and compared with the reference above */
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    struct batch batch = random_batch(COUNT, 6 + i);
    use(&batch, ASSAY_AUGMENT_MIXUP, wanted[i].alpha);
    float *out = ASSAY_NEW_ARRAY(test_arena, float, COUNT * IMAGE), *shares = ASSAY_NEW_ARRAY(test_arena, float, COUNT);
    run(session, &batch, out, shares);
    double sum = 0;
    for (int n = 0; n < COUNT; n++) {
      sum += shares[n];
      ck_assert(shares[n] >= 0.5f && shares[n] <= 1.f);
      const uint8_t *own = batch.pixels + n * IMAGE, *other = batch.pixels + (n + 1) % COUNT * IMAGE;
      const double expected = shares[n] * own[17] + (1 - shares[n]) * other[17];
      ck_assert_msg(fabs(out[n * IMAGE + 17] - expected) < 1e-3, "%s: sample %d", name, n);
    }
    const double error = 5 * wanted[i].deviation / sqrt(COUNT);
    ck_assert_msg(fabs(sum / COUNT - wanted[i].mean) < error, "%s: alpha %g: mean share %g instead of %g", name, wanted[i].alpha, sum / COUNT, wanted[i].mean);
  }
}

START_TEST(mixup_follows_beta) { on_each_backend(check_shares); }
END_TEST

/* ---- As part of training ---- */

static const struct assay_program *network_program(struct toy *toy, struct assay_network **network) {
  struct assay_status status;
  const uint32_t count = 10;
  const struct assay_network_facts facts = {.class_count = 2, .height = TOY_SIDE, .width = TOY_SIDE, .channels = TOY_CHANNELS, .training_count_count = 1,
                                            .training_counts = &count, .evaluation_batch = 4};
  ck_assert_msg(assay_network_create(&toy->settings, &facts, network, &status) == 0, "%s", status.message);
  return (*network)->program;
}

START_TEST(only_steps_are_augmented) {
  struct toy *toy = toy_create(20, 2, 2, 60);
  toy_layer(toy, "classifier", "");
  struct assay_network *plain, *augmented, *other;
  const struct assay_program *before = network_program(toy, &plain);
  toy->settings.augment.most[ASSAY_AUGMENT_ROTATION] = 90;
  toy->settings.augment.strength[ASSAY_AUGMENT_ROTATION] = 20;
  toy->settings.augment.most[ASSAY_AUGMENT_MIXUP] = 1;
  const struct assay_program *with = network_program(toy, &augmented);
  toy->settings.augment.strength[ASSAY_AUGMENT_ROTATION] = 30;
  toy->settings.augment.strength[ASSAY_AUGMENT_MIXUP] = 0.5;
  const struct assay_program *stronger = network_program(toy, &other);
  ck_assert_uint_eq(augmented->option_count, plain->option_count + 2);
  ck_assert_uint_gt(with->functions[0]->graph->node_count, before->functions[0]->graph->node_count);
  ck_assert_uint_eq(with->functions[augmented->phases[0].evaluate]->graph->node_count, before->functions[plain->phases[0].evaluate]->graph->node_count);
  ck_assert_mem_ne(with->key, before->key, sizeof with->key);
  ck_assert_mem_eq(with->key, stronger->key, sizeof with->key); /* one compiled program for all strengths */
  float options[64];
  assay_network_options(&toy->settings, options);
  ck_assert_float_eq(options[other->option_count - 2], 30);
  ck_assert_float_eq(options[other->option_count - 1], 0.5);
  assay_network_release(plain);
  assay_network_release(augmented);
  assay_network_release(other);
  toy_release(toy);
}
END_TEST

static void use_every_kind(struct toy *toy) {
  static const double strengths[ASSAY_AUGMENT_COUNT] = {
      [ASSAY_AUGMENT_FLIP_HORIZONTAL] = 1, [ASSAY_AUGMENT_FLIP_VERTICAL] = 1, [ASSAY_AUGMENT_QUARTER_TURNS] = 1, [ASSAY_AUGMENT_ROTATION] = 180,
      [ASSAY_AUGMENT_ZOOM] = 1,            [ASSAY_AUGMENT_SHIFT] = 0.5,       [ASSAY_AUGMENT_SHEAR] = 40,        [ASSAY_AUGMENT_PERSPECTIVE] = 0.4,
      [ASSAY_AUGMENT_CROP] = 0.5,          [ASSAY_AUGMENT_BLUR] = 2,          [ASSAY_AUGMENT_BRIGHTNESS] = 1,    [ASSAY_AUGMENT_CONTRAST] = 1,
      [ASSAY_AUGMENT_SATURATION] = 1,      [ASSAY_AUGMENT_HUE] = 180,         [ASSAY_AUGMENT_NOISE] = 100,       [ASSAY_AUGMENT_CUTOUT] = 1,
      [ASSAY_AUGMENT_MIXUP] = 1};
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) {
    ck_assert_double_gt(strengths[kind], 0);
    toy->settings.augment.strength[kind] = toy->settings.augment.most[kind] = strengths[kind];
  }
}

/* At a learning rate of 0 the weights stay as they began: what validation and the final model make of the images shows whether these were changed. */
START_TEST(judging_never_sees_augmented_images) {
  struct toy *toy = toy_create(24, 2, 2, 60);
  struct assay_status status;
  toy_layer(toy, "conv_blocks", "blocks=1;channels=4");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 2;
  toy->settings.train.final = ASSAY_FINAL_BEST_FOLD;
  toy->settings.optimizer = component(ASSAY_OPTIMIZER, "sgd", "learning_rate=0");
  struct assay_trial_result *results[2];
  double scores[2][24 * 2];
  for (int on = 0; on < 2; on++) {
    struct assay_trainer *trainer;
    struct assay_model *model;
    struct assay_predictor *predictor;
    if (on) use_every_kind(toy);
    ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
    ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 1, true, NULL, &results[on], &status) == 0, "%s", status.message);
    ck_assert_msg(assay_trainer_final(trainer, &toy->settings, results[on], 1, NULL, &model, NULL, &status) == 0, "%s", status.message);
    ck_assert_msg(assay_predictor_create(toy->session, model, 5, &predictor, &status) == 0, "%s", status.message);
    ck_assert_msg(assay_predictor_run(predictor, toy->pixels, NULL, 24, scores[on], NULL, &status) == 0, "%s", status.message);
    assay_predictor_release(predictor);
    assay_model_release(model);
    assay_trainer_close(trainer);
  }
  for (uint32_t fold = 0; fold < 2; fold++)
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
      const struct assay_epoch *without = &results[0]->folds[fold].epochs[epoch], *with = &results[1]->folds[fold].epochs[epoch];
      ck_assert_double_eq(with->validation_loss, without->validation_loss);
      ck_assert_double_gt(fabs(with->training_loss - without->training_loss), 1e-3); /* it was on */
    }
  ck_assert_mem_eq(scores[1], scores[0], sizeof scores[0]);
  for (int on = 0; on < 2; on++) assay_trial_result_release(results[on]);
  toy_release(toy);
}
END_TEST

/* A kind whose strength is 0 in this trial changes nothing but the last digits. */
START_TEST(strength_zero_trains_like_without) {
  struct toy *toy = toy_create(24, 2, 2, 60);
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 3;
  struct assay_trial_result *plain = toy_trial(toy, 1, false);
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) toy->settings.augment.most[kind] = 0.4;
  toy->settings.augment.border = ASSAY_BORDER_REFLECT;
  struct assay_trial_result *zero = toy_trial(toy, 1, false);
  ck_assert_double_eq_tol(zero->objective, plain->objective, 1e-4);
  for (uint32_t kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) toy->settings.augment.strength[kind] = 0.4;
  struct assay_trial_result *strong = toy_trial(toy, 1, false), *again = toy_trial(toy, 1, false);
  ck_assert_double_gt(fabs(strong->objective - plain->objective), 1e-3);
  ck_assert_double_eq(strong->objective, again->objective);
  assay_trial_result_release(plain);
  assay_trial_result_release(zero);
  assay_trial_result_release(strong);
  assay_trial_result_release(again);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("augment");
  TCase *tests = tcase_create("augment");
  tcase_add_checked_fixture(tests, components_setup, components_teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, agrees_with_torchvision_and_scipy);
  tcase_add_test(tests, is_the_same_on_every_backend);
  tcase_add_test(tests, does_not_depend_on_the_batch);
  tcase_add_test(tests, noise_is_normal);
  tcase_add_test(tests, mixup_follows_beta);
  tcase_add_test(tests, only_steps_are_augmented);
  tcase_add_test(tests, judging_never_sees_augmented_images);
  tcase_add_test(tests, strength_zero_trains_like_without);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
