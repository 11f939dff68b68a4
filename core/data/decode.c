/* SPDX-License-Identifier: MIT
 *
 * What all readers share: limits, alpha, EXIF, and where their rows go.
 */
#include "data/decode.h"

#include "base/arena.h"
#include "base/status.h"
#include "data/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int assay_decode_fail(struct assay_decode *decode, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return assay_status_set(decode->status, ASSAY_E_DATA, "%s", message);
}

void assay_decode_quote(const char *words, char *text, size_t size) {
  size_t length = 0;
  for (; *words != '\0' && length + 1 < size; words++) text[length++] = *words >= ' ' && *words <= '~' ? *words : '?';
  while (length > 0 && (text[length - 1] == '.' || text[length - 1] == ' ' || text[length - 1] == '?')) length--;
  text[length] = '\0';
}

int assay_decode_extents(struct assay_decode *decode, uint64_t width, uint64_t height, uint32_t channels, uint32_t bits) {
  if (width == 0 || height == 0)
    return assay_decode_fail(decode, "its header says %llu × %llu pixels: there is no picture in it", (unsigned long long)width, (unsigned long long)height);
  const uint64_t own = decode->request->pixel_limit;
  const uint64_t limit = own != 0 && own < ASSAY_IMAGE_MAX_PIXELS ? own : ASSAY_IMAGE_MAX_PIXELS;
  if (width > ASSAY_IMAGE_MAX_SIDE || height > ASSAY_IMAGE_MAX_SIDE || width * height > limit)
    return assay_decode_fail(decode, "its header says %llu × %llu pixels, beyond the limit of %u a side and %llu in all; if that is true, cut it into tiles",
                             (unsigned long long)width, (unsigned long long)height, ASSAY_IMAGE_MAX_SIDE, (unsigned long long)limit);
  decode->facts->width = (uint32_t)width;
  decode->facts->height = (uint32_t)height;
  decode->facts->channels = channels;
  decode->facts->bits = bits;
  return 0;
}

#define COMPOSITE(type, most)                                                                                                                                  \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    const type *pixel = (const type *)from + i * (colours + 1);                                                                                                \
    const uint32_t alpha = pixel[colours];                                                                                                                     \
    for (uint32_t c = 0; c < colours; c++) ((type *)to)[i * colours + c] = (type)((pixel[c] * alpha + (most) / 2) / (most));                                   \
  }

void assay_decode_composite(const void *from, void *to, size_t count, uint32_t colours, uint32_t depth) {
  if (depth == 8) {
    COMPOSITE(uint8_t, 255u)
  } else {
    COMPOSITE(uint16_t, 65535u)
  }
}

/* ---- EXIF ---- */

static uint32_t number(const uint8_t *at, int length, bool big) {
  uint32_t value = 0;
  for (int i = 0; i < length; i++) value |= (uint32_t)at[i] << 8 * (big ? length - 1 - i : i);
  return value;
}

uint32_t assay_exif_orientation(const uint8_t *bytes, size_t size) {
  if (size < 14 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return 1;
  const bool big = bytes[0] == 'M';
  const size_t directory = number(bytes + 4, 4, big);
  if (directory > size - 2) return 1;
  const uint32_t entries = number(bytes + directory, 2, big);
  for (uint32_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + (size_t)12 * i; /* tag 2, type 2, count 4, value 4 */
    if (entry + 12 > size) return 1;
    if (number(bytes + entry, 2, big) != 0x0112) continue;
    const uint32_t type = number(bytes + entry + 2, 2, big), value = number(bytes + entry + 8, type == 4 ? 4 : 2, big);
    return (type == 3 || type == 4) && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/* ---- Beginning ---- */

enum { LEAST_SIDE = 128 /* of a smaller picture: what near-duplicates are told by needs it */ };

static struct assay_window upright_window(const struct assay_decode *decode, const struct assay_region *region, uint32_t width, uint32_t height, bool *inside) {
  const bool swapped = decode->facts->orientation >= 5;
  const uint32_t full_width = swapped ? decode->facts->height : decode->facts->width, full_height = swapped ? decode->facts->width : decode->facts->height;
  struct assay_window window;
  *inside = assay_region_window(region, full_width, full_height, swapped ? height : width, swapped ? width : height, &window);
  return window;
}

/* The largest of 1, 2, 4, 8 that leaves at least two pixels a side for each pixel of the fitted picture: the exact average does the last step. */
uint32_t assay_decode_divisor(const struct assay_decode *decode) {
  if (decode->request->target_count == 0) return 1;
  const struct assay_image_target *target = &decode->request->targets[0];
  const struct assay_image_facts *facts = decode->facts;
  bool inside;
  const struct assay_window window = upright_window(decode, &target->fitting.region, facts->width, facts->height, &inside);
  if (!inside) return 1; /* which is refused in a moment */
  const struct assay_fit_plan plan = assay_fit_plan(&target->fitting, &window, target->width, target->height);
  uint32_t divisor = 8;
  while (divisor > 1 && (plan.source_width / divisor < 2 * (uint64_t)plan.scaled_width || plan.source_height / divisor < 2 * (uint64_t)plan.scaled_height ||
                         facts->width / divisor < LEAST_SIDE || facts->height / divisor < LEAST_SIDE))
    divisor /= 2;
  return divisor;
}

static void widen_needs(struct assay_needs *needs, const struct assay_needs *more) {
  if (more->first_row < needs->first_row) needs->first_row = more->first_row;
  if (more->row_end > needs->row_end) needs->row_end = more->row_end;
  if (more->first_column < needs->first_column) needs->first_column = more->first_column;
  if (more->column_end > needs->column_end) needs->column_end = more->column_end;
}

static int open_fitters(struct assay_decode *decode, const struct assay_stored *given) {
  const struct assay_image_request *request = decode->request;
  const bool swapped = given->orientation >= 5;
  for (uint32_t i = 0; i < request->target_count; i++) {
    const struct assay_image_target *target = &request->targets[i];
    bool inside;
    const struct assay_window window = upright_window(decode, &target->fitting.region, decode->rows.width, decode->rows.height, &inside);
    if (!inside)
      return assay_image_region_refused(&target->fitting.region, swapped ? decode->facts->height : decode->facts->width,
                                        swapped ? decode->facts->width : decode->facts->height, decode->status);
    const int result = assay_fitter_open(given, &window, target, &decode->fitters[i], decode->status);
    if (result != 0) return result;
    const struct assay_needs needs = assay_fitter_needs(decode->fitters[i]);
    widen_needs(&decode->needs, &needs);
  }
  return 0;
}

static int take_memory(struct assay_decode *decode, struct assay_image *image, const struct assay_stored *rows) {
  *image = (struct assay_image){.width = rows->width, .height = rows->height, .channels = rows->channels, .depth = rows->depth};
  image->pixels = malloc((size_t)rows->width * rows->height * rows->channels * (rows->depth / 8)); /* below 2^31 by the limits */
  return image->pixels == NULL ? assay_status_memory(decode->status) : 0;
}

int assay_decode_begin(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth) {
  decode->rows = (struct assay_stored){width, height, channels, depth, decode->facts->orientation};
  struct assay_stored given = decode->rows; /* to whom it may concern */
  if (decode->request->grey) given.channels = 1;
  if (given.channels != channels && (decode->grey_row = malloc((size_t)width * (depth / 8))) == NULL) return assay_status_memory(decode->status);
  decode->needs = (struct assay_needs){height, 0, width, 0};
  if (decode->request->limits != NULL) memset(decode->request->limits, 0, (size_t)ASSAY_LIMITS_SIDE * ASSAY_LIMITS_SIDE);
  const int result = decode->image != NULL ? take_memory(decode, decode->image, &given) : open_fitters(decode, &given);
  if (decode->image != NULL || decode->request->verify) decode->needs = (struct assay_needs){0, height, 0, width};
  return result;
}

int assay_decode_plane(struct assay_decode *decode, uint32_t width, uint32_t height, uint32_t channels, uint32_t depth) {
  return take_memory(decode, &decode->plane, &(struct assay_stored){width, height, channels, depth, 1});
}

/* ---- Rows ---- */

#define LUMA(type)                                                                                                                                             \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    const type *rgb = (const type *)from + 3 * i;                                                                                                              \
    ((type *)to)[i] = (type)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);                                                             \
  }

static void make_grey(const void *from, void *to, size_t count, uint32_t depth) {
  if (depth == 8) {
    LUMA(uint8_t)
  } else {
    LUMA(uint16_t)
  }
}

void assay_decode_row(struct assay_decode *decode, uint32_t y, const void *row) {
  if (y < decode->needs.first_row || y >= decode->needs.row_end) return;
  if (decode->request->limits != NULL) assay_limits_note(&decode->rows, y, row, decode->request->limits);
  if (decode->grey_row != NULL) {
    make_grey(row, decode->grey_row, decode->rows.width, decode->rows.depth);
    row = decode->grey_row;
  }
  if (decode->image != NULL) {
    const size_t stride = (size_t)decode->image->width * decode->image->channels * (decode->image->depth / 8);
    memcpy((uint8_t *)decode->image->pixels + y * stride, row, stride);
  }
  for (int i = 0; i < ASSAY_IMAGE_MOST_TARGETS; i++)
    if (decode->fitters[i] != NULL) assay_fitter_take(decode->fitters[i], y, row);
}

/* ---- The end ---- */

/* to[y][x] = from[start + x * across + y * down], in pixels; small squares keep both sides in the processor's cache. */
#define TURN(bytes_a_pixel)                                                                                                                                    \
  for (uint32_t top = 0; top < height; top += 32)                                                                                                              \
    for (uint32_t left = 0; left < width; left += 32)                                                                                                          \
      for (uint32_t y = top; y < height && y < top + 32; y++)                                                                                                  \
        for (uint32_t x = left; x < width && x < left + 32; x++)                                                                                               \
          memcpy(to + ((size_t)y * width + x) * (bytes_a_pixel), from + (size_t)(start + x * across + y * down) * (bytes_a_pixel), (bytes_a_pixel));

/* EXIF's eight: 2 mirrored, 3 upside down, 4 both, 5 transposed, 6 needs a quarter turn clockwise, 7 transposed over the other diagonal, 8 needs a quarter turn
 * back. */
static int turn_upright(struct assay_decode *decode) {
  const uint32_t orientation = decode->facts->orientation;
  if (orientation == 1) return 0;
  struct assay_image *image = decode->image;
  const int64_t w = image->width, h = image->height;
  const int64_t starts[9] = {0, 0, w - 1, w * h - 1, w * (h - 1), 0, w * (h - 1), w * h - 1, w - 1};
  const int64_t acrosses[9] = {0, 1, -1, -1, 1, w, -w, -w, w};
  const int64_t downs[9] = {0, w, w, -w, -w, 1, 1, -1, -1};
  const int64_t start = starts[orientation], across = acrosses[orientation], down = downs[orientation];
  const bool swapped = orientation >= 5;
  const uint32_t width = swapped ? image->height : image->width, height = swapped ? image->width : image->height;
  const size_t pixel = image->channels * (image->depth / 8);
  uint8_t *to = malloc((size_t)width * height * pixel);
  if (to == NULL) return assay_status_memory(decode->status);
  const uint8_t *from = image->pixels;
  switch (pixel) {
  case 1: TURN(1) break;
  case 2: TURN(2) break;
  case 3: TURN(3) break;
  default: TURN(6) break;
  }
  free(image->pixels);
  image->pixels = to;
  image->width = width;
  image->height = height;
  return 0;
}

static int give_plane(struct assay_decode *decode) {
  const struct assay_image *plane = &decode->plane;
  const size_t stride = (size_t)plane->width * plane->channels * (plane->depth / 8);
  const int result = assay_decode_begin(decode, plane->width, plane->height, plane->channels, plane->depth);
  for (uint32_t y = 0; result == 0 && y < plane->height; y++) assay_decode_row(decode, y, (const uint8_t *)plane->pixels + y * stride);
  return result;
}

int assay_decode_finish(struct assay_decode *decode, int result) {
  struct assay_image_facts *facts = decode->facts;
  if (result == 0 && decode->plane.pixels != NULL) result = give_plane(decode);
  if (result == 0 && decode->image != NULL) result = turn_upright(decode);
  if (result == 0 && facts->orientation >= 5) {
    const uint32_t stored = facts->width;
    facts->width = facts->height;
    facts->height = stored;
  }
  for (int i = 0; i < ASSAY_IMAGE_MOST_TARGETS; i++) assay_fitter_close(decode->fitters[i]);
  assay_image_release(&decode->plane);
  free(decode->grey_row);
  if (result != 0 && decode->image != NULL) assay_image_release(decode->image);
  return result;
}
