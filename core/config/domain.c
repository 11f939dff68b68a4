/* SPDX-License-Identifier: MIT */
#include "config/domain.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

enum { MOST_ELEMENTS = 256 };

#define REFUSE(...) assay_status_set(status, ASSAY_E_CONFIG, __VA_ARGS__)

struct form {
  const char *word;
  uint32_t kind;
  bool logarithmic, steps;
  const char *pattern;
};

static const struct form forms[] = {
    {"choice", ASSAY_DOMAIN_CHOICE, false, false, "choice(a, b, …)"},
    {"int", ASSAY_DOMAIN_INT, false, true, "int(lowest, highest) or int(lowest, highest, step)"},
    {"real", ASSAY_DOMAIN_REAL, false, true, "real(lowest, highest) or real(lowest, highest, step)"},
    {"log", ASSAY_DOMAIN_REAL, true, false, "log(lowest, highest)"},
    {"logint", ASSAY_DOMAIN_INT, true, false, "logint(lowest, highest)"},
};
static const char *const words[] = {"choice", "int", "real", "log", "logint", NULL};

/* Splits what stands between the brackets at commas outside of quotes; takes blanks and quotes off each element. */
static int split(char *inside, const char **elements, uint32_t *count, struct assay_status *status) {
  *count = 0;
  for (char *rest = inside; rest != NULL; ++*count) {
    if (*count == MOST_ELEMENTS) return REFUSE("the domain has more than %d elements; use int, real or log", MOST_ELEMENTS);
    rest += strspn(rest, " \t");
    char *element = rest;
    const char quote = *element;
    if (quote == '"' || quote == '\'') {
      char *close = strchr(++element, quote);
      if (close == NULL) return REFUSE("a quote in the domain is not closed; close it");
      *close = '\0';
      rest = close + 1 + strspn(close + 1, " \t");
      if (*rest != ',' && *rest != '\0') return REFUSE("text behind a closing quote in the domain; put a comma there");
      rest = *rest == ',' ? rest + 1 : NULL;
    } else {
      rest = strchr(element, ',');
      if (rest != NULL) *rest++ = '\0';
      for (size_t length = strlen(element); length > 0 && strchr(" \t", element[length - 1]) != NULL; length--) element[length - 1] = '\0';
      if (strpbrk(element, "()\"'") != NULL) return REFUSE("\"%.60s\" in the domain holds a bracket or a quote; put it into quotes", element);
    }
    if (*element == '\0') return REFUSE("the domain has an empty element; write it as choice(a, b)");
    elements[*count] = element;
  }
  return 0;
}

static int parse_bounds(const struct form *form, const char *const *elements, uint32_t count, struct assay_domain *domain, struct assay_status *status) {
  if (count < 2 || count > (form->steps ? 3u : 2u)) return REFUSE("the domain %s takes another number of values: write %s", form->word, form->pattern);
  double numbers[3] = {0, 0, form->kind == ASSAY_DOMAIN_INT ? 1 : 0};
  for (uint32_t i = 0; i < count; i++) {
    int64_t integer;
    if (form->kind == ASSAY_DOMAIN_INT) {
      if (!assay_parse_integer(elements[i], &integer) || integer > (INT64_C(1) << 53) || integer < -(INT64_C(1) << 53))
        return REFUSE("\"%.60s\" in the domain is no whole number; write %s", elements[i], form->pattern);
      numbers[i] = (double)integer;
    } else if (!assay_parse_real(elements[i], &numbers[i])) {
      return REFUSE("\"%.60s\" in the domain is no number; write %s", elements[i], form->pattern);
    }
  }
  domain->low = numbers[0];
  domain->high = numbers[1];
  domain->step = numbers[2];
  if (!(domain->low < domain->high)) return REFUSE("the domain's lowest value %s is not below its highest, %s", elements[0], elements[1]);
  if (!isfinite(domain->high - domain->low)) return REFUSE("the domain from %s to %s is too wide", elements[0], elements[1]);
  if (form->logarithmic && domain->low <= 0) return REFUSE("a logarithmic domain must begin above 0, and this one begins at %s", elements[0]);
  if (count == 3 && !(domain->step > 0 && domain->step <= domain->high - domain->low))
    return REFUSE("the domain's step %s must be above 0 and no more than what lies between its ends", elements[2]);
  return 0;
}

int assay_domain_parse(const char *text, struct assay_arena *arena, struct assay_domain **domain, struct assay_status *status) {
  char *copy = assay_arena_copy(arena, text);
  const char **elements = ASSAY_NEW_ARRAY(arena, const char *, MOST_ELEMENTS + 1);
  struct assay_domain *made = ASSAY_NEW(arena, struct assay_domain);
  if (copy == NULL || elements == NULL || made == NULL) return assay_status_memory(status);
  const size_t length = strlen(copy);
  char *open = strchr(copy, '(');
  if (open == NULL || copy[length - 1] != ')') return REFUSE("\"%.100s\" is no domain; write one as choice(a, b)", text);
  copy[length - 1] = *open = '\0';
  const struct form *form = NULL;
  for (uint32_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
    if (strcmp(forms[i].word, copy) == 0) form = &forms[i];
  if (form == NULL) {
    const char *nearest = assay_nearest(copy, words);
    return REFUSE("there is no domain \"%.60s\"%s%s%s; there are choice, int, real, log and logint", copy, nearest != NULL ? "; did you mean \"" : "",
                  nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
  }
  uint32_t count;
  int code = split(open + 1, elements, &count, status);
  if (code != 0) return code;
  made->kind = form->kind;
  made->logarithmic = form->logarithmic;
  if (form->kind == ASSAY_DOMAIN_CHOICE) {
    made->choice_count = count;
    made->choices = elements;
    for (uint32_t i = 0; i < count; i++)
      for (uint32_t other = 0; other < i; other++)
        if (strcmp(elements[i], elements[other]) == 0) return REFUSE("\"%.60s\" stands twice in the domain; remove one", elements[i]);
  } else {
    code = parse_bounds(form, elements, count, made, status);
  }
  *domain = made;
  return code;
}

/* Do two texts mean the same to the option ("0.1" and "0.10")? */
static bool same_value(const struct assay_option *option, const char *a, const char *b, struct assay_arena *arena) {
  struct assay_option_value first, second;
  if (strcmp(a, b) == 0) return true;
  if (assay_option_parse(option, a, arena, &first, NULL) != 0 || assay_option_parse(option, b, arena, &second, NULL) != 0) return false;
  if (option->type == ASSAY_OPTION_TEXT) return false;
  if (first.integer != second.integer || first.real != second.real || first.count != second.count) return false;
  for (uint32_t i = 0; i < first.count; i++)
    if (first.reals[i] != second.reals[i]) return false;
  return true;
}

static int fit_choice(const struct assay_domain *domain, const struct assay_option *option, const char *value, double *number, struct assay_arena *arena,
                      struct assay_status *status) {
  uint32_t found = domain->choice_count;
  for (uint32_t i = 0; i < domain->choice_count; i++) {
    struct assay_option_value parsed;
    const int code = assay_option_parse(option, domain->choices[i], arena, &parsed, status);
    if (code != 0) return status == NULL ? code : assay_status_prefix(status, "in the domain");
    for (uint32_t other = 0; other < i; other++)
      if (same_value(option, domain->choices[i], domain->choices[other], arena))
        return REFUSE("%s and %s in the domain are the same value; remove one", domain->choices[other], domain->choices[i]);
    if (same_value(option, value, domain->choices[i], arena)) found = i;
  }
  *number = found;
  return found < domain->choice_count ? 0 : REFUSE("the default %s is not among the choices; add it, or choose another default", value);
}

static int fit_bounds(const struct assay_domain *domain, const struct assay_option *option, const char *value, double *number, struct assay_arena *arena,
                      struct assay_status *status) {
  if (option->type != ASSAY_OPTION_REAL && option->type != ASSAY_OPTION_INT) return REFUSE("%s is no number; its domain must be a choice(…)", option->name);
  if (option->type == ASSAY_OPTION_INT && domain->kind != ASSAY_DOMAIN_INT)
    return REFUSE("%s is a whole number; its domain must be int(…), logint(…) or choice(…)", option->name);
  if (domain->low < option->minimum || domain->high > option->maximum) {
    struct assay_text allowed = {0};
    assay_option_print_allowed(option, &allowed);
    const int code = REFUSE("the domain leaves the range of %s, which is %s; narrow it", option->name, allowed.data != NULL ? allowed.data : "smaller");
    assay_text_release(&allowed);
    return code;
  }
  struct assay_option_value parsed;
  const int code = assay_option_parse(option, value, arena, &parsed, status);
  if (code != 0) return code;
  *number = parsed.real;
  if (parsed.real < domain->low || parsed.real > domain->high) return REFUSE("the default %s is outside of its domain; widen the domain or move the default", value);
  const double steps = domain->step > 0 ? (parsed.real - domain->low) / domain->step : 0;
  if (fabs(steps - round(steps)) > 1e-6) return REFUSE("the default %s lies between the steps of its domain; move it, or change the step", value);
  return 0;
}

int assay_domain_fit(const struct assay_domain *domain, const struct assay_option *option, const char *value, double *number, struct assay_status *status) {
  if ((option->flags & ASSAY_OPTION_SEARCHABLE) == 0) return REFUSE("%s cannot be searched; remove the ~ and what follows", option->name);
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  const int code = domain->kind == ASSAY_DOMAIN_CHOICE ? fit_choice(domain, option, value, number, arena, status)
                                                       : fit_bounds(domain, option, value, number, arena, status);
  assay_arena_release(arena);
  return code;
}

const char *assay_domain_text(const struct assay_domain *domain, double number, struct assay_arena *arena) {
  if (domain->kind == ASSAY_DOMAIN_CHOICE) {
    const double last = (double)domain->choice_count - 1;
    return domain->choices[(uint32_t)(number > 0 ? number < last ? number + 0.5 : last : 0)];
  }
  if (domain->kind == ASSAY_DOMAIN_INT) number = round(number);
  number = number < domain->low ? domain->low : number > domain->high ? domain->high : number;
  char buffer[32];
  if (domain->kind == ASSAY_DOMAIN_INT) return assay_arena_print(arena, "%lld", (long long)number);
  assay_print_real(number, buffer);
  return assay_arena_copy(arena, buffer);
}

void assay_domain_print(const struct assay_domain *domain, struct assay_text *text) {
  if (domain->kind == ASSAY_DOMAIN_CHOICE) {
    assay_text_add(text, "choice(");
    for (uint32_t i = 0; i < domain->choice_count; i++) {
      const char *choice = domain->choices[i];
      const bool inside_double = strpbrk(choice, ",()' \t") != NULL && strchr(choice, '"') == NULL;
      const char *quote = inside_double ? "\"" : strpbrk(choice, ",()\" \t") != NULL ? "'" : "";
      assay_text_print(text, "%s%s%s%s", i > 0 ? ", " : "", quote, choice, quote);
    }
  } else {
    char low[32], high[32], step[32];
    assay_print_real(domain->low, low);
    assay_print_real(domain->high, high);
    assay_print_real(domain->step, step);
    const bool whole = domain->kind == ASSAY_DOMAIN_INT;
    const char *word = whole ? domain->logarithmic ? "logint" : "int" : domain->logarithmic ? "log" : "real";
    if (whole) assay_text_print(text, "%s(%lld, %lld", word, (long long)domain->low, (long long)domain->high);
    else assay_text_print(text, "%s(%s, %s", word, low, high);
    if (whole && domain->step != 1) assay_text_print(text, ", %lld", (long long)domain->step);
    else if (!whole && domain->step > 0) assay_text_print(text, ", %s", step);
  }
  assay_text_add(text, ")");
}
