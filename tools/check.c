/* SPDX-License-Identifier: MIT
 *
 * assay check: the audit of a data set, for people and as JSON.
 */
#include "cli.h"
#include "sanity.h"

#include "data/data.h"
#include "preview.h"

enum { LISTED = 20, COMMONEST = 6 };

/* "118 of 550x380; and 2 more". */
static void print_sizes(FILE *stream, const struct assay_dataset_summary *summary) {
  fputs("sizes:", stream);
  for (uint32_t i = 0; i < summary->size_count && i < COMMONEST; i++)
    fprintf(stream, "%s %u of %ux%u", i == 0 ? "" : ";", summary->sizes[i].count, summary->sizes[i].width, summary->sizes[i].height);
  if (summary->size_count > COMMONEST) fprintf(stream, "; and %u more", summary->size_count - COMMONEST);
  fputs("\nformats:", stream);
  for (uint32_t i = 0; i < summary->kind_count; i++) {
    const struct assay_kind_count *kind = &summary->kinds[i];
    fprintf(stream, "%s %u of %s, %u channel%s, %u bit", i == 0 ? "" : ";", kind->count, kind->format, kind->channels, kind->channels == 1 ? "" : "s", kind->bits);
  }
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

/* Does a pair ask for a look? Within one part it is only kept together. */
static bool is_finding(const struct assay_near_duplicate *pair) { return pair->across_parts || pair->across_labels; }

static uint32_t count_near(const struct assay_audit *audit) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < audit->near_count; i++) count += is_finding(&audit->near[i]);
  return count;
}

static void print_near(FILE *stream, const struct assay_dataset *dataset, const struct assay_audit *audit) {
  const uint32_t asking = count_near(audit);
  fprintf(stream, "\n%u pair%s of images that are almost the same (kept in one part and fold)", audit->near_count, audit->near_count == 1 ? "" : "s");
  fprintf(stream, asking > 0 ? "; %u across parts or labels\n" : "\n", asking);
  uint32_t listed = 0;
  for (int pass = 0; pass < 2; pass++)
    for (uint32_t i = 0; i < audit->near_count; i++) {
      const struct assay_near_duplicate *pair = &audit->near[i];
      if (is_finding(pair) != (pass == 0) || listed++ >= LISTED) continue;
      fprintf(stream, "  %s: %s %s\n",
              pair->across_labels ? "under two labels" : pair->across_parts ? "across parts; the one in training is left out" : "within one part",
              dataset->samples[pair->first].path, dataset->samples[pair->second].path);
    }
  if (listed > LISTED) fprintf(stream, "  and %u more pairs; --json lists all\n", listed - LISTED);
}

static void print_proposal(FILE *stream, const struct assay_dataset *dataset, const struct assay_group_proposal *proposal) {
  fprintf(stream, "\nnames of %u images look like those of tiles of %u photographs, as %s and %s. Tiles of one photograph in training and test make results look better\n"
                  "than they are; add this line to [data], and they stay together:\n  group = %s\n",
          proposal->image_count, proposal->photograph_count, dataset->samples[proposal->first].path, dataset->samples[proposal->second].path, proposal->pattern);
}

/* What there is to train on, after the test was held out. */
static struct assay_repeat_proposal propose_repeats(const struct assay_dataset *dataset, const struct assay_data_settings *settings) {
  const struct assay_repeat_proposal proposal = assay_dataset_propose_repeats(dataset);
  return settings->repeats > 1 ? (struct assay_repeat_proposal){0} : proposal;
}

static void print_repeats(FILE *stream, const struct assay_dataset *dataset, const struct assay_repeat_proposal *proposal) {
  fprintf(stream, "\nclass %s has only %u images to train on, and judging each once says little about it; with this line in [data] the split is drawn anew so often:\n  repeats = %u\n",
          dataset->classes[proposal->label], proposal->count, proposal->repeats);
}

static void print_audit(struct cli *cli, const struct assay_dataset *dataset, const struct assay_audit *audit, const struct assay_dataset_summary *summary) {
  FILE *stream = cli->results;
  fprintf(stream, "%s: %u images, %u classes\n\n%-24s%12s%12s%12s\n", dataset->root, dataset->count, dataset->class_count, "class", "train", "validation", "test");
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    const uint32_t *of = summary->class_parts[c];
    fprintf(stream, "%-24s%12u%12u%12u\n", dataset->classes[c], of[ASSAY_PART_TRAIN], of[ASSAY_PART_VALIDATION], of[ASSAY_PART_TEST]);
  }
  if (summary->broken_count + summary->left_out_count > 0) fprintf(stream, "not used: %u broken or copies, %u over the limit\n", summary->broken_count, summary->left_out_count);
  if (summary->ignored_count > 0) fprintf(stream, "%u files are no images\n", summary->ignored_count);
  fputc('\n', stream);
  print_sizes(stream, summary);
  if (audit->broken_count > 0) {
    fprintf(stream, "\n%u image%s cannot be used:\n", audit->broken_count, audit->broken_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < audit->broken_count; i++) {
      const struct assay_sample *sample = &dataset->samples[audit->broken[i]];
      fprintf(stream, "  %s: %s\n", sample->path, sample->problem);
    }
  }
  if (audit->duplicate_count > 0) print_duplicates(stream, dataset, audit);
  if (audit->near_count > 0) print_near(stream, dataset, audit);
}

static json_t *classes_json(const struct assay_dataset *dataset, const struct assay_dataset_summary *summary) {
  json_t *list = json_array();
  for (uint32_t c = 0; c < dataset->class_count; c++) {
    const uint32_t *of = summary->class_parts[c];
    json_array_append_new(list, json_pack("{s:s,s:i,s:i,s:i}", "name", dataset->classes[c], "train", (int)of[ASSAY_PART_TRAIN], "validation", (int)of[ASSAY_PART_VALIDATION], "test",
                                          (int)of[ASSAY_PART_TEST]));
  }
  return list;
}

static json_t *broken_json(const struct assay_dataset *dataset, const struct assay_audit *audit) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < audit->broken_count; i++) {
    const struct assay_sample *sample = &dataset->samples[audit->broken[i]];
    json_array_append_new(list, json_pack("{s:s,s:s}", "path", sample->path, "problem", sample->problem));
  }
  return list;
}

static json_t *duplicates_json(const struct assay_dataset *dataset, const struct assay_audit *audit) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < audit->duplicate_count; i++) {
    const struct assay_duplicate *group = &audit->duplicates[i];
    json_t *paths = json_array();
    for (uint32_t j = 0; j < group->count; j++) json_array_append_new(paths, json_string(dataset->samples[group->samples[j]].path));
    json_array_append_new(list, json_pack("{s:o,s:b,s:b}", "paths", paths, "across_parts", group->across_parts, "across_labels", group->across_labels));
  }
  return list;
}

static json_t *near_json(const struct assay_dataset *dataset, const struct assay_audit *audit) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < audit->near_count; i++) {
    const struct assay_near_duplicate *pair = &audit->near[i];
    json_array_append_new(list, json_pack("{s:[s,s],s:b,s:b}", "paths", dataset->samples[pair->first].path, dataset->samples[pair->second].path, "across_parts",
                                          pair->across_parts, "across_labels", pair->across_labels));
  }
  return list;
}

static json_t *audit_json(const struct assay_dataset *dataset, const struct assay_audit *audit, const struct assay_dataset_summary *summary) {
  json_t *sizes = json_array(), *formats = json_array();
  for (uint32_t i = 0; i < summary->size_count; i++)
    json_array_append_new(sizes, json_pack("{s:i,s:i,s:i}", "width", (int)summary->sizes[i].width, "height", (int)summary->sizes[i].height, "count", (int)summary->sizes[i].count));
  for (uint32_t i = 0; i < summary->kind_count; i++) {
    const struct assay_kind_count *kind = &summary->kinds[i];
    json_array_append_new(formats, json_pack("{s:s,s:i,s:i,s:i}", "format", kind->format, "channels", (int)kind->channels, "bits", (int)kind->bits, "count", (int)kind->count));
  }
  return json_pack("{s:s,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "path", dataset->root, "count", (int)dataset->count, "left_out", (int)summary->left_out_count, "ignored",
                   (int)summary->ignored_count, "classes", classes_json(dataset, summary), "sizes", sizes, "formats", formats, "broken", broken_json(dataset, audit), "duplicates",
                   duplicates_json(dataset, audit), "near_duplicates", near_json(dataset, audit));
}

static json_t *repeats_json(const struct assay_dataset *dataset, const struct assay_repeat_proposal *proposal) {
  if (proposal->repeats == 0) return json_null();
  return json_pack("{s:i,s:s,s:i}", "repeats", (int)proposal->repeats, "class", dataset->classes[proposal->label], "images", (int)proposal->count);
}

static json_t *proposal_json(const struct assay_dataset *dataset, const struct assay_group_proposal *proposal) {
  if (proposal->pattern == NULL) return json_null();
  return json_pack("{s:s,s:i,s:i,s:[s,s]}", "group", proposal->pattern, "photographs", (int)proposal->photograph_count, "images", (int)proposal->image_count, "paths",
                   dataset->samples[proposal->first].path, dataset->samples[proposal->second].path);
}

/* The gate and the split are part of what is checked: what they would refuse, the check refuses with the same words. */
static int check_dataset(struct cli *cli, struct assay_dataset *dataset, const struct assay_settings *settings) {
  struct assay_audit *audit;
  struct assay_group_proposal proposal;
  int result = assay_dataset_propose_group(dataset, &proposal, cli->status);
  if (result == 0) result = assay_dataset_audit(dataset, &audit, cli->status);
  if (result != 0) return result;
  int refused = assay_dataset_gate(dataset, audit, cli->status);
  if (refused == 0) refused = assay_dataset_split(dataset, &settings->data, cli->status);
  const struct assay_repeat_proposal repeats = propose_repeats(dataset, &settings->data);
  struct assay_dataset_summary *summary = NULL;
  struct assay_status ignored;
  if (assay_dataset_summarise(dataset, &summary, refused != 0 ? &ignored : cli->status) != 0 && refused == 0) result = ASSAY_E_MEMORY;
  const char *folder = cli_option(cli, "preview");
  json_t *preview = NULL;
  if (result == 0 && refused == 0 && folder != NULL) result = preview_write(cli, dataset, settings, folder, &preview);
  if (summary != NULL && !cli->json) {
    print_audit(cli, dataset, audit, summary);
    if (proposal.pattern != NULL) print_proposal(cli->results, dataset, &proposal);
    if (repeats.repeats > 0) print_repeats(cli->results, dataset, &repeats);
    if (preview != NULL) preview_print(cli, preview);
  } else if (summary != NULL && refused == 0 && result == 0) { /* otherwise the error object says it */
    json_t *object = audit_json(dataset, audit, summary);
    json_object_set_new(object, "proposal", proposal_json(dataset, &proposal));
    json_object_set_new(object, "repeat_proposal", repeats_json(dataset, &repeats));
    if (preview != NULL) json_object_set(object, "preview", preview);
    cli_print_json(cli, object);
  }
  json_decref(preview);
  assay_dataset_summary_release(summary);
  if (result == 0) result = refused;
  if (result == 0 && (audit->broken_count > 0 || audit->duplicate_count > 0 || count_near(audit) > 0)) {
    result = assay_status_set(cli->status, ASSAY_E_FINDINGS, "%s: %u images cannot be used, %u groups of equal images, %u pairs almost equal across parts or labels", dataset->root,
                              audit->broken_count, audit->duplicate_count, count_near(audit));
  }
  assay_audit_release(audit);
  return result;
}

/* The short trainings; false when none was asked for. */
static bool check_training(struct cli *cli, const struct assay_settings *settings, int *result) {
  const char *overfit = cli_option(cli, "overfit");
  int64_t images = 5;
  if (cli_option(cli, "lr-range") == NULL && overfit == NULL) return false;
  *result = overfit != NULL && *overfit != '\0' ? cli_option_integer(cli, "overfit", 1, 1000, 5, &images) : 0;
  if (*result == 0) *result = overfit != NULL ? sanity_overfit(cli, settings, (uint32_t)images) : sanity_range(cli, settings);
  return true;
}

int command_check(struct cli *cli) {
  struct assay_plan *plan;
  const struct assay_settings *settings;
  struct assay_dataset *dataset;
  int result = cli_plan(cli, cli->arguments[0], &plan);
  if (result != 0) return result;
  result = cli_settings(cli, plan, &settings);
  if (result == 0 && check_training(cli, settings, &result)) {
    assay_plan_release(plan);
    return result;
  }
  if (result == 0) result = assay_dataset_scan(&settings->data, &dataset, cli->status);
  if (result == 0) {
    result = check_dataset(cli, dataset, settings);
    assay_dataset_release(dataset);
  }
  assay_plan_release(plan);
  return result;
}
