/* SPDX-License-Identifier: MIT
 *
 * The grammar of [judge]: a metric's name, a bound on it, or a number.
 */
#include "config/sections.h"

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

#include <string.h>

static char *trimmed(struct assay_arena *arena, const char *text, size_t length) {
  while (length > 0 && strchr(" \t", text[length - 1]) != NULL) length--;
  while (length > 0 && strchr(" \t", *text) != NULL) {
    text++;
    length--;
  }
  return assay_arena_copy_bytes(arena, text, length);
}

int assay_parse_rule(const char *text, struct assay_arena *arena, struct assay_judge_rule *rule, struct assay_status *status) {
  *rule = (struct assay_judge_rule){.kind = ASSAY_RULE_NONE};
  const char *whole = trimmed(arena, text, strlen(text)), *sign = strpbrk(text, "<>=");
  if (whole == NULL) return assay_status_memory(status);
  if (strcmp(whole, "auto") == 0 || strcmp(whole, "none") == 0) return 0;
  if (sign == NULL && assay_parse_real(whole, &rule->bound)) {
    rule->kind = ASSAY_RULE_FIXED;
    return 0;
  }
  rule->kind = sign == NULL ? ASSAY_RULE_BEST : sign[0] == '<' ? ASSAY_RULE_AT_MOST : ASSAY_RULE_AT_LEAST;
  const char *name = sign == NULL ? whole : trimmed(arena, text, (size_t)(sign - text));
  const char *bound = sign == NULL ? NULL : trimmed(arena, sign + 1, strlen(sign + 1));
  if (name == NULL || (sign != NULL && bound == NULL)) return assay_status_memory(status);
  rule->metric = name;
  const bool right =
      assay_is_name(name) && (sign == NULL || (sign[0] != '=' && bound[0] == '=' && assay_parse_real(bound + 1 + strspn(bound + 1, " \t"), &rule->bound)));
  return right ? 0 : assay_status_set(status, ASSAY_E_CONFIG, "\"%.60s\" is no rule: write a metric with a bound as recall >= 0.98, with >= or <=", text);
}
