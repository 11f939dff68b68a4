/* SPDX-License-Identifier: MIT
 *
 * Two epochs beside PyTorch (epoch_vectors.py): normalisation, order, last batch, class weights, update, running statistics and evaluation at once.
 */
#include "components.h"

#include "epoch_vectors.h"
#include "graph/session.h"
#include "train/runner.h"

#include <math.h>

enum { COUNT = 10, SIDE = 6, CHANNELS = 2 };

static uint8_t bytes[COUNT][SIDE * SIDE * CHANNELS];
static const uint8_t *pixels[COUNT];
static int32_t labels[COUNT];
static const char *const classes[] = {"even", "odd"};

static struct assay_samples samples(void) {
  for (int i = 0; i < COUNT; i++) {
    pixels[i] = bytes[i];
    labels[i] = i % 2;
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++)
        for (int c = 0; c < CHANNELS; c++) bytes[i][(y * SIDE + x) * CHANNELS + c] = (uint8_t)(37 * i + 11 * y + 5 * x + 3 * c + 40 * (i % 2) + i * y * x);
  }
  return (struct assay_samples){.count = COUNT, .class_count = 2, .height = SIDE, .width = SIDE, .channels = CHANNELS, .positive = -1, .classes = classes,
                                .pixels = pixels, .labels = labels, .fold_count = 1};
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

static void repeat_on(const char *backend_name) {
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
  const struct assay_settings settings = {.layer_count = 5,
                                          .layers = layers,
                                          .optimizer = component(ASSAY_OPTIMIZER, "sgd", "learning_rate=0.05;momentum=0.9;nesterov=yes;weight_decay=0.01"),
                                          .train = {.epochs = 2, .batch = 4}};
  const struct assay_network_facts facts = {2, SIDE, SIDE, CHANNELS, 0, 1, counts, 7, 0};
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
  ck_assert_msg(assay_runner_create(session, &given, &none, network, &runner, &status) == 0, "%s", status.message);
  assay_samples_statistics(&given, all, COUNT, mean, deviation);
  ck_assert_int_eq(assay_runner_initialise(&runner, 1, mean, deviation, &status), 0);
  write_weights(&runner);
  assay_network_options(&settings, options);
  for (uint32_t epoch = 0; epoch < 2; epoch++) {
    const struct assay_epoch_task task = {.numbers = order, .count = COUNT, .options = options, .class_weights = class_weights, .seed = 1, .epoch = epoch};
    struct assay_epoch_sums sums;
    ck_assert_msg(assay_runner_train(&runner, &task, &sums, &status) == 0, "%s", status.message);
    ck_assert_double_eq_tol(sums.loss / sums.weight, epoch_training_loss[epoch], 2e-6);
    ck_assert_double_eq(sums.weight, 15);
    ck_assert_msg(assay_runner_evaluate(&runner, all, COUNT, options, scores, losses, &status) == 0, "%s", status.message);
    for (int i = 0; i < COUNT; i++) {
      ck_assert_double_eq_tol(losses[i], epoch_losses[epoch][i], 2e-5);
      ck_assert_double_eq_tol(-log(scores[2 * i + labels[i]]), epoch_losses[epoch][i], 2e-5);
    }
  }
  assay_runner_release(&runner);
  assay_network_release(network);
  assay_session_close(session);
}

START_TEST(reference_trains_as_pytorch) { repeat_on("reference"); }
END_TEST

START_TEST(cpu_trains_as_pytorch) {
  const struct assay_plugin *plugin;
  struct assay_status status;
  if (assay_registry_find(test_registry, ASSAY_BACKEND, "cpu", &plugin, &status) != 0) ASSAY_SKIP("%s", status.message);
  repeat_on("cpu");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("epoch");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, reference_trains_as_pytorch);
  tcase_add_test(cases, cpu_trains_as_pytorch);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
