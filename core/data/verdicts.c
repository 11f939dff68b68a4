/* SPDX-License-Identifier: MIT
 *
 * Verdicts on files that a scan has decoded once, remembered between runs: one file a data folder, in this machine's byte order.
 *
 *   header · count records, ascending by path hash · prints · text of all problems
 */
#include "data/source.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/rows.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const formats[] = {"", "jpeg", "png", "bmp", "pnm", "tiff"};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

struct header {
  char magic[8];
  uint32_t record_size, count, print_count, reserved;
  struct assay_hash decoder, content; /* of the decoders' names; of all that follows the header */
};

struct record {
  struct assay_hash path;
  struct assay_file_identity identity;
  struct assay_hash bytes;
  uint32_t width, height, channels, bits, format; /* format: 0 is broken */
  uint32_t problem_start, problem_length, print; /* print: its place, from 1; 0: none */
};

struct assay_verdicts {
  char *data;
  uint32_t count;
  const struct record *records;
  uint32_t print_count;
  const uint8_t *prints;
  const char *text;
  size_t text_size;
};

static const char magic[8] = "ASSAYVD3";

static char *file_of(struct assay_arena *arena, const char *name) {
  const char *folder = assay_cache_subfolder(arena, "verdicts");
  return folder == NULL ? NULL : assay_path_join(arena, folder, name);
}

static struct assay_hash decoder_hash(void) { return assay_hash_bytes(assay_image_decoder(), strlen(assay_image_decoder())); }

/* Points into the data when they are whole. */
static void adopt(struct assay_verdicts *verdicts, size_t size) {
  struct header header;
  if (size < sizeof header) return;
  memcpy(&header, verdicts->data, sizeof header);
  const struct assay_hash decoder = decoder_hash(), content = assay_hash_bytes(verdicts->data + sizeof header, size - sizeof header);
  if (memcmp(header.magic, magic, sizeof magic) != 0 || header.record_size != sizeof(struct record) || memcmp(&header.decoder, &decoder, sizeof decoder) != 0 ||
      memcmp(&header.content, &content, sizeof content) != 0 || header.count > (size - sizeof header) / sizeof(struct record) ||
      header.print_count > (size - sizeof header - header.count * sizeof(struct record)) / ASSAY_PRINT_SIZE)
    return;
  verdicts->count = header.count;
  verdicts->records = (const struct record *)(const void *)(verdicts->data + sizeof header);
  verdicts->print_count = header.print_count;
  verdicts->prints = (const uint8_t *)(verdicts->records + header.count);
  verdicts->text = (const char *)(verdicts->prints + (size_t)header.print_count * ASSAY_PRINT_SIZE);
  verdicts->text_size = size - (size_t)(verdicts->text - verdicts->data);
}

struct assay_verdicts *assay_verdicts_load(const char *name) {
  struct assay_verdicts *verdicts = calloc(1, sizeof *verdicts);
  struct assay_arena *arena = assay_arena_create();
  const char *path = verdicts == NULL || arena == NULL ? NULL : file_of(arena, name);
  size_t size;
  if (path != NULL && assay_file_read(path, (size_t)1 << 32, ASSAY_E_STORAGE, &verdicts->data, &size, NULL) == 0) adopt(verdicts, size);
  assay_arena_release(arena);
  return verdicts;
}

void assay_verdicts_release(struct assay_verdicts *verdicts) {
  if (verdicts == NULL) return;
  free(verdicts->data);
  free(verdicts);
}

static int by_path_hash(const void *a, const void *b) {
  return memcmp(&((const struct record *)a)->path, &((const struct record *)b)->path, sizeof(struct assay_hash));
}

bool assay_verdicts_find(const struct assay_verdicts *verdicts, const struct assay_found *file, struct assay_sample *sample, uint8_t *print,
                         struct assay_arena *arena) {
  if (verdicts == NULL || verdicts->count == 0) return false;
  const struct record wanted = {.path = assay_hash_bytes(file->path, strlen(file->path))};
  const struct record *record = bsearch(&wanted, verdicts->records, verdicts->count, sizeof wanted, by_path_hash);
  if (record == NULL || memcmp(&record->identity, &file->identity, sizeof file->identity) != 0) return false;
  if (record->format >= FORMAT_COUNT || record->problem_start > verdicts->text_size || record->problem_length > verdicts->text_size - record->problem_start)
    return false;
  if (print != NULL && record->format != 0 && assay_print_wanted(record->width, record->height)) {
    if (record->print == 0 || record->print > verdicts->print_count) return false;
    memcpy(print, verdicts->prints + (size_t)(record->print - 1) * ASSAY_PRINT_SIZE, ASSAY_PRINT_SIZE);
  }
  sample->hash = record->bytes;
  if (record->format != 0) {
    sample->format = formats[record->format];
    sample->width = record->width;
    sample->height = record->height;
    sample->channels = record->channels;
    sample->bits = record->bits;
    return true;
  }
  sample->problem = assay_arena_print(arena, "%.*s", (int)record->problem_length, verdicts->text + record->problem_start);
  return sample->problem != NULL;
}

static uint32_t format_number(const char *format) {
  for (uint32_t i = 1; format != NULL && i < FORMAT_COUNT; i++)
    if (strcmp(formats[i], format) == 0) return i;
  return 0;
}

/* A file that changed just now may change again within the same tick of its clock. */
static bool is_settled(const struct assay_file_identity *identity, int64_t now) {
  const int64_t margin = 2 * (int64_t)1000000000;
  return identity->changed < now - margin && identity->modified < now - margin;
}

void assay_verdicts_save(const char *name, const struct assay_dataset *dataset, const bool *unsure) {
  struct assay_arena *arena = assay_arena_create();
  const char *path = arena == NULL ? NULL : file_of(arena, name);
  const struct assay_source *source = dataset->source;
  size_t text_size = 0, size, print_size = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    text_size += dataset->samples[i].problem == NULL ? 0 : strlen(dataset->samples[i].problem);
    print_size += source->printed != NULL && source->printed[i] ? ASSAY_PRINT_SIZE : 0;
  }
  char *data = NULL;
  if (path != NULL && text_size <= UINT32_MAX && assay_multiply(dataset->count, sizeof(struct record), &size))
    data = calloc(1, sizeof(struct header) + size + print_size + text_size);
  if (data == NULL) {
    assay_arena_release(arena);
    return;
  }
  struct timespec clock;
  clock_gettime(CLOCK_REALTIME, &clock);
  const int64_t now = (int64_t)clock.tv_sec * 1000000000 + clock.tv_nsec;
  struct record *records = (struct record *)(void *)(data + sizeof(struct header));
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    const struct assay_found *file = &dataset->source->files[i];
    if (unsure[i] || !is_settled(&file->identity, now)) continue;
    records[count++] = (struct record){assay_hash_bytes(file->path, strlen(file->path)),
                                       file->identity,
                                       sample->hash,
                                       sample->width,
                                       sample->height,
                                       sample->channels,
                                       sample->bits,
                                       format_number(sample->format),
                                       i,
                                       0,
                                       0}; /* problem_start holds the sample until the sort is done */
  }
  if (count > 0) qsort(records, count, sizeof *records, by_path_hash);
  uint8_t *prints = (uint8_t *)(records + count);
  uint32_t print_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t sample = records[i].problem_start;
    if (source->printed == NULL || !source->printed[sample]) continue;
    memcpy(prints + (size_t)print_count * ASSAY_PRINT_SIZE, source->prints + (size_t)sample * ASSAY_PRINT_SIZE, ASSAY_PRINT_SIZE);
    records[i].print = ++print_count;
  }
  char *text = (char *)(prints + (size_t)print_count * ASSAY_PRINT_SIZE);
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *problem = dataset->samples[records[i].problem_start].problem;
    const uint32_t length = problem == NULL ? 0 : (uint32_t)strlen(problem);
    if (length > 0) memcpy(text + used, problem, length);
    records[i].problem_start = used;
    records[i].problem_length = length;
    used += length;
  }
  struct header header = {.record_size = sizeof(struct record), .count = count, .print_count = print_count, .decoder = decoder_hash()};
  memcpy(header.magic, magic, sizeof magic);
  size = count * sizeof *records + (size_t)print_count * ASSAY_PRINT_SIZE + used;
  header.content = assay_hash_bytes(records, size);
  memcpy(data, &header, sizeof header);
  (void)assay_file_write(path, data, sizeof header + size, NULL);
  free(data);
  assay_arena_release(arena);
}
