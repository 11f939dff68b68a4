/* SPDX-License-Identifier: MIT
 *
 * Choices by measurement, made once: the first that is asked for is timed, and kept for the process and in the cache folder, under a key
 * that names the processor, the library and the number of threads. So runs are the same, bit for bit, as long as the cache is; without
 * a cache nothing is measured and the first candidate is taken.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

struct assay_cpu_choice {
  struct assay_cpu_choice *next;
  uint32_t chosen;
  size_t size;
  char key[];
};

static void remember(struct assay_device *device, const char *key, uint32_t chosen) {
  const size_t size = strlen(key) + 1;
  struct assay_cpu_choice *choice = malloc(sizeof *choice + size);
  if (!choice) return;
  choice->next = device->choices;
  choice->chosen = chosen;
  choice->size = size;
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
static bool load(const struct assay_device *device, const char *key, uint32_t count, uint32_t *chosen) {
  void *data = NULL;
  size_t size = 0;
  const struct assay_backend_host *host = device->host;
  if (!host->cache_load || host->cache_load(key, strlen(key), &data, &size) != 0) return false;
  const bool good = size == sizeof *chosen;
  if (good) memcpy(chosen, data, sizeof *chosen);
  free(data);
  return good && *chosen < count;
}

uint32_t assay_cpu_choose(struct assay_device *device, const char *key, uint32_t count, assay_cpu_measure measure, void *context) {
  uint32_t chosen = 0;
  if (count < 2) return 0;
  for (const struct assay_cpu_choice *known = device->choices; known; known = known->next)
    if (strcmp(known->key, key) == 0 && known->chosen < count) return known->chosen;
  if (!load(device, key, count, &chosen)) {
    double best = -1;
    for (uint32_t k = 0; k < count; k++) {
      const double time = measure(context, k);
      /* A later candidate must win clearly: noise is no reason to leave the first. */
      if (time >= 0 && (best < 0 || time < 0.95 * best)) best = time, chosen = k;
    }
    const bool kept = device->host->cache_save && device->host->cache_save(key, strlen(key), &chosen, sizeof chosen) == 0;
    uint32_t agreed; /* another process may have been faster */
    chosen = !kept ? 0 : load(device, key, count, &agreed) ? agreed : chosen;
  }
  remember(device, key, chosen);
  return chosen;
}
