/* SPDX-License-Identifier: MIT
 *
 * How long a device waits for images that do not stay on it: epochs of a network over a mapped file of pixels, as a run has them for a data set larger than what is kept.
 * Before the first half of the epochs the system is told to forget the file's pages, so that they come from the disk.
 *
 *   bench/streaming FILE.ini DEVICE SAMPLES EPOCHS [SECTION.KEY=VALUE]…
 *
 * Size, network and optimizer are the INI's; the pixels are noise. Prints, an epoch a line: milliseconds a step, of which waited.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "plugin/registry.h"
#include "run/device.h"
#include "train/runner.h"

#include <assay/random.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct assay_status status;

#define CHECK(call)                                                                                                                                            \
  do {                                                                                                                                                         \
    if ((call) != 0) {                                                                                                                                         \
      fprintf(stderr, "streaming: %s\n", status.message);                                                                                                      \
      exit(1);                                                                                                                                                 \
    }                                                                                                                                                          \
  } while (0)

enum { CLASSES = 2 };

/* A file of noise, without a name. */
static int make_file(uint64_t size) {
  char name[] = "streaming.XXXXXX";
  const int file = mkstemp(name);
  struct assay_random random = assay_random_seed(1, 2);
  static uint32_t block[1 << 14];
  if (file < 0 || unlink(name) != 0) return -1;
  for (uint64_t done = 0; done < size; done += sizeof block) {
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) block[i] = assay_random_u32(&random);
    if (write(file, block, sizeof block) != (ssize_t)sizeof block) return -1;
  }
  return fsync(file) == 0 ? file : -1;
}

static void forget(int file, void *base, size_t size) {
  (void)madvise(base, size, MADV_DONTNEED);
  (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static const struct assay_samples *make_samples(struct assay_arena *arena, const struct assay_data_settings *data, uint32_t count, const uint8_t *base) {
  struct assay_samples *samples = ASSAY_NEW(arena, struct assay_samples);
  const uint8_t **pixels = ASSAY_NEW_ARRAY(arena, const uint8_t *, count);
  int32_t *labels = ASSAY_NEW_ARRAY(arena, int32_t, count);
  if (samples == NULL || pixels == NULL || labels == NULL) exit(1);
  const uint32_t channels = data->colour == ASSAY_COLOUR_GREY ? 1 : 3;
  for (uint32_t i = 0; i < count; i++) {
    pixels[i] = base + (size_t)i * data->width * data->height * channels;
    labels[i] = (int32_t)(i % CLASSES);
  }
  *samples = (struct assay_samples){
      .count = count, .class_count = CLASSES, .height = data->height, .width = data->width, .channels = channels, .positive = -1, .pixels = pixels, .labels = labels};
  return samples;
}

/* The samples in an order that no read-ahead of the system foresees. */
static uint32_t *make_order(struct assay_arena *arena, uint32_t count) {
  uint32_t *order = ASSAY_NEW_ARRAY(arena, uint32_t, count);
  struct assay_random random = assay_random_seed(3, 4);
  if (order == NULL) exit(1);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t j = assay_random_below(&random, i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* modules outside of $(pkglibdir) are tried out first */
  if (argc < 5) {
    fputs("usage: streaming FILE.ini DEVICE SAMPLES EPOCHS [SECTION.KEY=VALUE]...\n", stderr);
    return 2;
  }
  const uint32_t count = (uint32_t)atoi(argv[3]), epochs = (uint32_t)atoi(argv[4]);
  struct assay_arena *arena = assay_arena_create();
  struct assay_registry *registry;
  struct assay_plan *plan;
  const struct assay_settings *settings;
  struct assay_session *session;
  CHECK(assay_registry_create(NULL, &registry, &status));
  CHECK(assay_plan_load(argv[1], (const char *const *)argv + 5, (uint32_t)argc - 5, registry, &plan, &status));
  CHECK(assay_plan_settings(plan, NULL, arena, &settings, &status));
  CHECK(assay_device_open(argv[2], settings, 1, registry, arena, &session, &status));

  const uint32_t channels = settings->data.colour == ASSAY_COLOUR_GREY ? 1 : 3;
  const size_t size = (size_t)count * settings->data.width * settings->data.height * channels;
  const int file = make_file(size);
  void *base = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  if (base == MAP_FAILED) {
    perror("streaming");
    return 1;
  }
  const struct assay_samples *samples = make_samples(arena, &settings->data, count, base);
  const struct assay_network_facts facts = {.class_count = CLASSES, .height = samples->height, .width = samples->width, .channels = samples->channels,
                                            .training_count_count = 1, .training_counts = &count, .evaluation_batch = 1};
  const struct assay_residency none = {0};
  struct assay_network *network;
  struct assay_runner runner;
  const double weights[CLASSES] = {1, 1}, mean[4] = {127, 127, 127, 127}, deviation[4] = {74, 74, 74, 74};
  CHECK(assay_network_create(settings, &facts, &network, &status));
  CHECK(assay_runner_create(session, samples, &none, NULL, network, &runner, &status));
  CHECK(assay_runner_initialise(&runner, 1, mean, deviation, &status));
  CHECK(assay_runner_begin(&runner, &status));
  float *options = ASSAY_NEW_ARRAY(arena, float, network->option_count);
  if (options == NULL) return 1;
  assay_network_options(settings, options);
  const uint32_t steps = (count + network->batch - 1) / network->batch;
  const uint32_t *order = make_order(arena, count);
  printf("%s on %s: %u images of %ux%ux%u (%.1f MiB), batches of %u\n", argv[1], argv[2], count, samples->width, samples->height, channels, (double)size / (1 << 20), network->batch);
  for (uint32_t epoch = 0; epoch < epochs; epoch++) {
    const bool cold = epoch < (epochs + 1) / 2;
    if (cold) forget(file, base, size);
    const struct assay_epoch_task task = {.numbers = order, .count = count, .options = options, .class_weights = weights, .seed = 1, .epoch = epoch};
    struct assay_epoch_sums sums;
    const double start = assay_clock_seconds();
    CHECK(assay_runner_train(&runner, &task, &sums, &status));
    const double seconds = assay_clock_seconds() - start;
    printf("epoch %u, from %s: %.3f ms a step, of which %.3f waited for images (%.2f %%)\n", epoch + 1, cold ? "disk" : "memory", seconds / steps * 1e3, sums.waited / steps * 1e3, 100 * sums.waited / seconds);
    fflush(stdout);
  }
  munmap(base, size);
  close(file);
  assay_runner_release(&runner);
  assay_network_release(network);
  assay_session_close(session);
  assay_plan_release(plan);
  assay_registry_release(registry);
  assay_arena_release(arena);
  return 0;
}
