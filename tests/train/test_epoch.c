/* SPDX-License-Identifier: MIT
 *
 * Two epochs beside PyTorch (epoch_vectors.py): normalisation, order, last batch, class weights, update, running statistics and evaluation at once; and the
 * same with frozen layers, rates by group and running means of weights.
 */
#include "components.h"

#include "epoch_vectors.h"
#include "graph/session.h"
#include "data/data.h"
#include "train/features.h"
#include "train/runner.h"

#include <math.h>

enum { COUNT = 10, SIDE = 6, CHANNELS = 2 };

static uint8_t bytes[COUNT][SIDE * SIDE * CHANNELS];
static const uint8_t *pixels[COUNT];
static int32_t labels[COUNT];
static uint32_t parts[COUNT];
static const char *const classes[] = {"even", "odd"};

static struct assay_samples samples(void) {
  for (int i = 0; i < COUNT; i++) {
    pixels[i] = bytes[i];
    parts[i] = ASSAY_PART_TRAIN;
    labels[i] = i % 2;
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++)
        for (int c = 0; c < CHANNELS; c++) bytes[i][(y * SIDE + x) * CHANNELS + c] = (uint8_t)(37 * i + 11 * y + 5 * x + 3 * c + 40 * (i % 2) + i * y * x);
  }
  return (struct assay_samples){.count = COUNT, .class_count = 2, .height = SIDE, .width = SIDE, .channels = CHANNELS, .positive = -1, .classes = classes,
                                .pixels = pixels, .labels = labels, .parts = parts, .fold_count = 1};
}

/* The script's first weights instead of random ones. */
static void write_weights(struct assay_runner *runner) {
  const struct assay_program *program = runner->network->program;
  uint32_t k = 0;
  for (uint32_t v = 0; v < program->variable_count; v++) {
    float values[64];
    struct assay_status status;
    if (program->variables[v]->role > ASSAY_ROLE_NORM_BIAS) continue;
    for (int j = 0; j < assay_element_count(&program->variables[v]->type); j++) values[j] = (float)(cos(0.9 * j + 2.0 * k) / 2);
    ck_assert_int_eq(runner->backend->store_write(runner->store, v, values, &status), 0);
    k++;
  }
  ck_assert_uint_eq(k, 6);
}

static const char *const middle[] = {"batch_norm", "classifier"};
static const double slow_first[] = {0.1, 0.2, 1}, slow_middle[] = {1, 0.5, 2};
/* Parallel to epoch_vectors. */
static const struct assay_train_settings cases[] = {
    {.epochs = 2},
    {.epochs = 2, .freeze = "batch_norm"},
    {.epochs = 2, .freeze = "conv2d", .rate_count = 3, .rate_groups = middle, .rates = slow_middle},
    {.epochs = 2, .freeze = "batch_norm", .keep_statistics = ASSAY_KEEP_NONE},
    {.epochs = 2, .freeze = "batch_norm.bias", .unfreeze_after = 1},
    {.epochs = 2, .keep_statistics = ASSAY_KEEP_ALL},
    {.epochs = 2, .rate_count = 3, .rate_groups = middle, .rates = slow_first},
    {.epochs = 2, .ema = 0.7},
};

/* `features`: what frozen layers make of the samples may be kept. */
static void repeat_on(const char *backend_name, int number, bool features) {
  static const char *const names[][2] = {{"conv2d", "channels=3"}, {"batch_norm", ""}, {"relu", ""}, {"max_pool", ""}, {"classifier", ""}};
  static const int32_t before[] = {-1, 0, 1, 2, 3};
  static const uint32_t order[COUNT] = {3, 1, 4, 0, 5, 9, 2, 6, 8, 7}, all[COUNT] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, counts[1] = {COUNT};
  static const double class_weights[2] = {1, 2};
  const struct assay_samples given = samples();
  struct assay_layer_setting layers[5];
  for (int i = 0; i < 5; i++) {
    layers[i] = (struct assay_layer_setting){component(ASSAY_LAYER, names[i][0], names[i][1]), 1, &before[i]};
    layers[i].component.name = names[i][0];
  }
  struct assay_train_settings train = cases[number];
  train.batch = 4;
  const struct epoch_vector *expected = &epoch_vectors[number];
  const struct assay_settings settings = {.layer_count = 5,
                                          .layers = layers,
                                          .optimizer = component(ASSAY_OPTIMIZER, "sgd", "learning_rate=0.05;momentum=0.9;nesterov=yes;weight_decay=0.01"),
                                          .train = train};
  const struct assay_network_facts facts = {.class_count = 2, .height = SIDE, .width = SIDE, .channels = CHANNELS, .training_count_count = 1,
                                            .training_counts = counts, .evaluation_batch = 7, .kept_rows = features ? COUNT : 0, .most_resident = 1 << 20};
  struct assay_features kept = {0};
  const struct assay_residency none = {0};
  const struct assay_component backend = component(ASSAY_BACKEND, backend_name, "");
  struct assay_status status;
  struct assay_session *session;
  struct assay_network *network;
  struct assay_runner runner;
  double mean[4], deviation[4], scores[2 * COUNT], losses[COUNT];
  float options[16];
  ck_assert_msg(assay_session_open(backend.plugin, backend.values, NULL, &session, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_network_create(&settings, &facts, &network, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_features_prepare(&kept, session, &given, network, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_runner_create(session, &given, &none, &kept, network, &runner, &status) == 0, "%s", status.message);
  assay_samples_statistics(&given, all, COUNT, mean, deviation);
  ck_assert_int_eq(assay_runner_initialise(&runner, 1, mean, deviation, &status), 0);
  write_weights(&runner);
  assay_network_options(&settings, options);
  ck_assert_int_eq(assay_network_reads_kept(network, network->phases[0].first_step), features && train.freeze != NULL);
  ck_assert_int_eq(assay_runner_begin(&runner, &status), 0);
  ck_assert_int_eq(assay_features_settle(&runner, options, &status), 0);
  for (uint32_t epoch = 0; epoch < 2; epoch++) {
    const struct assay_epoch_task task = {.numbers = order, .count = COUNT, .options = options, .class_weights = class_weights, .seed = 1, .epoch = epoch};
    struct assay_epoch_sums sums;
    if (epoch == 1 && network->phase_count > 1) ck_assert_int_eq(assay_runner_enter_phase(&runner, 1, &status), 0);
    ck_assert_msg(assay_runner_train(&runner, &task, &sums, &status) == 0, "%s", status.message);
    ck_assert_double_eq_tol(sums.loss / sums.weight, expected->training[epoch], 2e-6);
    ck_assert_double_eq(sums.weight, 15);
    ck_assert_msg(assay_runner_evaluate(&runner, all, COUNT, options, scores, losses, &status) == 0, "%s", status.message);
    for (int i = 0; i < COUNT; i++) {
      ck_assert_double_eq_tol(losses[i], expected->losses[epoch][i], 2e-5);
      ck_assert_double_eq_tol(-log(scores[2 * i + labels[i]]), expected->losses[epoch][i], 2e-5);
    }
  }
  assay_runner_release(&runner);
  assay_features_release(&kept, session);
  assay_network_release(network);
  assay_session_close(session);
}

START_TEST(reference_trains_as_pytorch) { repeat_on("reference", _i / 2, _i % 2 == 1); }
END_TEST

START_TEST(cpu_trains_as_pytorch) {
  const struct assay_plugin *plugin;
  struct assay_status status;
  if (assay_registry_find(test_registry, ASSAY_BACKEND, "cpu", &plugin, &status) != 0) ASSAY_SKIP("%s", status.message);
  repeat_on("cpu", _i / 2, _i % 2 == 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("epoch");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, components_setup, components_teardown);
  tcase_add_loop_test(all, reference_trains_as_pytorch, 0, 2 * sizeof cases / sizeof *cases);
  tcase_add_loop_test(all, cpu_trains_as_pytorch, 0, 2 * sizeof cases / sizeof *cases);
  suite_add_tcase(suite, all);
  return assay_run_suite(suite);
}
