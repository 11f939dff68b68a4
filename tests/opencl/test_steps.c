/* SPDX-License-Identifier: MIT
 *
 * What a training asks of an OpenCL driver, counted by the layer fault_layer.c between loader and driver: no memory from the first step on, results once an epoch; and that images
 * which are sent batch by batch train as those that stay on the device.
 */
#include "../train/toy.h"

#include "fault_layer.h"
#include "train/bench.h"
#include "train/fold.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IMAGES = 60, FOLDS = 3, EPOCHS = 4 };

/* The table that the layer counts in, or NULL with a message. To be called before anything of OpenCL is. */
static const struct fault_entry *count_calls(void) {
  const char *build = getenv("ASSAY_BUILD");
  const char *table = assay_arena_print(test_arena, "%s/steps-table-%d", getenv("XDG_CACHE_HOME"), (int)getpid());
  setenv("OPENCL_LAYERS", assay_arena_print(test_arena, "%s/tests/opencl/.libs/fault_layer.so", build != NULL ? build : "."), 1);
  setenv("ASSAY_FAULT_TABLE", table, 1);
  const int file = open(table, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(ftruncate(file, FAULT_ENTRIES * sizeof(struct fault_entry)), 0);
  const void *memory = mmap(NULL, FAULT_ENTRIES * sizeof(struct fault_entry), PROT_READ, MAP_SHARED, file, 0);
  ck_assert_ptr_ne(memory, MAP_FAILED);
  return memory;
}

static uint32_t calls(const struct fault_entry *table, const char *name) {
  for (int i = 0; i < FAULT_ENTRIES; i++)
    if (strcmp(table[i].name, name) == 0) return table[i].calls;
  ck_abort_msg("the layer does not know %s", name);
  return 0;
}

/* A toy on OpenCL, with dropout, so that the samples' keys matter too; NULL with a message where there is no device or no layer. */
static struct toy *create(uint32_t batch, const struct fault_entry *table) {
  struct toy *toy = toy_create(IMAGES, 2, FOLDS, 60);
  const struct assay_component backend = component(ASSAY_BACKEND, "opencl", "");
  struct assay_status status;
  assay_session_close(toy->session);
  toy->session = NULL;
  toy->settings.train.batch = batch;
  toy_layer(toy, "conv_blocks", "blocks=1;channels=4");
  toy_layer(toy, "dropout", "rate=0.2");
  toy_layer(toy, "classifier", "");
  if (assay_session_open(backend.plugin, backend.values, NULL, &toy->session, &status) != 0) fprintf(stderr, "skipped: %s\n", status.message);
  else if (table[0].calls == 0) fprintf(stderr, "skipped: this OpenCL loader has no layers\n");
  else return toy;
  assay_session_close(toy->session);
  return NULL;
}

/* What the driver was asked for before the first step, and then until the end of each epoch. */
struct watch {
  const struct fault_entry *table;
  struct counts {
    uint32_t buffers, parts, maps, reads, launches;
  } start, at[EPOCHS];
};

static struct counts count(const struct watch *watch) {
  return (struct counts){calls(watch->table, "clCreateBuffer"), calls(watch->table, "clCreateSubBuffer"), calls(watch->table, "clEnqueueMapBuffer"),
                         calls(watch->table, "clEnqueueReadBuffer"), calls(watch->table, "clEnqueueNDRangeKernel")};
}

/* Asked before each step. */
static bool begin_step(void *context) {
  struct watch *watch = context;
  if (watch->start.buffers == 0) watch->start = count(watch);
  return false;
}

static int note(void *context, const struct assay_progress *progress, struct assay_status *status) {
  struct watch *watch = context;
  (void)status;
  watch->at[progress->epoch] = count(watch);
  return 0;
}

/* The first fold's epochs. `streamed`: nothing stays on the device. */
static void train(struct toy *toy, bool streamed, struct watch *watch, struct assay_fold_result *result) {
  const struct assay_hooks hooks = {.context = watch, .epoch = note, .interrupted = begin_step};
  struct assay_cut cut = assay_cut_whole(&toy->settings, 0, 1);
  struct assay_material material;
  struct assay_bench bench;
  struct assay_status status;
  bool pruned;
  ck_assert_msg(assay_material_open(toy->session, &toy->samples, test_arena, &material, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(material.residency.count, IMAGES);
  if (streamed) assay_material_withdraw(&material);
  ck_assert_msg(assay_bench_set_up(&material, &toy->settings, &cut, &bench, &status) == 0, "%s", status.message);
  const struct assay_fold_part *part = &material.parts[0];
  const struct assay_fold_task task = {.settings = &toy->settings, .training = part->training, .validation = part->validation, .training_count = part->training_count,
                                       .validation_count = part->validation_count, .mean = part->mean, .deviation = part->deviation, .seed = 3, .fold_count = 1,
                                       .epoch_limit = EPOCHS, .hooks = &hooks};
  ck_assert_msg(assay_fold_run(&bench.runner, &task, test_arena, result, NULL, &pruned, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(result->epoch_count, EPOCHS);
  assay_bench_take_down(&bench);
  assay_material_release(&material);
}

/* 40 samples in batches of 16: steps of 16, 16 and 8. */
START_TEST(images_that_are_sent_train_alike) {
  struct watch watch = {.table = count_calls()};
  struct toy *toy = create(16, watch.table);
  if (toy == NULL) return;
  struct assay_fold_result resident, streamed;
  train(toy, false, &watch, &resident);
  train(toy, true, &watch, &streamed);
  for (int epoch = 0; epoch < EPOCHS; epoch++) { /* the same arithmetic on the same numbers */
    ck_assert_double_eq(resident.epochs[epoch].training_loss, streamed.epochs[epoch].training_loss);
    ck_assert_double_eq(resident.epochs[epoch].validation_loss, streamed.epochs[epoch].validation_loss);
  }
  ck_assert_double_lt(resident.epochs[EPOCHS - 1].training_loss, resident.epochs[0].training_loss);
  toy_release(toy);
}
END_TEST

/* With images on the device and without. */
START_TEST(steps_take_no_memory) {
  struct watch watch = {.table = count_calls()};
  struct toy *toy = create(16, watch.table);
  if (toy == NULL) return;
  struct assay_fold_result result;
  train(toy, _i == 1, &watch, &result);
  ck_assert_uint_gt(watch.start.buffers, 0);
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    ck_assert_uint_gt(watch.at[epoch].launches, watch.start.launches);
    ck_assert_uint_eq(watch.at[epoch].buffers, watch.start.buffers);
    ck_assert_uint_eq(watch.at[epoch].parts, watch.start.parts);
    ck_assert_uint_eq(watch.at[epoch].maps, watch.start.maps);
  }
  toy_release(toy);
}
END_TEST

/* The sums of an epoch, and logits and losses of its evaluation: as many with ten steps an epoch as with three. */
START_TEST(results_are_read_once_an_epoch) {
  uint32_t reads[2], launches[2];
  struct watch watch = {.table = count_calls()};
  for (int i = 0; i < 2; i++) {
    struct toy *toy = create(i == 0 ? 16 : 4, watch.table);
    if (toy == NULL) return;
    struct assay_fold_result result;
    train(toy, false, &watch, &result);
    reads[i] = watch.at[EPOCHS - 1].reads - watch.at[0].reads;
    launches[i] = watch.at[EPOCHS - 1].launches - watch.at[0].launches;
    toy_release(toy);
  }
  ck_assert_uint_gt(launches[1], 2 * launches[0]);
  ck_assert_uint_eq(reads[0], (EPOCHS - 1) * (ASSAY_SUM_COUNT + 2));
  ck_assert_uint_eq(reads[1], reads[0]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("steps");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, images_that_are_sent_train_alike);
  tcase_add_loop_test(cases, steps_take_no_memory, 0, 2);
  tcase_add_test(cases, results_are_read_once_an_epoch);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
