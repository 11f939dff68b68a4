/* SPDX-License-Identifier: MIT
 *
 * Samples of a data set as training sees them, and the statistics of their pixels.
 */
#include "train/samples.h"

#include "base/arena.h"
#include "base/status.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int find_positive(const struct assay_dataset *dataset, const char *name, int32_t *positive, struct assay_status *status) {
  *positive = -1;
  if (name == NULL) return 0;
  for (uint32_t class = 0; class < dataset->class_count; class++)
    if (strcmp(dataset->classes[class], name) == 0) *positive = (int32_t)class;
  if (*positive >= 0) return 0;
  return assay_status_set(status, ASSAY_E_CONFIG, "[data] positive = %s is no class of %s, which has %s, %s%s", name, dataset->root, dataset->classes[0],
                          dataset->classes[1], dataset->class_count > 2 ? ", …" : "");
}

int assay_samples_collect(const struct assay_dataset *dataset, const struct assay_cache *cache, const struct assay_data_settings *settings,
                          struct assay_arena *arena, const struct assay_samples **samples, struct assay_status *status) {
  const uint32_t count = dataset->count;
  struct assay_samples *made = ASSAY_NEW(arena, struct assay_samples);
  const char **paths = ASSAY_NEW_ARRAY(arena, const char *, count);
  const uint8_t **pixels = ASSAY_NEW_ARRAY(arena, const uint8_t *, count);
  int32_t *labels = ASSAY_NEW_ARRAY(arena, int32_t, count);
  uint32_t *parts = ASSAY_NEW_ARRAY(arena, uint32_t, count);
  if (made == NULL || paths == NULL || pixels == NULL || labels == NULL || parts == NULL) return assay_status_memory(status);
  *made = (struct assay_samples){.count = count,
                                 .class_count = dataset->class_count,
                                 .classes = dataset->classes,
                                 .paths = paths,
                                 .pixels = pixels,
                                 .labels = labels,
                                 .parts = parts,
                                 .repeat_count = dataset->repeat_count,
                                 .fold_count = dataset->fold_count,
                                 .folds = dataset->folds,
                                 .content = dataset->content};
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    paths[i] = sample->path;
    labels[i] = sample->label;
    pixels[i] = sample->part == ASSAY_PART_NONE ? NULL : assay_cache_pixels(cache, i);
    parts[i] = pixels[i] == NULL ? (uint32_t)ASSAY_PART_NONE : sample->part;
  }
  assay_cache_extents(cache, &made->width, &made->height, &made->channels);
  *samples = made;
  return find_positive(dataset, settings->positive, &made->positive, status);
}

void assay_samples_statistics(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double mean[4], double deviation[4]) {
  uint64_t sums[4] = {0}, squares[4] = {0};
  const size_t pixels = (size_t)samples->height * samples->width;
  const uint32_t channels = samples->channels < 4 ? samples->channels : 4;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *image = samples->pixels[numbers[i]];
    for (size_t pixel = 0; pixel < pixels; pixel++)
      for (uint32_t channel = 0; channel < channels; channel++) {
        const uint64_t value = image[pixel * samples->channels + channel];
        sums[channel] += value;
        squares[channel] += value * value;
      }
  }
  const double total = (double)pixels * count;
  for (uint32_t channel = 0; channel < channels; channel++) {
    mean[channel] = total > 0 ? (double)sums[channel] / total : 0;
    const double variance = total > 0 ? (double)squares[channel] / total - mean[channel] * mean[channel] : 0;
    deviation[channel] = variance > 0 ? sqrt(variance) : 1;
  }
}

/* The number of a channel among one or three; grey images take the mean of three. */
static double of_channel(const double *numbers, uint32_t count, uint32_t channel, uint32_t channels) {
  if (count == 1) return numbers[0];
  return channels == 1 ? (numbers[0] + numbers[1] + numbers[2]) / 3 : numbers[channel < 3 ? channel : 2];
}

void assay_normalisation(const struct assay_data_settings *settings, uint32_t channels, const double measured_mean[4], const double measured_deviation[4],
                         double mean[4], double deviation[4]) {
  /* torchvision's, in units of 0 … 255. */
  static const double imagenet_mean[3] = {0.485 * 255, 0.456 * 255, 0.406 * 255}, imagenet_deviation[3] = {0.229 * 255, 0.224 * 255, 0.225 * 255};
  static const double unit[2] = {0, 255}, symmetric[2] = {127.5, 127.5};
  const double *means = measured_mean, *deviations = measured_deviation;
  uint32_t mean_count = 3, deviation_count = 3;
  switch (settings->normalise) {
  case ASSAY_NORMALISE_UNIT: means = unit, deviations = unit + 1, mean_count = deviation_count = 1; break;
  case ASSAY_NORMALISE_SYMMETRIC: means = symmetric, deviations = symmetric + 1, mean_count = deviation_count = 1; break;
  case ASSAY_NORMALISE_IMAGENET: means = imagenet_mean, deviations = imagenet_deviation; break;
  case ASSAY_NORMALISE_VALUES: means = settings->mean, deviations = settings->deviation, mean_count = settings->mean_count, deviation_count = settings->deviation_count; break;
  default: break;
  }
  for (uint32_t channel = 0; channel < 4; channel++) {
    const bool measured = means == measured_mean;
    mean[channel] = measured ? measured_mean[channel] : of_channel(means, mean_count, channel, channels);
    deviation[channel] = measured ? measured_deviation[channel] : of_channel(deviations, deviation_count, channel, channels);
  }
}

void assay_sample_key(uint64_t seed, uint32_t epoch, uint32_t sample, uint32_t use, uint32_t key[2]) {
  const uint32_t counter[4] = {sample, epoch, 0x6b657973u /* "keys" */, use}, seeds[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t block[4];
  assay_philox(counter, seeds, block);
  key[0] = block[0];
  key[1] = block[1];
}

void assay_samples_ahead(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), size = (uintptr_t)samples->height * samples->width * samples->channels;
  for (uint32_t i = 0; i < count; i++) {
    const uintptr_t begin = (uintptr_t)samples->pixels[numbers[i]], first = begin / page * page;
    if (begin != 0) (void)posix_madvise((void *)first, begin + size - first, POSIX_MADV_WILLNEED); /* advice: a refusal is no failure */
  }
}
