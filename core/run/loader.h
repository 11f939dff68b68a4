/* SPDX-License-Identifier: MIT
 *
 * Many image files at once, by as many threads as there are processors.
 */
#ifndef ASSAY_RUN_LOADER_H
#define ASSAY_RUN_LOADER_H

#include "data/data.h"

/* Loads images first … first + count - 1 of the list, one after another, into pixels + i * size (size: height * width * channels of the settings);
 * statuses[i].code says how that went. */
void assay_images_load(const struct assay_image_list *list, uint32_t first, uint32_t count, const struct assay_data_settings *settings, size_t size,
                       uint8_t *pixels, struct assay_status *statuses);

#endif
