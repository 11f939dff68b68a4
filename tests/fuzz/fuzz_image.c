/* SPDX-License-Identifier: MIT
 *
 * The image readers, and fitting what they give. Whether grey is asked for, and how large, follows from the input's length, so that cutting an input short
 * tries other ways through.
 */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const bool grey = size % 2 == 1;
  const struct assay_fitting fitting = {(uint32_t)(size / 2 % 3), size % 5 == 0 ? 12 : 0, (uint32_t)(size / 3 % 2)};
  const uint32_t width = size / 6 % 2 == 0 ? 9 : 0;
  /* Small pictures: large ones only take longer. */
  const struct assay_image_request request = {.width = width, .height = width, .fitting = fitting, .grey = grey, .pixel_limit = 1 << 18};
  struct assay_image image;
  struct assay_image_facts facts;
  struct assay_status status = {0};
  uint8_t pixels[9 * 7 * 3];
  const int result = assay_image_decode(data, size, &request, &image, &facts, &status);
  if (result == 0) {
    const bool plausible = image.width >= 1 && image.height >= 1 && (image.channels == 1 || (image.channels == 3 && !grey)) && facts.format != NULL &&
                           (image.depth == 8 || image.depth == 16) && facts.orientation >= 1 && facts.orientation <= 8;
    if (!plausible || assay_image_fit(&image, 9, 7, grey ? 1 : 3, fitting, pixels, &status) != 0) abort();
  } else if (image.pixels != NULL || (result != ASSAY_E_DATA && result != ASSAY_E_MEMORY) || status.message[0] == '\0') {
    abort();
  }
  assay_image_release(&image);
  return 0;
}
