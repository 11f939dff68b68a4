/* SPDX-License-Identifier: MIT
 *
 * assay check: the audit of a data set, for people and as JSON.
 */
#include "cli.h"

#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static const char *const part_names[] = {"train", "validation", "test", "left out"};
enum { PART_COUNT = 4, LISTED = 20 };

/* Images by class and part: counts[class * PART_COUNT + part]. */
static uint32_t *count_parts(const struct assay_dataset *dataset, struct assay_arena *arena) {
  uint32_t *counts = ASSAY_NEW_ARRAY(arena, uint32_t, (size_t)dataset->class_count * PART_COUNT);
  for (uint32_t i = 0; counts != NULL && i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    counts[(size_t)sample->label * PART_COUNT + sample->part]++;
  }
  return counts;
}

/* A word and how many images it describes, commonest first. */
struct tally {
  char text[48];
  uint32_t count;
};

static int compare_tallies(const void *a, const void *b) {
  const struct tally *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  return strcmp(x->text, y->text);
}

static uint32_t tally(struct tally *tallies, uint32_t used, uint32_t capacity, const char *text) {
  for (uint32_t i = 0; i < used; i++) {
    if (strcmp(tallies[i].text, text) == 0) {
      tallies[i].count++;
      return used;
    }
  }
  if (used == capacity) return used;
  snprintf(tallies[used].text, sizeof tallies[used].text, "%s", text);
  tallies[used].count = 1;
  return used + 1;
}

enum { TALLY_CAPACITY = 256 };
struct look {
  struct tally sizes[TALLY_CAPACITY], formats[TALLY_CAPACITY];
  uint32_t size_count, format_count;
};

static struct look *look_at(const struct assay_dataset *dataset, struct assay_arena *arena) {
  struct look *look = ASSAY_NEW(arena, struct look);
  for (uint32_t i = 0; look != NULL && i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->format == NULL) continue;
    char text[48];
    snprintf(text, sizeof text, "%ux%u", sample->width, sample->height);
    look->size_count = tally(look->sizes, look->size_count, TALLY_CAPACITY, text);
    snprintf(text, sizeof text, "%s, %u channel%s, %u bit", sample->format, sample->channels, sample->channels == 1 ? "" : "s", sample->bits);
    look->format_count = tally(look->formats, look->format_count, TALLY_CAPACITY, text);
  }
  if (look != NULL) {
    qsort(look->sizes, look->size_count, sizeof *look->sizes, compare_tallies);
    qsort(look->formats, look->format_count, sizeof *look->formats, compare_tallies);
  }
  return look;
}

static void print_tallies(FILE *stream, const char *title, const struct tally *tallies, uint32_t count) {
  fprintf(stream, "%s:", title);
  for (uint32_t i = 0; i < count && i < 6; i++) fprintf(stream, "%s %u of %s", i == 0 ? "" : ";", tallies[i].count, tallies[i].text);
  if (count > 6) fprintf(stream, "; and %u more", count - 6);
  fputc('\n', stream);
}

static void print_duplicates(FILE *stream, const struct assay_dataset *dataset, const struct assay_audit *audit) {
  fprintf(stream, "\n%u group%s of equal images\n", audit->duplicate_count, audit->duplicate_count == 1 ? "" : "s");
  for (uint32_t i = 0; i < audit->duplicate_count && i < LISTED; i++) {
    const struct assay_duplicate *group = &audit->duplicates[i];
    fprintf(stream, "  %s:", group->across_labels ? "under several labels" : group->across_parts ? "across parts; the copy in training is left out" : "within one part");
    for (uint32_t j = 0; j < group->count && j < LISTED; j++) fprintf(stream, " %s", dataset->samples[group->samples[j]].path);
    fputc('\n', stream);
  }
  if (audit->duplicate_count > LISTED) fprintf(stream, "  and %u more groups; --json lists all\n", audit->duplicate_count - LISTED);
}

static void print_audit(struct cli *cli, const struct assay_dataset *dataset, const struct assay_audit *audit, const uint32_t *counts, const struct look *look) {
  FILE *stream = cli->results;
  fprintf(stream, "%s: %u images, %u classes\n\n%-24s", dataset->root, dataset->count, dataset->class_count, "class");
  for (int part = 0; part < PART_COUNT; part++) fprintf(stream, "%12s", part_names[part]);
  fputc('\n', stream);
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    fprintf(stream, "%-24s", dataset->classes[c]);
    for (int part = 0; part < PART_COUNT; part++) fprintf(stream, "%12u", counts[c * PART_COUNT + part]);
    fputc('\n', stream);
  }
  fputc('\n', stream);
  print_tallies(stream, "sizes", look->sizes, look->size_count);
  print_tallies(stream, "formats", look->formats, look->format_count);
  if (audit->broken_count > 0) {
    fprintf(stream, "\n%u image%s cannot be used:\n", audit->broken_count, audit->broken_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < audit->broken_count; i++) {
      const struct assay_sample *sample = &dataset->samples[audit->broken[i]];
      fprintf(stream, "  %s: %s\n", sample->path, sample->problem);
    }
  }
  if (audit->duplicate_count > 0) print_duplicates(stream, dataset, audit);
}

static json_t *tallies_json(const struct tally *tallies, uint32_t count, const char *key) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < count; i++) json_array_append_new(list, json_pack("{s:s,s:i}", key, tallies[i].text, "count", (int)tallies[i].count));
  return list;
}

static json_t *audit_json(const struct assay_dataset *dataset, const struct assay_audit *audit, const uint32_t *counts, const struct look *look) {
  json_t *classes = json_array(), *broken = json_array(), *duplicates = json_array();
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    const uint32_t *of = counts + (size_t)c * PART_COUNT;
    json_array_append_new(classes, json_pack("{s:s,s:i,s:i,s:i,s:i}", "name", dataset->classes[c], "train", (int)of[0], "validation", (int)of[1], "test", (int)of[2], "left_out",
                                             (int)of[3]));
  }
  for (uint32_t i = 0; i < audit->broken_count; i++) {
    const struct assay_sample *sample = &dataset->samples[audit->broken[i]];
    json_array_append_new(broken, json_pack("{s:s%,s:s}", "path", sample->path, strlen(sample->path), "problem", sample->problem));
  }
  for (uint32_t i = 0; i < audit->duplicate_count; i++) {
    const struct assay_duplicate *group = &audit->duplicates[i];
    json_t *paths = json_array();
    for (uint32_t j = 0; j < group->count; j++) json_array_append_new(paths, json_string(dataset->samples[group->samples[j]].path));
    json_array_append_new(duplicates, json_pack("{s:o,s:b,s:b}", "paths", paths, "across_parts", group->across_parts, "across_labels", group->across_labels));
  }
  return json_pack("{s:s,s:i,s:o,s:o,s:o,s:o,s:o}", "path", dataset->root, "count", (int)dataset->count, "classes", classes, "sizes",
                   tallies_json(look->sizes, look->size_count, "size"), "formats", tallies_json(look->formats, look->format_count, "format"), "broken", broken, "duplicates",
                   duplicates);
}

/* The gate and the split are part of what is checked: what they would refuse, the check refuses with the same words. */
static int check_dataset(struct cli *cli, struct assay_dataset *dataset, const struct assay_data_settings *settings) {
  struct assay_audit *audit;
  int result = assay_dataset_audit(dataset, &audit, cli->status);
  if (result != 0) return result;
  int refused = assay_dataset_gate(dataset, audit, cli->status);
  if (refused == 0) refused = assay_dataset_split(dataset, settings, cli->status);
  const uint32_t *counts = count_parts(dataset, cli->arena);
  const struct look *look = look_at(dataset, cli->arena);
  if (counts == NULL || look == NULL) {
    result = assay_status_memory(cli->status);
  } else if (cli->json && refused != 0) {
    result = refused; /* the error object says it */
  } else if (cli->json) {
    cli_print_json(cli, audit_json(dataset, audit, counts, look));
  } else {
    print_audit(cli, dataset, audit, counts, look);
  }
  if (result == 0) result = refused;
  if (result == 0 && (audit->broken_count > 0 || audit->duplicate_count > 0)) {
    result = assay_status_set(cli->status, ASSAY_E_FINDINGS, "%s: %u images cannot be used, %u groups of equal images", dataset->root, audit->broken_count,
                              audit->duplicate_count);
  }
  assay_audit_release(audit);
  return result;
}

int command_check(struct cli *cli) {
  struct assay_plan *plan;
  const struct assay_settings *settings;
  struct assay_dataset *dataset;
  int result = cli_plan(cli, cli->arguments[0], &plan);
  if (result == 0) result = cli_settings(cli, plan, &settings);
  if (result == 0) result = assay_dataset_scan(&settings->data, &dataset, cli->status);
  if (result != 0) return result;
  result = check_dataset(cli, dataset, &settings->data);
  assay_dataset_release(dataset);
  return result;
}
