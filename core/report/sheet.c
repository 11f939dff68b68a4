/* SPDX-License-Identifier: MIT
 *
 * Contact sheets. Text is twice the size of the glyphs for titles, and once for captions, where it is cut to the cell's width.
 */
#include "report/sheet.h"

#include "base/file.h"
#include "base/status.h"
#include "data/encode.h"
#include "data/image.h"

#include <stdlib.h>
#include <string.h>

enum { MARGIN = 6, ADVANCE = 6, CAPTION = 12, TITLE = 24, BACKGROUND = 250, INK = 30 };

struct assay_sheet {
  uint32_t columns, rows, cell_width, cell_height, width, height;
  uint8_t *pixels; /* RGB */
};

static void dot(struct assay_sheet *sheet, uint32_t x, uint32_t y) {
  if (x < sheet->width && y < sheet->height) memset(sheet->pixels + ((size_t)y * sheet->width + x) * 3, INK, 3);
}

/* At most `most` characters; of more, the beginning and the end, since names differ in their ends. */
static void write_text(struct assay_sheet *sheet, uint32_t left, uint32_t top, const char *text, uint32_t most, uint32_t size) {
  const uint32_t length = (uint32_t)strlen(text), head = most > 2 ? (most - 2) / 2 : 0;
  for (uint32_t i = 0; i < length && i < most; i++) {
    const uint32_t at = length <= most || i < head ? i : i < head + 2 ? UINT32_MAX : length - most + i;
    const unsigned char character = at == UINT32_MAX ? '.' : (unsigned char)text[at];
    for (uint32_t y = 0; y < 7 * size; y++)
      for (uint32_t x = 0; x < 5 * size; x++)
        if (assay_glyph_pixel(character, x / size, y / size)) dot(sheet, left + i * ADVANCE * size + x, top + y);
  }
}

struct assay_sheet *assay_sheet_create(uint32_t columns, uint32_t count, uint32_t width, uint32_t height, const char *title) {
  struct assay_sheet *sheet = calloc(1, sizeof *sheet);
  if (sheet == NULL) return NULL;
  *sheet = (struct assay_sheet){.columns = columns, .rows = (count + columns - 1) / columns, .cell_width = width, .cell_height = height};
  sheet->width = columns * (width + MARGIN) + MARGIN;
  sheet->height = TITLE + sheet->rows * (height + CAPTION + MARGIN) + MARGIN;
  sheet->pixels = malloc((size_t)sheet->width * sheet->height * 3);
  if (sheet->pixels == NULL) {
    free(sheet);
    return NULL;
  }
  memset(sheet->pixels, BACKGROUND, (size_t)sheet->width * sheet->height * 3);
  write_text(sheet, MARGIN, MARGIN, title, (sheet->width - 2 * MARGIN) / (2 * ADVANCE), 2);
  return sheet;
}

void assay_sheet_release(struct assay_sheet *sheet) {
  if (sheet == NULL) return;
  free(sheet->pixels);
  free(sheet);
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* RGB of another size, malloc'ed: whole factors stay sharp, so that single pixels can be seen. */
static uint8_t *fitted(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, uint32_t most_width, uint32_t most_height, uint32_t *new_width,
                       uint32_t *new_height, struct assay_status *status) {
  const uint32_t factor = smaller(most_width / width, most_height / height);
  const bool wide = (uint64_t)width * most_height > (uint64_t)height * most_width;
  *new_width = factor > 0 ? width * factor : wide ? most_width : smaller((uint32_t)((uint64_t)width * most_height / height) + 1, most_width);
  *new_height = factor > 0 ? height * factor : wide ? smaller((uint32_t)((uint64_t)height * most_width / width) + 1, most_height) : most_height;
  uint8_t *made = malloc((size_t)*new_width * *new_height * 3);
  if (made == NULL) {
    assay_status_memory(status);
    return NULL;
  }
  if (factor == 0) {
    const struct assay_image image = {.width = width, .height = height, .channels = channels, .depth = 8, .pixels = (void *)(uintptr_t)pixels};
    if (assay_image_fit(&image, *new_width, *new_height, 3, (struct assay_fitting){.fit = ASSAY_FIT_STRETCH}, made, status) == 0) return made;
    free(made);
    return NULL;
  }
  for (uint32_t y = 0; y < *new_height; y++)
    for (uint32_t x = 0; x < *new_width; x++)
      for (uint32_t c = 0; c < 3; c++)
        made[((size_t)y * *new_width + x) * 3 + c] = pixels[((size_t)(y / factor) * width + x / factor) * channels + (channels == 3 ? c : 0)];
  return made;
}

int assay_sheet_put(struct assay_sheet *sheet, uint32_t number, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, const char *caption,
                    struct assay_status *status) {
  uint32_t new_width, new_height;
  uint8_t *picture = fitted(pixels, width, height, channels, sheet->cell_width, sheet->cell_height, &new_width, &new_height, status);
  if (picture == NULL) return ASSAY_E_MEMORY;
  const uint32_t left = MARGIN + number % sheet->columns * (sheet->cell_width + MARGIN);
  const uint32_t top = TITLE + MARGIN + number / sheet->columns * (sheet->cell_height + CAPTION + MARGIN);
  const uint32_t x = left + (sheet->cell_width - new_width) / 2, y = top + (sheet->cell_height - new_height) / 2;
  for (uint32_t row = 0; row < new_height; row++)
    memcpy(sheet->pixels + ((size_t)(y + row) * sheet->width + x) * 3, picture + (size_t)row * new_width * 3, (size_t)new_width * 3);
  free(picture);
  write_text(sheet, left, top + sheet->cell_height + 3, caption, sheet->cell_width / ADVANCE, 1);
  return 0;
}

int assay_sheet_write(const struct assay_sheet *sheet, const char *path, struct assay_status *status) {
  uint8_t *bytes;
  size_t size;
  int code = assay_encode_png(sheet->pixels, sheet->width, sheet->height, 3, &bytes, &size, status);
  if (code != 0) return code;
  code = assay_file_write(path, (const char *)bytes, size, status);
  free(bytes);
  return code;
}
