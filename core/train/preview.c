/* SPDX-License-Identifier: MIT
 *
 * One function: pixels, options, keys and mean in, augmented pixels out.
 */
#include "train/preview.h"

#include "base/status.h"
#include "train/augment.h"

#include <stdlib.h>
#include <string.h>

enum { FEEDS = 4 };

/* What goes in, host side. */
struct inputs {
  uint8_t *pixels;
  uint32_t *keys;
  float options[ASSAY_AUGMENT_COUNT + 1], mean[4];
};

static int build(const struct assay_settings *settings, const struct assay_samples *samples, uint32_t count, struct assay_program_builder *program,
                 struct assay_status *status) {
  struct assay_builder *b = assay_function_begin(program, "preview");
  if (b == NULL) return assay_status_memory(status);
  const int64_t extents[4] = {count, samples->height, samples->width, samples->channels}, options = assay_augment_count(&settings->augment) + 1;
  const assay_value pixels = assay_function_feed(b, ASSAY_U8, 4, extents), strengths = assay_function_feed(b, ASSAY_F32, 1, &options);
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){count, 2}), mean = assay_function_feed(b, ASSAY_F32, 1, extents + 3);
  const struct assay_build_context context = {sizeof context, 1, samples->class_count, keys, assay_invalid()};
  assay_function_context(b, &context);
  const assay_value planes = assay_transpose(b, assay_cast(b, pixels, ASSAY_F32), (const int32_t[]){0, 3, 1, 2});
  assay_value shares;
  const assay_value seen = assay_augment_planes(b, &settings->augment, strengths, planes, mean, &shares);
  const assay_value rounded = assay_floor(b, assay_add(b, seen, assay_number(b, seen, 0.5)));
  assay_function_fetch(b, assay_cast(b, assay_transpose(b, rounded, (const int32_t[]){0, 2, 3, 1}), ASSAY_U8));
  return assay_function_end(b, status);
}

static int fill(const struct assay_settings *settings, const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, uint32_t epoch,
                struct inputs *inputs, struct assay_status *status) {
  const size_t image = (size_t)samples->height * samples->width * samples->channels;
  inputs->pixels = malloc(count * image);
  inputs->keys = malloc(count * 2 * sizeof *inputs->keys);
  if (inputs->pixels == NULL || inputs->keys == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) {
    memcpy(inputs->pixels + i * image, samples->pixels[numbers[i]], image);
    assay_sample_key(settings->train.seed, epoch, numbers[i], 0, inputs->keys + 2 * (size_t)i);
  }
  assay_augment_options(&settings->augment, inputs->options + 1);
  if (settings->data.normalise == ASSAY_NORMALISE_UNIT) return 0;
  double mean[4], deviation[4];
  assay_samples_statistics(samples, numbers, count, mean, deviation);
  for (uint32_t c = 0; c < samples->channels && c < 4; c++) inputs->mean[c] = (float)mean[c];
  return 0;
}

static int run(struct assay_session *session, const struct assay_program *program, const struct inputs *inputs, uint8_t *out, struct assay_status *status) {
  const struct assay_backend *backend = assay_session_backend(session);
  const struct assay_function *function = program->functions[0];
  const void *data[FEEDS] = {inputs->pixels, inputs->options, inputs->keys, inputs->mean};
  struct assay_buffer *feeds[FEEDS] = {NULL}, *fetch = NULL;
  struct assay_executable *executable;
  struct assay_store *store = NULL;
  uint64_t size = 0;
  int code = assay_session_compile(session, program, &executable, status);
  if (code == 0) code = backend->store_create(executable, &store, status);
  for (uint32_t i = 0; code == 0 && i < FEEDS; i++) {
    const struct assay_tensor_type *type = function->graph->types[function->feeds[i]];
    size = (uint64_t)assay_element_count(type) * assay_dtype_size(type->dtype);
    code = backend->buffer_create(assay_session_device(session), size, &feeds[i], status);
    if (code == 0) code = backend->buffer_write(feeds[i], 0, data[i], size, status);
  }
  size = (uint64_t)assay_element_count(function->graph->types[function->fetches[0]]);
  if (code == 0) code = backend->buffer_create(assay_session_device(session), size, &fetch, status);
  if (code == 0) code = backend->run(executable, 0, store, feeds, &fetch, status);
  if (code == 0) code = backend->buffer_read(fetch, 0, out, size, status);
  for (uint32_t i = 0; i < FEEDS; i++) backend->buffer_release(feeds[i]);
  backend->buffer_release(fetch);
  backend->store_release(store);
  return code;
}

int assay_preview_augment(struct assay_session *session, const struct assay_settings *settings, const struct assay_samples *samples, const uint32_t *numbers,
                          uint32_t count, uint32_t epoch, uint8_t *out, struct assay_status *status) {
  struct inputs inputs = {.pixels = NULL};
  struct assay_program_builder *builder = assay_program_begin();
  const struct assay_program *program;
  int code = builder == NULL ? assay_status_memory(status) : fill(settings, samples, numbers, count, epoch, &inputs, status);
  if (code == 0) code = build(settings, samples, count, builder, status);
  if (code == 0) code = assay_program_finish(builder, &program, status);
  if (code == 0) code = run(session, program, &inputs, out, status);
  assay_program_release(builder);
  free(inputs.pixels);
  free(inputs.keys);
  return code;
}
