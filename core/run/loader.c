/* SPDX-License-Identifier: MIT */
#include "run/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 64 };

struct load {
  const struct assay_image_list *list;
  const struct assay_data_settings *settings;
  uint8_t *pixels;
  struct assay_status *statuses;
  size_t size;
  uint32_t first, count;
  atomic_uint next;
};

static void *load_images(void *context) {
  struct load *load = context;
  for (uint32_t i; (i = atomic_fetch_add(&load->next, 1)) < load->count;) {
    load->statuses[i].code = 0;
    const int code = assay_image_list_load(load->list, load->first + i, load->settings, load->pixels + (size_t)i * load->size, &load->statuses[i]);
    load->statuses[i].code = code;
  }
  return NULL;
}

void assay_images_load(const struct assay_image_list *list, uint32_t first, uint32_t count, const struct assay_data_settings *settings, size_t size,
                       uint8_t *pixels, struct assay_status *statuses) {
  struct load load = {.list = list, .settings = settings, .pixels = pixels, .statuses = statuses, .size = size, .first = first, .count = count};
  pthread_t threads[MOST_THREADS];
  long wanted = settings->threads > 0 ? (long)settings->threads : sysconf(_SC_NPROCESSORS_ONLN);
  if (wanted > MOST_THREADS) wanted = MOST_THREADS;
  if (wanted > (long)count) wanted = count;
  int started = 0;
  while (started < wanted - 1 && pthread_create(&threads[started], NULL, load_images, &load) == 0) started++;
  load_images(&load); /* this thread works too, so it is fine when none could be started */
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}
