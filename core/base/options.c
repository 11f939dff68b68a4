/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LONGEST_LIST = 256 }; /* elements of INTS and REALS; also bounds the names compared for a suggestion */

uint32_t assay_option_count(const struct assay_option *const *options) {
  uint32_t count = 0;
  while (options != NULL && options[count] != NULL) count++;
  return count;
}

int assay_option_index(const struct assay_option *const *options, const char *name) {
  for (int i = 0; options != NULL && options[i] != NULL; i++)
    if (strcmp(options[i]->name, name) == 0) return i;
  return -1;
}

const char *assay_option_nearest(const struct assay_option *const *options, const char *word) {
  const char *names[LONGEST_LIST + 1];
  uint32_t count = 0;
  for (; options != NULL && options[count] != NULL && count < LONGEST_LIST; count++) names[count] = options[count]->name;
  names[count] = NULL;
  return assay_nearest(word, names);
}

/* "a number", "whole numbers separated by commas, each", followed by the range as far as it is bounded. */
static void print_range(const struct assay_option *option, const char *what, struct assay_text *text) {
  char low[32], high[32];
  assay_print_real(option->minimum, low);
  assay_print_real(option->maximum, high);
  const bool below = option->minimum > -DBL_MAX, above = option->maximum < DBL_MAX;
  if (below && above) assay_text_print(text, "%s from %s to %s", what, low, high);
  else if (below) assay_text_print(text, "%s of at least %s", what, low);
  else if (above) assay_text_print(text, "%s of at most %s", what, high);
  else assay_text_add(text, what);
}

void assay_option_print_allowed(const struct assay_option *option, struct assay_text *text) {
  switch (option->type) {
  case ASSAY_OPTION_INT: print_range(option, "a whole number", text); break;
  case ASSAY_OPTION_REAL: print_range(option, "a number", text); break;
  case ASSAY_OPTION_BOOL: assay_text_add(text, "yes or no"); break;
  case ASSAY_OPTION_TEXT: assay_text_add(text, "text"); break;
  case ASSAY_OPTION_CHOICE:
    assay_text_add(text, "one of ");
    for (uint32_t i = 0; option->choices[i] != NULL; i++) assay_text_print(text, "%s%s", i > 0 ? ", " : "", option->choices[i]);
    break;
  case ASSAY_OPTION_INTS: print_range(option, "whole numbers with commas between them, each", text); break;
  case ASSAY_OPTION_REALS: print_range(option, "numbers with commas between them, each", text); break;
  default: break;
  }
}

static int refuse(const struct assay_option *option, const char *text, struct assay_status *status) {
  struct assay_text allowed = {0};
  assay_option_print_allowed(option, &allowed);
  const char *nearest = option->type == ASSAY_OPTION_CHOICE ? assay_nearest(text, option->choices) : NULL;
  const int code = assay_status_set(status, ASSAY_E_CONFIG, "%s cannot be \"%.120s\": it takes %s%s%s%s", option->name, text,
                                    allowed.data != NULL ? allowed.data : "something else", nearest != NULL ? "; did you mean \"" : "",
                                    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
  assay_text_release(&allowed);
  return code;
}

static bool in_range(const struct assay_option *option, double number) { return number >= option->minimum && number <= option->maximum; }

static bool parse_bool(const char *text, int64_t *integer) {
  *integer = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
  return *integer != 0 || strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
}

static bool parse_choice(const struct assay_option *option, const char *text, int64_t *integer) {
  for (int64_t i = 0; option->choices[i] != NULL; i++) {
    if (strcmp(option->choices[i], text) != 0) continue;
    *integer = i;
    return true;
  }
  return false;
}

/* Comma-separated numbers; blanks around each are nothing. An empty text is an empty list. */
static bool parse_list(const struct assay_option *option, const char *text, struct assay_arena *arena, struct assay_option_value *value) {
  char *copy = assay_arena_copy(arena, text);
  int64_t *integers = ASSAY_NEW_ARRAY(arena, int64_t, LONGEST_LIST);
  double *reals = ASSAY_NEW_ARRAY(arena, double, LONGEST_LIST);
  if (copy == NULL || integers == NULL || reals == NULL) return false;
  value->integers = integers;
  value->reals = reals;
  if (copy[strspn(copy, " \t")] == '\0') return true;
  for (char *element = copy; element != NULL; value->count++) {
    char *next = strchr(element, ',');
    if (next != NULL) *next++ = '\0';
    element += strspn(element, " \t");
    for (size_t length = strlen(element); length > 0 && strchr(" \t", element[length - 1]) != NULL; length--) element[length - 1] = '\0';
    if (value->count == LONGEST_LIST) return false;
    double *real = &reals[value->count];
    if (option->type == ASSAY_OPTION_INTS) {
      if (!assay_parse_integer(element, &integers[value->count])) return false;
      *real = (double)integers[value->count];
    } else if (!assay_parse_real(element, real)) {
      return false;
    }
    if (!in_range(option, *real)) return false;
    element = next;
  }
  return true;
}

int assay_option_parse(const struct assay_option *option, const char *text, struct assay_arena *arena, struct assay_option_value *value,
                       struct assay_status *status) {
  *value = (struct assay_option_value){.struct_size = sizeof *value, .runtime = {-1}};
  value->text = assay_arena_copy(arena, text);
  if (value->text == NULL) return assay_status_memory(status);
  bool good = false;
  switch (option->type) {
  case ASSAY_OPTION_INT:
    good = assay_parse_integer(text, &value->integer) && in_range(option, (double)value->integer);
    value->real = (double)value->integer;
    break;
  case ASSAY_OPTION_REAL: good = assay_parse_real(text, &value->real) && in_range(option, value->real); break;
  case ASSAY_OPTION_BOOL: good = parse_bool(text, &value->integer); break;
  case ASSAY_OPTION_TEXT: good = assay_is_printable(text); break;
  case ASSAY_OPTION_CHOICE: good = parse_choice(option, text, &value->integer); break;
  case ASSAY_OPTION_INTS:
  case ASSAY_OPTION_REALS: good = parse_list(option, text, arena, value); break;
  default: break;
  }
  return good ? 0 : refuse(option, text, status);
}

int assay_option_defaults(const struct assay_option *const *options, struct assay_arena *arena, const struct assay_option_value *const **values,
                          struct assay_status *status) {
  const uint32_t count = assay_option_count(options);
  const struct assay_option_value **pointers = ASSAY_NEW_ARRAY(arena, const struct assay_option_value *, count + 1);
  struct assay_option_value *storage = ASSAY_NEW_ARRAY(arena, struct assay_option_value, count + 1);
  if (pointers == NULL || storage == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < count; i++) {
    storage[i].struct_size = sizeof storage[i];
    storage[i].runtime.id = -1;
    pointers[i] = &storage[i];
    if (options[i]->default_text == NULL) continue;
    const int code = assay_option_parse(options[i], options[i]->default_text, arena, &storage[i], status);
    if (code != 0) return code;
  }
  *values = pointers;
  return 0;
}
