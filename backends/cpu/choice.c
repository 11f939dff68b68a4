/* SPDX-License-Identifier: MIT
 *
 * Choices by measurement, made once: the first that is asked for is timed, and kept for the process and in the cache folder, under a key
 * that names the processor, the library and the number of threads. So runs are the same, bit for bit, as long as the cache is; without
 * a cache nothing is measured and the first candidate is taken.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

/* What is kept. */
struct verdict {
  uint32_t chosen;
  float time; /* milliseconds */
};

struct assay_cpu_choice {
  struct assay_cpu_choice *next;
  struct verdict verdict;
  char key[];
};

static void remember(struct assay_device *device, const char *key, const struct verdict *verdict) {
  const size_t size = strlen(key) + 1;
  struct assay_cpu_choice *choice = malloc(sizeof *choice + size);
  if (!choice) return;
  choice->next = device->choices;
  choice->verdict = *verdict;
  memcpy(choice->key, key, size);
  device->choices = choice;
}

void assay_cpu_forget_choices(struct assay_device *device) {
  for (struct assay_cpu_choice *choice = device->choices, *next; choice; choice = next) {
    next = choice->next;
    free(choice);
  }
  device->choices = NULL;
}

/* From the cache folder; false when there is nothing usable. */
static bool load(const struct assay_device *device, const char *key, uint32_t count, struct verdict *verdict) {
  void *data = NULL;
  size_t size = 0;
  const struct assay_backend_host *host = device->host;
  if (!host->cache_load || host->cache_load(key, strlen(key), &data, &size) != 0) return false;
  struct verdict found = {0};
  const bool good = size == sizeof found;
  if (good) memcpy(&found, data, sizeof found);
  free(data);
  if (!good || found.chosen >= count || !(found.time >= 0)) return false;
  *verdict = found;
  return true;
}

static struct verdict measure_all(uint32_t count, assay_cpu_measure measure, void *context) {
  struct verdict best = {0, 0};
  bool any = false;
  for (uint32_t k = 0; k < count; k++) {
    const double time = measure(context, k);
    /* A later candidate must win clearly: noise is no reason to leave the first. */
    if (time >= 0 && (!any || time < 0.95 * best.time)) best = (struct verdict){k, (float)time}, any = true;
  }
  return best;
}

uint32_t assay_cpu_choose(struct assay_device *device, const char *key, uint32_t count, assay_cpu_measure measure, void *context, double *time) {
  struct verdict verdict = {0, 0};
  const struct assay_cpu_choice *known = device->choices;
  while (known && !(strcmp(known->key, key) == 0 && known->verdict.chosen < count)) known = known->next;
  if (known) verdict = known->verdict;
  else if (device->host->cache_save && !load(device, key, count, &verdict)) {
    verdict = measure_all(count, measure, context);
    const bool kept = device->host->cache_save(key, strlen(key), &verdict, sizeof verdict) == 0;
    if (!kept) verdict = (struct verdict){0, 0};
    else (void)load(device, key, count, &verdict); /* another process may have been faster */
  }
  if (!known) remember(device, key, &verdict);
  *time = verdict.time;
  return verdict.chosen;
}
