/* SPDX-License-Identifier: MIT
 *
 * The search space in the file: as Optuna's distributions, one JSON text a parameter, and whole, so that a study can be read without its INI file.
 */
#include "study/parts.h"

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Optuna's distributions ---- */

/* A real the way Python prints it: shortest digits that read back, always with a point or an exponent. */
static void print_python_real(struct assay_text *text, double real) {
  char shortest[32], digits[40];
  assay_print_real(real, shortest);
  if (!isfinite(real)) {
    assay_text_add(text, shortest);
    return;
  }
  int precision = 0; /* significant digits of the shortest form */
  bool leading = true;
  for (const char *p = shortest; *p != '\0' && *p != 'e'; p++) {
    if (*p < '0' || *p > '9') continue;
    if (*p != '0') leading = false;
    if (!leading) precision++;
  }
  const int exponent = real == 0 ? 0 : (int)floor(log10(fabs(real)));
  if (real != 0 && (exponent < -4 || exponent >= 16)) {
    snprintf(digits, sizeof digits, "%.*e", precision > 0 ? precision - 1 : 0, real);
    for (char *p = digits; *p != '\0'; p++)
      if (*p == ',') *p = '.'; /* whatever the locale's mark */
    assay_text_add(text, digits);
  } else if (strchr(shortest, 'e') != NULL) { /* 1e+05 */
    assay_text_print(text, "%lld", (long long)real);
    if (fabs(real) >= 1) assay_text_add(text, ".0");
  } else {
    assay_text_add(text, shortest);
    if (strchr(shortest, '.') == NULL) assay_text_add(text, ".0");
  }
}

static void print_json_string(struct assay_text *text, const char *string) {
  json_t *value = json_string(string);
  char *printed = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
  if (printed == NULL) text->failed = true;
  else assay_text_add(text, printed);
  free(printed);
  json_decref(value);
}

/* May the choices stand as numbers? All of those that look so must be different as numbers too. */
static bool choices_have_clear_numbers(const char *const *texts, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t j = 0; j < i; j++) {
      double a, b;
      if (assay_parse_real(texts[i], &a) && assay_parse_real(texts[j], &b) && a == b) return false;
    }
  return true;
}

static void print_choice(struct assay_text *text, const char *choice, bool numbers) {
  int64_t integer;
  double real;
  if (numbers && assay_parse_integer(choice, &integer)) assay_text_print(text, "%lld", (long long)integer);
  else if (numbers && assay_parse_real(choice, &real)) print_python_real(text, real);
  else print_json_string(text, choice);
}

/* The key order and the blanks are Optuna's: the same parameter must have the same text in every trial. */
static void print_distribution(struct assay_text *text, const struct assay_dimension *axis, const char *const *choices) {
  const char *logarithmic = axis->logarithmic ? "true" : "false";
  if (axis->kind == ASSAY_DOMAIN_CHOICE) {
    const bool numbers = choices_have_clear_numbers(choices, axis->choice_count);
    assay_text_add(text, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [");
    for (uint32_t i = 0; i < axis->choice_count; i++) {
      if (i > 0) assay_text_add(text, ", ");
      print_choice(text, choices[i], numbers);
    }
    assay_text_add(text, "]}}");
  } else if (axis->kind == ASSAY_DOMAIN_INT) {
    const double step = axis->step >= 1 ? axis->step : 1, high = axis->low + floor((axis->high - axis->low) / step) * step;
    assay_text_print(text, "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": %s, \"step\": %lld, \"low\": %lld, \"high\": %lld}}", logarithmic,
                     axis->logarithmic ? 1LL : (long long)step, (long long)axis->low, (long long)high);
  } else {
    const bool stepped = axis->step > 0 && !axis->logarithmic;
    assay_text_add(text, "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": ");
    if (stepped) print_python_real(text, axis->step);
    else assay_text_add(text, "null");
    assay_text_add(text, ", \"low\": ");
    print_python_real(text, axis->low);
    assay_text_add(text, ", \"high\": ");
    print_python_real(text, stepped ? axis->low + floor((axis->high - axis->low) / axis->step + 1e-9) * axis->step : axis->high);
    assay_text_print(text, ", \"log\": %s}}", logarithmic);
  }
}

/* ---- the handle's copy ---- */

struct draft {
  struct assay_dimension *axes;
  const struct assay_dimension **pointers;
  const char *const **choices;
  const char **distributions;
};

static bool draft_begin(struct assay_study *study, uint32_t count, struct draft *draft) {
  struct assay_arena *arena = study->arena;
  struct assay_space *space = ASSAY_NEW(arena, struct assay_space);
  *draft = (struct draft){ASSAY_NEW_ARRAY(arena, struct assay_dimension, count), ASSAY_NEW_ARRAY(arena, const struct assay_dimension *, count),
                          ASSAY_NEW_ARRAY(arena, const char *const *, count), ASSAY_NEW_ARRAY(arena, const char *, count)};
  if (space == NULL || draft->axes == NULL || draft->pointers == NULL || draft->choices == NULL || draft->distributions == NULL) return false;
  *space = (struct assay_space){sizeof *space, count, draft->pointers};
  for (uint32_t i = 0; i < count; i++) draft->pointers[i] = &draft->axes[i];
  study->space = space;
  study->choices = draft->choices;
  study->distributions = draft->distributions;
  return true;
}

static bool draft_end(struct assay_study *study, struct draft *draft) {
  for (uint32_t i = 0; i < study->space->dimension_count; i++) {
    struct assay_text text = {0};
    print_distribution(&text, &draft->axes[i], draft->choices[i]);
    if (!text.failed) draft->distributions[i] = assay_arena_copy(study->arena, text.data);
    assay_text_release(&text);
    if (draft->distributions[i] == NULL) return false;
  }
  return true;
}

int assay_axes_adopt(struct assay_study *study, const struct assay_study_facts *facts, struct assay_status *status) {
  struct assay_arena *arena = study->arena;
  struct draft draft;
  if (!draft_begin(study, facts->space->dimension_count, &draft)) return assay_status_memory(status);
  for (uint32_t i = 0; i < facts->space->dimension_count; i++) {
    draft.axes[i] = *facts->space->dimensions[i];
    draft.axes[i].struct_size = sizeof draft.axes[i];
    draft.axes[i].name = assay_arena_copy(arena, facts->space->dimensions[i]->name);
    if (draft.axes[i].name == NULL) return assay_status_memory(status);
    if (draft.axes[i].kind != ASSAY_DOMAIN_CHOICE) continue;
    const char **texts = ASSAY_NEW_ARRAY(arena, const char *, draft.axes[i].choice_count);
    if (texts == NULL) return assay_status_memory(status);
    for (uint32_t j = 0; j < draft.axes[i].choice_count; j++) {
      texts[j] = assay_arena_copy(arena, facts->choice_text(facts->context, i, j));
      if (texts[j] == NULL) return assay_status_memory(status);
    }
    draft.choices[i] = texts;
  }
  return draft_end(study, &draft) ? 0 : assay_status_memory(status);
}

/* ---- the whole space as JSON ---- */

static json_t *axis_to_json(const struct assay_study *study, uint32_t number) {
  const struct assay_dimension *axis = study->space->dimensions[number];
  const bool ranged = axis->kind != ASSAY_DOMAIN_CHOICE;
  json_t *choices = json_array();
  for (uint32_t i = 0; !ranged && i < axis->choice_count; i++) json_array_append_new(choices, json_string(study->choices[number][i]));
  return json_pack("{s:s, s:i, s:f, s:f, s:f, s:b, s:o, s:f, s:i, s:i}", "name", axis->name, "kind", (int)axis->kind, "low", ranged ? axis->low : 0, "high",
                   ranged ? axis->high : 0, "step", ranged ? axis->step : 0, "log", axis->logarithmic != 0, "choices", choices, "default", axis->default_value,
                   "parent", (int)axis->parent, "parent_choice", (int)axis->parent_choice);
}

static json_t *axes_to_json(const struct assay_study *study) {
  json_t *axes = json_array();
  for (uint32_t i = 0; axes != NULL && i < study->space->dimension_count; i++) {
    if (json_array_append_new(axes, axis_to_json(study, i)) == 0) continue;
    json_decref(axes);
    axes = NULL;
  }
  return axes;
}

char *assay_axes_print(const struct assay_study *study) {
  json_t *axes = axes_to_json(study);
  char *text = axes == NULL ? NULL : json_dumps(axes, 0);
  json_decref(axes);
  return text;
}

static int axes_from_json(struct assay_study *study, const json_t *axes, struct assay_status *status) {
  struct draft draft;
  if (!draft_begin(study, (uint32_t)json_array_size(axes), &draft)) return assay_status_memory(status);
  for (uint32_t i = 0; i < study->space->dimension_count; i++) {
    struct assay_dimension *axis = &draft.axes[i];
    const char *name;
    json_t *choices;
    int kind, logarithmic, parent, parent_choice;
    if (json_unpack(json_array_get(axes, i), "{s:s, s:i, s:F, s:F, s:F, s:b, s:o, s:F, s:i, s:i}", "name", &name, "kind", &kind, "low", &axis->low, "high",
                    &axis->high, "step", &axis->step, "log", &logarithmic, "choices", &choices, "default", &axis->default_value, "parent", &parent,
                    "parent_choice", &parent_choice) != 0 ||
        kind < ASSAY_DOMAIN_CHOICE || kind > ASSAY_DOMAIN_REAL || parent < -1 || parent >= (int)i || parent_choice < 0 ||
        json_array_size(choices) > UINT32_MAX || (kind == ASSAY_DOMAIN_CHOICE && json_array_size(choices) == 0))
      return assay_status_set(status, ASSAY_E_STORAGE, "%s: the stored search space cannot be understood at axis %u", study->database.path, i);
    axis->struct_size = sizeof *axis;
    axis->kind = (uint32_t)kind;
    axis->logarithmic = logarithmic != 0;
    axis->choice_count = (uint32_t)json_array_size(choices);
    axis->parent = parent;
    axis->parent_choice = (uint32_t)parent_choice;
    axis->name = assay_arena_copy(study->arena, name);
    const char **texts = ASSAY_NEW_ARRAY(study->arena, const char *, axis->choice_count);
    if (axis->name == NULL || texts == NULL) return assay_status_memory(status);
    for (uint32_t j = 0; j < axis->choice_count; j++) {
      const char *text = json_string_value(json_array_get(choices, j));
      texts[j] = assay_arena_copy(study->arena, text == NULL ? "" : text);
      if (texts[j] == NULL) return assay_status_memory(status);
    }
    draft.choices[i] = texts;
  }
  return draft_end(study, &draft) ? 0 : assay_status_memory(status);
}

static json_t *parse_array(const struct assay_study *study, const char *text, int *result, struct assay_status *status) {
  json_error_t error;
  json_t *axes = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
  *result = 0;
  if (json_is_array(axes)) return axes;
  json_decref(axes);
  *result = assay_status_set(status, ASSAY_E_STORAGE, "%s: the stored search space cannot be understood", study->database.path);
  return NULL;
}

int assay_axes_parse(struct assay_study *study, const char *text, struct assay_status *status) {
  int result;
  json_t *axes = parse_array(study, text, &result, status);
  if (axes != NULL) result = axes_from_json(study, axes, status);
  json_decref(axes);
  return result;
}

int assay_axes_compare(const struct assay_study *study, const char *text, struct assay_status *status) {
  int result;
  json_t *before = parse_array(study, text, &result, status), *now = before == NULL ? NULL : axes_to_json(study);
  if (before != NULL && now == NULL) result = assay_status_memory(status);
  const size_t count = json_array_size(now) > json_array_size(before) ? json_array_size(now) : json_array_size(before);
  for (size_t i = 0; result == 0 && i < count; i++) {
    const json_t *a = json_array_get(before, i), *b = json_array_get(now, i);
    if (json_equal(a, b)) continue;
    const char *name = json_string_value(json_object_get(b != NULL ? b : a, "name"));
    result = assay_status_set(status, ASSAY_E_CONFIG,
                              "%s: the study was made for another search space: %s %s; continue it with the configuration it was "
                              "started with, or start a new run",
                              study->database.path, name == NULL ? "an axis" : name,
                              a == NULL   ? "is new"
                              : b == NULL ? "is no longer searched"
                                          : "differs");
  }
  json_decref(before);
  json_decref(now);
  return result;
}

/* ---- axes and points ---- */

bool assay_axis_active(const struct assay_space *space, uint32_t axis, const double *point) {
  const struct assay_dimension *dimension = space->dimensions[axis];
  return dimension->parent < 0 || point[dimension->parent] == dimension->parent_choice; /* an inactive parent is NaN */
}

bool assay_axis_holds(const struct assay_dimension *axis, double number) {
  if (axis->kind == ASSAY_DOMAIN_CHOICE) return number >= 0 && number < axis->choice_count && number == floor(number);
  if (!(number >= axis->low && number <= axis->high)) return false;
  if (axis->kind == ASSAY_DOMAIN_INT && number != floor(number)) return false;
  if (axis->step <= 0) return true;
  const double steps = (number - axis->low) / axis->step;
  return fabs(steps - nearbyint(steps)) < 1e-6;
}

int32_t assay_axis_by_name(const struct assay_study *study, const char *name) {
  for (uint32_t i = 0; i < study->space->dimension_count; i++)
    if (strcmp(study->space->dimensions[i]->name, name) == 0) return (int32_t)i;
  return -1;
}

bool assay_axis_from_json(const struct assay_study *study, uint32_t axis, const json_t *value, double *number) {
  const struct assay_dimension *dimension = study->space->dimensions[axis];
  if (dimension->kind != ASSAY_DOMAIN_CHOICE) {
    if (!json_is_number(value)) return false;
    *number = json_number_value(value);
    return assay_axis_holds(dimension, *number);
  }
  for (uint32_t i = 0; i < dimension->choice_count; i++) {
    const char *text = study->choices[axis][i];
    double real;
    if (json_is_string(value) ? strcmp(text, json_string_value(value)) == 0
                              : json_is_number(value) && assay_parse_real(text, &real) && real == json_number_value(value)) {
      *number = i;
      return true;
    }
  }
  return false;
}

const char *assay_study_value_text(const struct assay_study *study, uint32_t dimension, double number, struct assay_arena *arena) {
  const struct assay_dimension *axis = study->space->dimensions[dimension];
  if (axis->kind == ASSAY_DOMAIN_CHOICE)
    return assay_axis_holds(axis, number) ? assay_arena_copy(arena, study->choices[dimension][(uint32_t)number]) : assay_arena_copy(arena, "");
  char text[32];
  if (axis->kind == ASSAY_DOMAIN_INT && fabs(number) < 1e15) snprintf(text, sizeof text, "%lld", (long long)number);
  else assay_print_real(number, text);
  return assay_arena_copy(arena, text);
}
