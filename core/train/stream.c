/* SPDX-License-Identifier: MIT */
#include "train/stream.h"

#include "base/arena.h"
#include "base/status.h"
#include "data/ahead.h"

#include <stdlib.h>
#include <string.h>

enum {
  LEAST_SLOTS = 3, /* a piece on its way to the device, one that is ready, one that is being gathered */
  MOST_SLOTS = 16, /* of small pieces, as many as fit into SLOT_BYTES */
  SLOT_BYTES = 4 << 20,
  READ_AHEAD = 8   /* pieces whose pages the system is asked for before they are gathered, so that a disk has several things to do at once */
};

struct assay_stream {
  const struct assay_samples *samples;
  const uint32_t *numbers;
  uint32_t count, batch, piece, pieces; /* the last: of a whole batch */
  uint32_t slots;
  uint8_t *pixels[MOST_SLOTS];
  int32_t *labels[MOST_SLOTS];
  struct assay_ahead *ahead; /* NULL: has not begun */
};

int assay_stream_create(const struct assay_samples *samples, uint32_t capacity, struct assay_stream **result, struct assay_status *status) {
  struct assay_stream *stream = calloc(1, sizeof *stream);
  *result = stream;
  if (stream == NULL) return assay_status_memory(status);
  stream->samples = samples;
  const size_t size = (size_t)samples->height * samples->width * samples->channels;
  const uint64_t fit = SLOT_BYTES / ((uint64_t)size * capacity);
  stream->slots = fit < LEAST_SLOTS ? LEAST_SLOTS : fit < MOST_SLOTS ? (uint32_t)fit : MOST_SLOTS;
  for (uint32_t slot = 0; slot < stream->slots; slot++) {
    stream->pixels[slot] = calloc(capacity, size);
    stream->labels[slot] = calloc(capacity, sizeof(int32_t));
    if (stream->pixels[slot] == NULL || stream->labels[slot] == NULL) return assay_status_memory(status);
  }
  return 0;
}

void assay_stream_release(struct assay_stream *stream) {
  if (stream == NULL) return;
  assay_stream_end(stream);
  for (uint32_t slot = 0; slot < stream->slots; slot++) {
    free(stream->pixels[slot]);
    free(stream->labels[slot]);
  }
  free(stream);
}

void assay_stream_zeros(const struct assay_stream *stream, const uint8_t **pixels, const int32_t **labels) {
  *pixels = stream->pixels[0];
  *labels = stream->labels[0];
}

/* Piece `number`: its first sample among the numbers; gives how many there are. */
static uint32_t find_piece(const struct assay_stream *stream, uint32_t number, uint32_t *first) {
  const uint32_t batch_first = number / stream->pieces * stream->batch, before = number % stream->pieces * stream->piece;
  const uint32_t batch = stream->count - batch_first < stream->batch ? stream->count - batch_first : stream->batch;
  *first = batch_first + before;
  return batch - before < stream->piece ? batch - before : stream->piece;
}

static uint32_t count_pieces(const struct assay_stream *stream) {
  const uint32_t last = stream->count % stream->batch;
  return stream->count / stream->batch * stream->pieces + (last + stream->piece - 1) / stream->piece;
}

static void ask_for(const struct assay_stream *stream, uint32_t number) {
  uint32_t first;
  if (number >= count_pieces(stream)) return;
  const uint32_t count = find_piece(stream, number, &first);
  assay_samples_ahead(stream->samples, stream->numbers + first, count);
}

/* The pages of a mapped file are read here, where nobody waits for them. */
static void gather(void *context, uint32_t number, uint32_t slot) {
  const struct assay_stream *stream = context;
  const struct assay_samples *samples = stream->samples;
  const size_t size = (size_t)samples->height * samples->width * samples->channels;
  uint32_t first;
  const uint32_t count = find_piece(stream, number, &first);
  for (uint32_t i = 0; number == 0 && i < READ_AHEAD; i++) ask_for(stream, i);
  ask_for(stream, number + READ_AHEAD);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t sample = stream->numbers[first + i];
    memcpy(stream->pixels[slot] + i * size, samples->pixels[sample], size);
    stream->labels[slot][i] = samples->labels[sample];
  }
}

int assay_stream_begin(struct assay_stream *stream, const uint32_t *numbers, uint32_t count, uint32_t batch, uint32_t piece, struct assay_status *status) {
  assay_stream_end(stream);
  stream->numbers = numbers;
  stream->count = count;
  stream->batch = batch;
  stream->piece = piece;
  stream->pieces = (batch + piece - 1) / piece;
  stream->ahead = assay_ahead_start(count_pieces(stream), stream->slots, gather, stream);
  return stream->ahead == NULL ? assay_status_memory(status) : 0;
}

void assay_stream_next(struct assay_stream *stream, const uint8_t **pixels, const int32_t **labels) {
  const uint32_t slot = assay_ahead_next(stream->ahead);
  *pixels = stream->pixels[slot];
  *labels = stream->labels[slot];
}

double assay_stream_end(struct assay_stream *stream) {
  if (stream == NULL || stream->ahead == NULL) return 0;
  const double waited = assay_ahead_waited(stream->ahead);
  assay_ahead_stop(stream->ahead);
  stream->ahead = NULL;
  return waited;
}
