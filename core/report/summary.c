/* SPDX-License-Identifier: MIT */
#include "report/summary.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "report/comparison.h"
#include "report/repeats.h"
#include "report/training.h"
#include "report/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WRONG_LISTED = 10000, WRONG_PRINTED = 10, FAILURES_PRINTED = 5 };

/* ---- Building ---- */

static json_t *parameters_json(const struct assay_study *study, const double *point, struct assay_arena *arena) {
  const struct assay_space *space = assay_study_space(study);
  json_t *object = json_object();
  for (uint32_t d = 0; d < space->dimension_count; d++) {
    if (isnan(point[d])) continue;
    const struct assay_dimension *dimension = space->dimensions[d];
    const char *text = dimension->kind == ASSAY_DOMAIN_CHOICE ? assay_study_value_text(study, d, point[d], arena) : NULL;
    json_object_set_new(object, dimension->name, text != NULL ? json_string(text) : dimension->kind == ASSAY_DOMAIN_INT ? json_integer((json_int_t)point[d]) : json_real(point[d]));
  }
  return object;
}

/* What went wrong, by reason: {trial, reason} of every failed trial. */
static json_t *failures_json(const struct assay_trial_record *const *records, uint32_t count) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < count; i++)
    if (records[i]->state == ASSAY_TRIAL_FAILED)
      json_array_append_new(list, json_pack("{s:i,s:s}", "trial", (int)records[i]->number, "reason", records[i]->reason != NULL ? records[i]->reason : ""));
  return list;
}

/* What the summary knows of a device; made when it is first named. */
static json_t *device_json(json_t *devices, const char *name) {
  json_t *device = json_object_get(devices, name);
  if (device == NULL) {
    device = json_pack("{s:i,s:f,s:i,s:b,s:n}", "trials", 0, "seconds", 0.0, "faults", 0, "left_alone", 0, "last_fault");
    json_object_set_new(devices, name, device);
  }
  return device;
}

static void add_to_device(json_t *device, const struct assay_trial_record *record) {
  json_object_set_new(device, "trials", json_integer(json_integer_value(json_object_get(device, "trials")) + 1));
  if (isfinite(record->seconds)) json_object_set_new(device, "seconds", json_real(json_real_value(json_object_get(device, "seconds")) + record->seconds));
}

/* {NAME: {trials, seconds, faults, left_alone, last_fault}}: trials by the device that had them last, and what went wrong with it. */
static int add_devices(json_t *summary, const struct assay_summary_sources *sources, const struct assay_trial_record *const *records, uint32_t count,
                       struct assay_arena *arena, struct assay_status *status) {
  json_t *devices = json_object();
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t a = 0; a < records[i]->attribute_count; a++) {
      if (strcmp(records[i]->attributes[a].key, "assay:device") != 0) continue;
      json_t *name = json_loads(records[i]->attributes[a].json, JSON_DECODE_ANY, NULL);
      if (json_is_string(name)) add_to_device(device_json(devices, json_string_value(name)), records[i]);
      json_decref(name);
    }
  const struct assay_fault *faults;
  uint32_t fault_count;
  const int code = assay_study_faults(sources->study, arena, &faults, &fault_count, status);
  for (uint32_t i = 0; code == 0 && i < fault_count; i++) {
    json_t *device = device_json(devices, faults[i].device);
    json_object_set_new(device, "faults", json_integer(json_integer_value(json_object_get(device, "faults")) + 1));
    json_object_set_new(device, "left_alone", json_boolean(faults[i].left_alone));
    json_object_set_new(device, "last_fault", json_string(faults[i].message));
  }
  json_object_set_new(summary, "devices", devices);
  return code;
}

/* Samples of the pieces that batches were cut into where memory was short, by trial; an empty object: nowhere. */
static json_t *pieces_json(const struct assay_trial_record *const *records, uint32_t count) {
  json_t *pieces = json_object();
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t a = 0; a < records[i]->attribute_count; a++) {
      int64_t piece;
      char number[16];
      if (strcmp(records[i]->attributes[a].key, "assay:piece") != 0 || !assay_parse_integer(records[i]->attributes[a].json, &piece)) continue;
      snprintf(number, sizeof number, "%u", records[i]->number);
      json_object_set_new(pieces, number, json_integer(piece));
    }
  return pieces;
}

static int add_study(json_t *summary, const struct assay_summary_sources *sources, struct assay_arena *arena, struct assay_status *status) {
  const struct assay_trial_record *const *records;
  const struct assay_trial_record *best;
  struct assay_study_counts counts;
  uint32_t count;
  double seconds = 0;
  int result = assay_study_list(sources->study, arena, &records, &count, status);
  if (result == 0) result = assay_study_best(sources->study, arena, &best, status);
  if (result == 0) result = assay_study_count(sources->study, &counts, status);
  if (result != 0) return result;
  for (uint32_t i = 0; i < count; i++)
    if (isfinite(records[i]->seconds)) seconds += records[i]->seconds;
  json_object_set_new(summary, "trials", json_integer(count));
  json_object_set_new(summary, "counts", json_pack("{s:i,s:i,s:i,s:i}", "complete", (int)counts.complete, "pruned", (int)counts.pruned, "failed", (int)counts.failed, "open",
                                                   (int)(counts.running + counts.waiting)));
  json_object_set_new(summary, "trial_seconds", json_real(seconds));
  json_object_set_new(summary, "objective", json_string(sources->settings->search.objective.plugin->name));
  if (best != NULL)
    json_object_set_new(summary, "best", json_pack("{s:i,s:o,s:o}", "trial", (int)best->number, "value", assay_json_number(best->value), "params",
                                                   parameters_json(sources->study, best->point, arena)));
  else
    json_object_set_new(summary, "best", json_null());
  json_object_set_new(summary, "baseline", count > 0 && records[0]->state == ASSAY_TRIAL_COMPLETE ? assay_json_number(records[0]->value) : json_null());
  json_object_set_new(summary, "comparison", assay_comparison_build(best, count > 0 ? records[0] : NULL, assay_study_maximises(sources->study)));
  json_object_set_new(summary, "pieces", pieces_json(records, count));
  json_object_set_new(summary, "failures", failures_json(records, count));
  return add_devices(summary, sources, records, count, arena, status);
}

/* How the model decides, as the final training noted it: null before; `threshold` is null with more than two classes. */
static int add_decision(json_t *summary, const struct assay_summary_sources *sources, struct assay_arena *arena, struct assay_status *status) {
  const char *text = NULL;
  const int code = assay_study_attribute(sources->study, "assay:decision", arena, &text, status);
  if (code != 0) return code;
  json_t *decision = text != NULL ? json_loads(text, 0, NULL) : NULL, *threshold = json_object_get(decision, "threshold");
  json_object_set_new(summary, "threshold", json_is_number(threshold) ? json_incref(threshold) : json_null());
  json_object_set_new(summary, "decision", decision != NULL ? decision : json_null());
  return 0;
}

/* On the test, or where none was held out on validation. */
static void add_target(json_t *summary, const struct assay_summary_sources *sources) {
  const json_t *test = json_object_get(summary, "test"), *validation = json_object_get(summary, "validation");
  const bool tested = json_is_object(test);
  json_object_set_new(summary, "target",
                      tested || json_is_object(validation) ? assay_judgement_target(tested ? test : validation, tested ? "test" : "validation", &sources->settings->judge) : json_null());
}

static int add_part(json_t *summary, const char *key, const struct assay_summary_sources *sources, int part, struct assay_status *status) {
  struct assay_prediction_set *rows = sources->predictions != NULL ? assay_predictions_select(sources->predictions, part, -2) : NULL;
  if (sources->predictions != NULL && rows == NULL) return assay_status_memory(status);
  json_t *judgement = NULL;
  int result = 0;
  if (rows != NULL && rows->count > 0)
    result = assay_judgement_build(rows, sources->settings->metrics, sources->settings->metric_count, WRONG_LISTED, &judgement, status);
  assay_predictions_release(rows);
  if (result == 0) json_object_set_new(summary, key, judgement != NULL ? judgement : json_null());
  return result;
}

static int add_repeats(json_t *summary, const struct assay_summary_sources *sources, struct assay_status *status) {
  struct assay_prediction_set *rows = sources->predictions != NULL ? assay_predictions_select(sources->predictions, ASSAY_PART_VALIDATION, -2) : NULL;
  if (sources->predictions != NULL && rows == NULL) return assay_status_memory(status);
  json_t *repeats = json_null();
  const int code = rows != NULL ? assay_repeats_build(rows, sources->settings->metrics, sources->settings->metric_count, &repeats, status) : 0;
  assay_predictions_release(rows);
  json_object_set_new(summary, "repeats", repeats);
  return code;
}

int assay_summary_build(const struct assay_summary_sources *sources, json_t **result, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  json_t *summary = arena != NULL ? json_pack("{s:s,s:s?}", "run", sources->run, "model", sources->model) : NULL;
  int code = summary == NULL ? assay_status_memory(status) : add_study(summary, sources, arena, status);
  if (code == 0) code = add_decision(summary, sources, arena, status);
  if (code == 0) code = add_part(summary, "validation", sources, ASSAY_PART_VALIDATION, status);
  if (code == 0) code = add_part(summary, "test", sources, ASSAY_PART_TEST, status);
  if (code == 0) code = add_repeats(summary, sources, status);
  if (code == 0) code = assay_training_add(summary, sources, arena, status);
  if (code == 0) add_target(summary, sources);
  assay_arena_release(arena);
  if (code != 0) {
    json_decref(summary);
    summary = NULL;
  }
  *result = summary;
  return code;
}

/* ---- For a person ---- */

static long long integer_of(const json_t *object, const char *key) { return (long long)json_integer_value(json_object_get(object, key)); }

static void print_wrong(const json_t *test, struct assay_text *text) {
  const json_t *wrong = json_object_get(test, "wrong");
  const size_t count = json_array_size(wrong);
  if (count == 0) return;
  assay_text_print(text, "\n  %lld wrong, surest first:\n", integer_of(test, "wrong_count"));
  for (size_t i = 0; i < count && i < WRONG_PRINTED; i++) {
    const json_t *row = json_array_get(wrong, i);
    assay_text_print(text, "    %s: is %s, taken for %s (%.3f)\n", json_string_value(json_object_get(row, "path")), json_string_value(json_object_get(row, "label")),
                     json_string_value(json_object_get(row, "guess")), json_real_value(json_object_get(row, "score")));
  }
  if (count > WRONG_PRINTED) assay_text_print(text, "    and %zu more; predictions.csv has them all\n", count - WRONG_PRINTED);
}

static void print_best(const json_t *summary, struct assay_text *text) {
  const json_t *best = json_object_get(summary, "best"), *baseline = json_object_get(summary, "baseline");
  const char *objective = json_string_value(json_object_get(summary, "objective")), *key;
  if (json_is_null(best)) {
    assay_text_add(text, "No trial was finished.\n");
    return;
  }
  assay_text_print(text, "Best: trial %lld, %s %.6g on validation", integer_of(best, "trial"), objective, json_number_value(json_object_get(best, "value")));
  if (json_is_number(baseline)) assay_text_print(text, " (the default values: %.6g)", json_number_value(baseline));
  assay_text_add(text, "\n");
  json_t *value;
  json_object_foreach(json_object_get(best, "params"), key, value) {
    char number[32];
    if (json_is_real(value)) assay_print_real(json_real_value(value), number);
    else if (json_is_integer(value)) assay_print_real((double)json_integer_value(value), number);
    assay_text_print(text, "  %s = %s\n", key, json_is_string(value) ? json_string_value(value) : number);
  }
}

static void print_threshold(const json_t *summary, struct assay_text *text) {
  const json_t *threshold = json_object_get(summary, "threshold"), *validation = json_object_get(summary, "validation"),
               *classes = json_object_get(validation, "classes");
  if (!json_is_number(threshold) || json_array_size(classes) != 2) return;
  const char *positive = json_string_value(json_object_get(validation, "positive"));
  assay_text_print(text, "Threshold: \"%s\" from a score of %.4g on", positive != NULL ? positive : json_string_value(json_array_get(classes, 1)),
                   json_number_value(threshold));
  const json_t *decision = json_object_get(summary, "decision");
  const char *rule = json_string_value(json_object_get(decision, "rule"));
  double fixed;
  if (strpbrk(rule, "<>") != NULL) {
    assay_text_print(text, json_is_true(json_object_get(decision, "met")) ? ", which keeps %s on validation (%.4g)" : ", the nearest to %s on validation (%.4g)", rule,
                     json_number_value(json_object_get(decision, "value")));
  } else if (!assay_parse_real(rule, &fixed) && json_number_value(threshold) != 0.5) {
    assay_text_print(text, ", where %s is best on validation", strcmp(rule, "auto") == 0 ? json_string_value(json_object_get(summary, "objective")) : rule);
  }
  assay_text_add(text, "\n");
}

/* Worth saying when the scores are scaled, or are far from what they say. */
static void print_calibration(const json_t *summary, struct assay_text *text) {
  const json_t *decision = json_object_get(summary, "decision");
  const double temperature = json_number_value(json_object_get(decision, "temperature"));
  if (!json_is_object(decision)) return;
  if (json_is_true(json_object_get(decision, "calibrated"))) assay_text_print(text, "Scores: scaled by a temperature of %.3g, found on validation\n", temperature);
  else if (temperature > 1.25 || temperature < 0.8)
    assay_text_print(text, "Scores: too %s (a temperature of %.3g would fit them); [judge] calibration = temperature applies it\n", temperature > 1 ? "sure" : "unsure", temperature);
}

static void print_failures(const json_t *summary, struct assay_text *text) {
  const json_t *failures = json_object_get(summary, "failures");
  for (size_t i = 0; i < json_array_size(failures) && i < FAILURES_PRINTED; i++) {
    const json_t *failure = json_array_get(failures, i);
    assay_text_print(text, "  trial %lld failed: %s\n", integer_of(failure, "trial"), json_string_value(json_object_get(failure, "reason")));
  }
}

/* Who did what, where there is more to say than one name. */
static void print_devices(const json_t *summary, struct assay_text *text) {
  json_t *devices = json_object_get(summary, "devices"), *device;
  const char *name;
  const bool several = json_object_size(devices) > 1;
  json_object_foreach(devices, name, device) {
    const long long faults = integer_of(device, "faults");
    if (several) assay_text_print(text, "  %lld on %s, %.1f s\n", integer_of(device, "trials"), name, json_number_value(json_object_get(device, "seconds")));
    if (faults > 0)
      assay_text_print(text, "  %s failed %lld time%s%s: %s\n", name, faults, faults == 1 ? "" : "s",
                       json_is_true(json_object_get(device, "left_alone")) ? " and was left alone" : "", json_string_value(json_object_get(device, "last_fault")));
  }
  const size_t cut = json_object_size(json_object_get(summary, "pieces"));
  if (cut > 0) assay_text_print(text, "  %zu trial%s with batches cut into pieces, for want of memory\n", cut, cut == 1 ? "" : "s");
}

void assay_summary_print(const json_t *summary, struct assay_text *text) {
  const json_t *test = json_object_get(summary, "test"), *validation = json_object_get(summary, "validation"), *counts = json_object_get(summary, "counts");
  if (json_is_object(test)) {
    assay_text_print(text, "Test: %lld images that neither training nor search has seen\n\n", integer_of(test, "n"));
    assay_judgement_print(test, text);
    print_wrong(test, text);
  } else if (json_is_object(validation)) {
    assay_text_add(text, "No test images were held out, so nothing here says how well the model does on new images.\n");
  }
  if (json_is_object(validation)) {
    const long long images = integer_of(validation, "n"), judged = integer_of(validation, "judged"), repeats = integer_of(json_object_get(summary, "repeats"), "count");
    assay_text_print(text, "\nValidation: %lld images, each judged by a model that was not trained on it (optimistic: best of %lld)\n", images, integer_of(summary, "trials"));
    if (repeats > 1) assay_text_print(text, "  in %lld repeats with other splits: %lld judgements, all of them in what follows; intervals are of %lld images\n", repeats, judged, images);
    assay_text_add(text, "\n");
    assay_judgement_print(validation, text);
  }
  assay_text_add(text, text->length > 0 ? "\n" : "");
  print_best(summary, text);
  assay_comparison_print(json_object_get(summary, "comparison"), json_string_value(json_object_get(summary, "objective")), text);
  print_threshold(summary, text);
  print_calibration(summary, text);
  assay_judgement_print_target(json_object_get(summary, "target"), text);
  assay_repeats_print(json_object_get(summary, "repeats"), text);
  assay_verdict_print(json_object_get(summary, "verdict"), text);
  assay_text_print(text, "\n%lld trials: %lld complete, %lld pruned, %lld failed", integer_of(summary, "trials"), integer_of(counts, "complete"), integer_of(counts, "pruned"),
                   integer_of(counts, "failed"));
  if (integer_of(counts, "open") > 0) assay_text_print(text, ", %lld unfinished", integer_of(counts, "open"));
  assay_text_print(text, "; %.1f s of training\n", json_number_value(json_object_get(summary, "trial_seconds")));
  print_devices(summary, text);
  print_failures(summary, text);
  const char *model = json_string_value(json_object_get(summary, "model"));
  if (model != NULL) assay_text_print(text, "\nModel: %s\n", model);
}
