/* SPDX-License-Identifier: MIT
 *
 * A resize that runs with the rows of a picture: first down the columns, then along the rows of the upright picture, whatever way the file stores it.
 *
 * Where stored rows are upright rows (orientations 1 to 4), each one is added, weighted, to the sums of the outputs that it is part of: two or three lines at a time.
 * A finished line of sums is then resized along. Where stored rows are upright columns (5 to 8), each is first resized along itself, and the short results
 * are added up. Either way the numbers are those of the upright picture, to the bit.
 *
 * Between the two a sample is kept in 16 bits (8-bit pictures: 8 bits and 8 behind the point), so that it is rounded only once for the eye. Everything is
 * unsigned integers below 2^32: no machine or compiler can give other bits.
 */
#include "data/fitter.h"

#include "base/arena.h"
#include "base/status.h"
#include "data/resize_lines.h"

#include <stdlib.h>
#include <string.h>

struct assay_fitter {
  const struct assay_resize_lines *lines;
  struct assay_stored stored;
  struct assay_image_target target;
  uint8_t *pixels;              /* of the target; with as many channels as stored until the end */
  struct assay_fit_plan plan;
  bool swapped;                 /* stored rows are upright columns */
  bool backwards;               /* the last output of `over` is finished first */
  bool copies;                  /* nothing is resized */
  struct assay_axis along, over; /* a stored row; over stored rows, in the order in which they come */
  uint32_t first_column, first_row; /* of the stored window */
  uint32_t opened, done;        /* outputs of `over`, in the order in which they are finished */
  uint32_t slot_count;          /* outputs that are under way at a time, at most */
  size_t length;                /* samples of a line that is added up */
  uint32_t *sums;               /* [slot_count][length] */
  uint16_t *middle;             /* sums, rounded; swapped: a stored row, resized along */
  void *previous;               /* over.linear: the line before */
};

/* What a sum over one axis is shifted by to get `middle`; what a sum of `middle` times weights is for a step of one in the result. */
static int shift_of(const struct assay_fitter *fitter) { return fitter->stored.depth == 8 ? ASSAY_RESIZE_SHIFT_8 : ASSAY_RESIZE_SHIFT_16; }
static uint32_t unit_of(const struct assay_fitter *fitter) { return fitter->stored.depth == 8 ? ASSAY_RESIZE_UNIT_8 : ASSAY_RESIZE_UNIT_16; }

/* The pixel of the target window. */
static uint8_t *place_of(const struct assay_fitter *fitter, uint32_t x, uint32_t y) {
  const struct assay_fit_plan *plan = &fitter->plan;
  return fitter->pixels + ((size_t)(plan->target_y + y) * fitter->target.width + plan->target_x + x) * fitter->stored.channels;
}

/* ---- Stored rows are upright columns ---- */

#define REDUCE_ROW(name, type)                                                                                                                                 \
  static void name(const struct assay_axis *axis, const type *row, uint32_t channels, int shift, uint16_t *out) {                                              \
    for (uint32_t i = 0; i < axis->count; i++) {                                                                                                               \
      const struct assay_tap *tap = &axis->taps[i];                                                                                                            \
      const uint16_t *weights = axis->weights + tap->weights;                                                                                                  \
      for (uint32_t c = 0; c < channels; c++) {                                                                                                                \
        uint32_t sum = 1u << (shift - 1);                                                                                                                      \
        for (uint32_t k = 0; k < tap->count; k++) sum += (uint32_t)weights[k] * row[((size_t)tap->start + k) * channels + c];                                  \
        *out++ = (uint16_t)(sum >> shift);                                                                                                                     \
      }                                                                                                                                                        \
    }                                                                                                                                                          \
  }
REDUCE_ROW(reduce_row_8, uint8_t)
REDUCE_ROW(reduce_row_16, uint16_t)

static void put_column(const struct assay_fitter *fitter, uint32_t x, uint32_t *sums) {
  const uint32_t channels = fitter->stored.channels, unit = unit_of(fitter);
  for (uint32_t y = 0; y < fitter->along.count; y++) {
    uint8_t *out = place_of(fitter, x, y);
    for (uint32_t c = 0; c < channels; c++, sums++) {
      out[c] = (uint8_t)((*sums + unit / 2) / unit);
      *sums = 0;
    }
  }
}

/* ---- Over the rows ---- */

/* Output `number` in the order in which they are finished. */
static uint32_t output_of(const struct assay_fitter *fitter, uint32_t number) { return fitter->backwards ? fitter->over.count - 1 - number : number; }
static const struct assay_tap *tap_of(const struct assay_fitter *fitter, uint32_t number) { return &fitter->over.taps[output_of(fitter, number)]; }
static uint32_t end_of(const struct assay_tap *tap) { return tap->start + tap->count; }

static void add_line(const struct assay_fitter *fitter, uint32_t number, const void *line, uint32_t input) {
  const struct assay_tap *tap = tap_of(fitter, number);
  uint32_t *sums = fitter->sums + (number % fitter->slot_count) * fitter->length;
  const uint16_t weight = fitter->over.weights[tap->weights + (input - tap->start)];
  if (fitter->swapped || fitter->stored.depth == 16) fitter->lines->add_16(sums, line, fitter->length, weight);
  else fitter->lines->add_8(sums, line, fitter->length, weight);
}

static void finish_output(struct assay_fitter *fitter) {
  uint32_t *sums = fitter->sums + (fitter->done % fitter->slot_count) * fitter->length;
  const uint32_t output = output_of(fitter, fitter->done++);
  if (fitter->swapped) {
    put_column(fitter, output, sums);
  } else {
    const struct assay_resize_lines *lines = fitter->lines;
    const bool bytes = fitter->stored.depth == 8;
    (bytes ? lines->round_8 : lines->round_16)(sums, fitter->middle, fitter->length);
    (bytes ? lines->row_8 : lines->row_16)(fitter->middle, fitter->stored.channels, &fitter->along, place_of(fitter, 0, output));
  }
}

/* Outputs of one or two inputs are made when the last has come. */
static void grow(struct assay_fitter *fitter, uint32_t input, const void *line) {
  while (fitter->done < fitter->over.count && end_of(tap_of(fitter, fitter->done)) == input + 1) {
    if (tap_of(fitter, fitter->done)->count == 2) add_line(fitter, fitter->done, fitter->previous, input - 1);
    add_line(fitter, fitter->done, line, input);
    finish_output(fitter);
  }
  memcpy(fitter->previous, line, fitter->length * (fitter->swapped || fitter->stored.depth == 16 ? 2 : 1));
}

static void shrink(struct assay_fitter *fitter, uint32_t input, const void *line) {
  while (fitter->opened < fitter->over.count && tap_of(fitter, fitter->opened)->start <= input) fitter->opened++;
  for (uint32_t i = fitter->done; i < fitter->opened; i++) add_line(fitter, i, line, input);
  while (fitter->done < fitter->opened && end_of(tap_of(fitter, fitter->done)) == input + 1) finish_output(fitter);
}

void assay_fitter_take(struct assay_fitter *fitter, uint32_t y, const void *row) {
  const struct assay_needs needs = assay_fitter_needs(fitter);
  if (y < needs.first_row || y >= needs.row_end) return;
  const struct assay_stored *stored = &fitter->stored;
  const uint32_t input = y - fitter->first_row;
  const void *line = (const uint8_t *)row + (size_t)fitter->first_column * stored->channels * (stored->depth / 8);
  if (fitter->copies) {
    memcpy(place_of(fitter, 0, output_of(fitter, fitter->done++)), line, fitter->length);
    return;
  }
  if (fitter->swapped) {
    if (stored->depth == 8) reduce_row_8(&fitter->along, line, stored->channels, shift_of(fitter), fitter->middle);
    else reduce_row_16(&fitter->along, line, stored->channels, shift_of(fitter), fitter->middle);
    line = fitter->middle;
  }
  if (fitter->over.linear) grow(fitter, input, line);
  else shrink(fitter, input, line);
}

struct assay_needs assay_fitter_needs(const struct assay_fitter *fitter) {
  const struct assay_tap *first = &fitter->along.taps[0], *last = &fitter->along.taps[fitter->along.count - 1];
  const uint32_t start = first->start < last->start ? first->start : last->start, end = end_of(first) > end_of(last) ? end_of(first) : end_of(last);
  return (struct assay_needs){fitter->first_row + tap_of(fitter, 0)->start, fitter->first_row + end_of(tap_of(fitter, fitter->over.count - 1)),
                              fitter->first_column + start, fitter->first_column + end};
}

/* ---- Beginning and end ---- */

/* Outputs that are under way at a time, at most. */
static uint32_t count_slots(const struct assay_fitter *fitter) {
  uint32_t most = 1, behind = 0;
  if (fitter->over.linear) return 1;
  for (uint32_t number = 0; number < fitter->over.count; number++) {
    while (end_of(tap_of(fitter, behind)) <= tap_of(fitter, number)->start) behind++;
    if (number - behind + 1 > most) most = number - behind + 1;
  }
  return most;
}

/* The windows and axes of the stored picture. */
static bool place(struct assay_fitter *fitter) {
  const struct assay_stored *stored = &fitter->stored;
  const struct assay_fit_plan *plan = &fitter->plan;
  const uint32_t filter = fitter->target.fitting.filter, orientation = stored->orientation;
  const bool along_back = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  fitter->swapped = orientation >= 5;
  fitter->backwards = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  struct assay_axis *columns = fitter->swapped ? &fitter->over : &fitter->along, *rows = fitter->swapped ? &fitter->along : &fitter->over;
  if (!assay_axis_make(columns, plan->source_width, plan->scaled_width, plan->scaled_x, plan->target_width, filter) ||
      !assay_axis_make(rows, plan->source_height, plan->scaled_height, plan->scaled_y, plan->target_height, filter))
    return false;
  fitter->first_column = fitter->swapped ? plan->source_y : plan->source_x;
  fitter->first_row = fitter->swapped ? plan->source_x : plan->source_y;
  if (along_back) {
    assay_axis_mirror(&fitter->along);
    fitter->first_column = stored->width - fitter->first_column - fitter->along.inputs;
  }
  if (fitter->backwards) {
    assay_axis_mirror(&fitter->over);
    fitter->first_row = stored->height - fitter->first_row - fitter->over.inputs;
  }
  fitter->copies = stored->depth == 8 && !fitter->swapped && !along_back && plan->source_width == plan->scaled_width && plan->source_height == plan->scaled_height &&
                   plan->scaled_width == plan->target_width && plan->scaled_height == plan->target_height;
  return true;
}

static bool take_memory(struct assay_fitter *fitter) {
  const struct assay_image_target *target = &fitter->target;
  const uint32_t channels = fitter->stored.channels;
  const size_t area = (size_t)target->width * target->height;
  fitter->pixels = channels > target->channels ? malloc(area * channels) : target->pixels;
  if (fitter->pixels == NULL || !place(fitter)) return false;
  if (fitter->plan.target_width != target->width || fitter->plan.target_height != target->height) memset(fitter->pixels, 0, area * channels);
  fitter->slot_count = count_slots(fitter);
  fitter->length = (size_t)(fitter->swapped ? fitter->along.count : fitter->along.inputs) * channels;
  if (fitter->copies) return true;
  fitter->sums = calloc(fitter->slot_count * fitter->length, sizeof *fitter->sums);
  if (!fitter->swapped && !assay_axis_pad(&fitter->along, assay_resize_multiple(channels))) return false;
  fitter->middle = calloc(fitter->length + assay_resize_spare(&fitter->along, channels), sizeof *fitter->middle);
  if (fitter->over.linear) fitter->previous = malloc(fitter->length * sizeof(uint16_t));
  return fitter->sums != NULL && fitter->middle != NULL && (fitter->previous != NULL || !fitter->over.linear);
}

static void release(struct assay_fitter *fitter) {
  if (fitter->pixels != fitter->target.pixels) free(fitter->pixels);
  assay_axis_release(&fitter->along);
  assay_axis_release(&fitter->over);
  free(fitter->sums);
  free(fitter->middle);
  free(fitter->previous);
  free(fitter);
}

int assay_fitter_open(const struct assay_stored *stored, const struct assay_window *window, const struct assay_image_target *target, struct assay_fitter **result,
                      struct assay_status *status) {
  struct assay_fitter *fitter = calloc(1, sizeof *fitter);
  *result = NULL;
  if (fitter == NULL) return assay_status_memory(status);
  fitter->lines = assay_resize_lines_best();
  fitter->stored = *stored;
  fitter->target = *target;
  fitter->plan = assay_fit_plan(&target->fitting, window, target->width, target->height);
  if (!take_memory(fitter)) {
    release(fitter);
    return assay_status_memory(status);
  }
  *result = fitter;
  return 0;
}

/* Grey to RGB in place, from the back. */
static void widen(uint8_t *pixels, size_t count) {
  for (size_t i = count; i-- > 0;) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
}

static void narrow(const uint8_t *pixels, uint8_t *grey, size_t count) {
  for (size_t i = 0; i < count; i++) grey[i] = (uint8_t)((19595u * pixels[3 * i] + 38470u * pixels[3 * i + 1] + 7471u * pixels[3 * i + 2] + 32768u) >> 16);
}

void assay_fitter_close(struct assay_fitter *fitter) {
  if (fitter == NULL) return;
  const struct assay_image_target *target = &fitter->target;
  const size_t count = (size_t)target->width * target->height;
  const bool finished = fitter->done == fitter->over.count;
  if (finished && fitter->stored.channels > target->channels) narrow(fitter->pixels, target->pixels, count);
  else if (finished && fitter->stored.channels < target->channels) widen(target->pixels, count);
  release(fitter);
}

int assay_image_fit(const struct assay_image *image, uint32_t width, uint32_t height, uint32_t channels, struct assay_fitting fitting, uint8_t *pixels,
                    struct assay_status *status) {
  const struct assay_stored stored = {image->width, image->height, image->channels, image->depth, 1};
  const struct assay_image_target target = {width, height, channels, fitting, pixels};
  struct assay_window window;
  struct assay_fitter *fitter;
  if (!assay_region_window(&fitting.region, image->width, image->height, image->width, image->height, &window))
    return assay_image_region_refused(&fitting.region, image->width, image->height, status);
  const int result = assay_fitter_open(&stored, &window, &target, &fitter, status);
  if (result != 0) return result;
  const size_t stride = (size_t)image->width * image->channels * (image->depth / 8);
  for (uint32_t y = 0; y < image->height; y++) assay_fitter_take(fitter, y, (const uint8_t *)image->pixels + y * stride);
  assay_fitter_close(fitter);
  return 0;
}
