/* SPDX-License-Identifier: MIT
 *
 * Pictures as bytes of a file, for what Assay shows to people: overlays, contact sheets, the report's thumbnails.
 */
#ifndef ASSAY_DATA_ENCODE_H
#define ASSAY_DATA_ENCODE_H

#include <assay/types.h>

/* `pixels`: rows from the top, no padding, channels (1 grey or 3 RGB) interleaved, 8 bits each. The bytes are malloc'ed. ASSAY_E_MEMORY. */
int assay_encode_png(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, uint8_t **bytes, size_t *size, struct assay_status *status);
/* `quality` 1 … 100 as in libjpeg. Sides up to 65,500 pixels. */
int assay_encode_jpeg(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality, uint8_t **bytes, size_t *size,
                      struct assay_status *status);

#endif
