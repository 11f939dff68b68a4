/* SPDX-License-Identifier: MIT
 *
 * assay check --preview: what the network sees, as contact sheets: the images of each class at its size, and what augmentation makes of some of them.
 */
#include "preview.h"

#include "base/file.h"
#include "report/advice.h"
#include "report/sheet.h"
#include "session.h"
#include "train/preview.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 128, CLASS_COLUMNS = 8, CLASS_IMAGES = 64, AUGMENTED_IMAGES = 8, EPOCHS = 7 };

struct preview {
  struct cli *cli;
  const struct assay_settings *settings;
  const struct assay_samples *samples;
  const char *folder;
  json_t *files;
};

/* A cell's height for the proportions of the images. */
static uint32_t cell_height(const struct assay_samples *samples) {
  const uint32_t height = samples->height >= samples->width ? CELL : (uint32_t)((uint64_t)CELL * samples->height / samples->width);
  return height < CELL / 8 ? CELL / 8 : height;
}

static size_t image_size(const struct assay_samples *samples) { return (size_t)samples->width * samples->height * samples->channels; }

/* Up to `most` images of a class (any: -1) that are trained on, spread evenly; gives how many. */
static uint32_t pick(const struct assay_samples *samples, int32_t label, uint32_t most, uint32_t *numbers) {
  uint32_t members = 0, seen = 0, count = 0;
  for (uint32_t i = 0; i < samples->count; i++)
    members += samples->pixels[i] != NULL && samples->parts[i] == ASSAY_PART_TRAIN && (label < 0 || samples->labels[i] == label);
  for (uint32_t i = 0; i < samples->count && count < most; i++) {
    if (samples->pixels[i] == NULL || samples->parts[i] != ASSAY_PART_TRAIN || (label >= 0 && samples->labels[i] != label)) continue;
    if ((uint64_t)seen++ * (members < most ? members : most) / members == count) numbers[count++] = i;
  }
  return count;
}

static int finish(struct preview *preview, struct assay_sheet *sheet, const char *name, int code) {
  const char *path = assay_path_join(preview->cli->arena, preview->folder, name);
  if (code == 0 && path == NULL) code = assay_status_memory(preview->cli->status);
  if (code == 0) code = assay_sheet_write(sheet, path, preview->cli->status);
  if (code == 0) json_array_append_new(preview->files, json_string(path));
  assay_sheet_release(sheet);
  return code;
}

/* "class-no_crack.png": what is no letter, digit, dash or underscore becomes a dash; the number keeps names apart. */
static const char *class_file(struct preview *preview, uint32_t class) {
  char name[64];
  snprintf(name, sizeof name, "%s", preview->samples->classes[class]);
  for (char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') *c = '-';
  return assay_arena_print(preview->cli->arena, "class-%02u-%s.png", class + 1, name);
}

static int write_class(struct preview *preview, uint32_t class) {
  const struct assay_samples *samples = preview->samples;
  uint32_t numbers[CLASS_IMAGES];
  const uint32_t count = pick(samples, (int32_t)class, CLASS_IMAGES, numbers);
  const char *title = assay_arena_print(preview->cli->arena, "%s: %u images as the network sees them, %ux%u", samples->classes[class], count, samples->width, samples->height);
  const char *file = class_file(preview, class);
  struct assay_sheet *sheet = title != NULL && file != NULL ? assay_sheet_create(CLASS_COLUMNS, count > 0 ? count : 1, CELL, cell_height(samples), title) : NULL;
  if (sheet == NULL) return assay_status_memory(preview->cli->status);
  int code = 0;
  for (uint32_t i = 0; i < count && code == 0; i++)
    code = assay_sheet_put(sheet, i, samples->pixels[numbers[i]], samples->width, samples->height, samples->channels, assay_path_name(samples->paths[numbers[i]]),
                           preview->cli->status);
  return finish(preview, sheet, file, code);
}

/* A row an image: as it is, and as the first epochs see it. `augmented`: [EPOCHS][count] images. */
static int write_augmented(struct preview *preview, const uint32_t *numbers, uint32_t count, const uint8_t *augmented) {
  const struct assay_samples *samples = preview->samples;
  struct assay_sheet *sheet = assay_sheet_create(EPOCHS + 1, count * (EPOCHS + 1), CELL, cell_height(samples), "left: the image; then as the epochs see it");
  if (sheet == NULL) return assay_status_memory(preview->cli->status);
  int code = 0;
  for (uint32_t i = 0; i < count && code == 0; i++) {
    code = assay_sheet_put(sheet, i * (EPOCHS + 1), samples->pixels[numbers[i]], samples->width, samples->height, samples->channels,
                           assay_path_name(samples->paths[numbers[i]]), preview->cli->status);
    for (uint32_t epoch = 0; epoch < EPOCHS && code == 0; epoch++) {
      char caption[32];
      snprintf(caption, sizeof caption, "epoch %u", epoch + 1);
      code = assay_sheet_put(sheet, i * (EPOCHS + 1) + epoch + 1, augmented + ((size_t)epoch * count + i) * image_size(samples), samples->width, samples->height,
                             samples->channels, caption, preview->cli->status);
    }
  }
  return finish(preview, sheet, "augmented.png", code);
}

static int augment_and_advise(struct preview *preview, const struct assay_dataset_summary *summary, json_t *warnings) {
  struct cli *cli = preview->cli;
  const struct assay_samples *samples = preview->samples;
  uint32_t numbers[AUGMENTED_IMAGES];
  const uint32_t count = pick(samples, -1, AUGMENTED_IMAGES, numbers);
  const size_t image = image_size(samples);
  uint8_t *originals = malloc(count * image + 1), *augmented = malloc(EPOCHS * count * image + 1);
  struct assay_session *session = NULL;
  struct assay_advice advice;
  int code = originals == NULL || augmented == NULL ? assay_status_memory(cli->status) : session_open(cli, preview->settings, NULL, &session);
  for (uint32_t i = 0; i < count && code == 0; i++) memcpy(originals + i * image, samples->pixels[numbers[i]], image);
  for (uint32_t epoch = 0; epoch < EPOCHS && code == 0; epoch++)
    code = assay_preview_augment(session, preview->settings, samples, numbers, count, epoch, augmented + epoch * count * image, cli->status);
  if (code == 0) code = write_augmented(preview, numbers, count, augmented);
  if (code == 0)
    code = assay_advise(preview->settings, samples, summary->sizes[0].width, summary->sizes[0].height, originals, augmented, count, cli->arena, &advice, cli->status);
  for (uint32_t i = 0; code == 0 && i < advice.count; i++) json_array_append_new(warnings, json_string(advice.sentences[i]));
  assay_session_close(session);
  free(originals);
  free(augmented);
  return code;
}

int preview_write(struct cli *cli, struct assay_dataset *dataset, const struct assay_settings *settings, const char *folder, json_t **result) {
  struct preview preview = {.cli = cli, .settings = settings, .folder = folder, .files = json_array()};
  struct assay_cache *cache = NULL;
  struct assay_dataset_summary *summary = NULL;
  json_t *warnings = json_array();
  int code = assay_folder_create(folder, cli->status);
  if (code == 0) code = assay_cache_open(dataset, &settings->data, &cache, cli->status);
  if (code == 0) code = assay_samples_collect(dataset, cache, &settings->data, cli->arena, &preview.samples, cli->status);
  if (code == 0) code = assay_dataset_summarise(dataset, &summary, cli->status);
  for (uint32_t class = 0; code == 0 && class < dataset->class_count; class++) code = write_class(&preview, class);
  if (code == 0) code = augment_and_advise(&preview, summary, warnings);
  assay_dataset_summary_release(summary);
  if (cache != NULL) assay_cache_close(cache);
  *result = json_pack("{s:s,s:o,s:o}", "folder", folder, "files", preview.files, "warnings", warnings);
  return code;
}

void preview_print(struct cli *cli, const json_t *preview) {
  size_t i;
  json_t *item;
  fputc('\n', cli->results);
  json_array_foreach(json_object_get(preview, "files"), i, item) fprintf(cli->results, "preview: %s\n", json_string_value(item));
  json_array_foreach(json_object_get(preview, "warnings"), i, item) fprintf(cli->results, "warning: %s\n", json_string_value(item));
}
