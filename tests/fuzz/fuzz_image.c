/* SPDX-License-Identifier: MIT
 *
 * The image readers, and fitting what they give. Whether grey is asked for, and how large, follows from the input's length, so that cutting an input short
 * tries other ways through.
 */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 9, HEIGHT = 7 };

/* In one go it must come out as from the whole picture; what lies behind the region may be damaged without anybody noticing. */
static void compare(const uint8_t *data, size_t size, const struct assay_image_request *request, const struct assay_image *image, const struct assay_image_facts *facts) {
  const struct assay_image_target *target = &request->targets[0];
  uint8_t expected[WIDTH * HEIGHT * 3];
  struct assay_status status = {0};
  const int result = assay_image_decode_into(data, size, request, NULL, &status);
  const bool scaled = image->width != facts->width || image->height != facts->height; /* then the region lies elsewhere in the picture at hand */
  if (image->pixels == NULL) {
    if (result == 0 && request->verify) abort();
  } else if (!assay_image_region_fits(&target->fitting.region, facts->width, facts->height)) {
    if (result != ASSAY_E_DATA) abort();
  } else if (result != 0 || (!scaled && assay_image_fit(image, WIDTH, HEIGHT, target->channels, target->fitting, expected, &status) != 0) ||
             (!scaled && memcmp(target->pixels, expected, (size_t)WIDTH * HEIGHT * target->channels) != 0)) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const bool grey = size % 2 == 1;
  const struct assay_region region = size % 7 == 0 ? (struct assay_region){1, 2, 3, 2, 0} : size % 7 == 1 ? (struct assay_region){100000, 300000, 700000, 200000, 1} : (struct assay_region){0};
  uint8_t pixels[WIDTH * HEIGHT * 3];
  const struct assay_image_target target = {
      WIDTH, HEIGHT, grey ? 1 : 3, {(uint32_t)(size / 2 % 3), size % 5 == 0 ? 12 : 0, (uint32_t)(size / 3 % 2), region}, pixels};
  /* Small pictures: large ones only take longer. */
  const struct assay_image_request request = {.target_count = 1, .targets = &target, .grey = grey, .verify = size / 6 % 2 == 0, .pixel_limit = 1 << 18};
  struct assay_image image;
  struct assay_image_facts facts;
  struct assay_status status = {0};
  const int result = assay_image_decode(data, size, &request, &image, &facts, &status);
  if (result == 0) {
    const bool plausible = image.width >= 1 && image.height >= 1 && (image.channels == 1 || (image.channels == 3 && !grey)) && facts.format != NULL &&
                           (image.depth == 8 || image.depth == 16) && facts.orientation >= 1 && facts.orientation <= 8;
    if (!plausible) abort();
  } else if (image.pixels != NULL || (result != ASSAY_E_DATA && result != ASSAY_E_MEMORY) || status.message[0] == '\0') {
    abort();
  }
  compare(data, size, &request, &image, &facts);
  assay_image_release(&image);
  return 0;
}
