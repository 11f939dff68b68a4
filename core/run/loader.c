/* SPDX-License-Identifier: MIT */
#include "run/loader.h"

#include "data/parallel.h"

struct load {
  const struct assay_image_list *list;
  const struct assay_data_settings *settings;
  uint8_t *pixels;
  struct assay_status *statuses;
  size_t size;
  uint32_t first;
};

static void load_one(void *context, uint32_t i) {
  const struct load *load = context;
  load->statuses[i].code = 0;
  load->statuses[i].code = assay_image_list_load(load->list, load->first + i, load->settings, load->pixels + i * load->size, &load->statuses[i]);
}

void assay_images_load(const struct assay_image_list *list, uint32_t first, uint32_t count, const struct assay_data_settings *settings, size_t size,
                       uint8_t *pixels, struct assay_status *statuses) {
  struct load load = {.list = list, .settings = settings, .pixels = pixels, .statuses = statuses, .size = size, .first = first};
  assay_parallel_for(count, settings->threads, load_one, &load);
}
