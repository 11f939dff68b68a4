/* SPDX-License-Identifier: MIT */
#include "config/weights_file.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "config/known_weights.h"
#include "graph/safetensors.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- The input ---- */

/* A text being read from left to right. */
static void skip_blanks(const char **at) { *at += strspn(*at, " \t"); }

static bool word(const char **at, const char *wanted) {
  skip_blanks(at);
  const size_t length = strlen(wanted);
  if (strncasecmp(*at, wanted, length) != 0 || (isalnum((unsigned char)wanted[length - 1]) && isalnum((unsigned char)(*at)[length]))) return false;
  *at += length;
  return true;
}

/* A plain decimal number of at most 24 characters. */
static bool number(const char **at, double *value) {
  char digits[25];
  skip_blanks(at);
  const size_t length = strspn(*at, "0123456789.");
  /* "0..1" is a range, not a number. */
  const char *dots = strstr(*at, "..");
  const size_t used = dots != NULL && (size_t)(dots - *at) < length ? (size_t)(dots - *at) : length;
  if (used == 0 || used >= sizeof digits) return false;
  memcpy(digits, *at, used);
  digits[used] = '\0';
  if (!assay_parse_real(digits, value)) return false;
  *at += used;
  return true;
}

/* One number, or three with commas between them. */
static bool triple(const char **at, double values[3]) {
  if (!number(at, &values[0])) return false;
  values[1] = values[2] = values[0];
  const char *behind = *at;
  double second, third;
  if (behind[0] != ',' || (behind++, !number(&behind, &second)) || behind[0] != ',' || (behind++, !number(&behind, &third))) return true;
  values[1] = second;
  values[2] = third;
  *at = behind;
  return true;
}

bool assay_weights_input(const char *text, struct assay_weights_facts *facts) {
  double low = 0, high = 255, factor = 0, shift = 0, mean[3] = {0}, deviation[3] = {1, 1, 1}, size = 0;
  bool ranged = false;
  for (const char *at = text;;) {
    if (word(&at, "RGB")) {
    } else if (word(&at, "-1..1")) {
      low = -1, high = 1, ranged = true;
    } else if (word(&at, "0..255")) {
      low = 0, high = 255, ranged = true;
    } else if (word(&at, "0..1")) {
      low = 0, high = 1, ranged = true;
    } else if (word(&at, "value/")) {
      if (!number(&at, &factor) || factor <= 0) return false;
      if (word(&at, "-") && !number(&at, &shift)) return false;
      ranged = true;
    } else if (word(&at, "minus mean")) {
      if (!triple(&at, mean)) return false;
    } else if (word(&at, "over std")) {
      if (!triple(&at, deviation)) return false;
    } else if (word(&at, "size")) {
      if (!number(&at, &size) || size < 1 || size > 65535) return false;
    } else {
      return false;
    }
    skip_blanks(&at);
    if (*at == '\0') break;
    if (*at++ != ',') return false;
  }
  if (!ranged) return false;
  const double scale = factor > 0 ? 1 / factor : (high - low) / 255; /* value = pixel * scale + offset */
  const double offset = factor > 0 ? -shift : low;
  for (int c = 0; c < 3; c++) {
    if (deviation[c] <= 0) return false;
    facts->mean[c] = (mean[c] - offset) / scale;
    facts->deviation[c] = deviation[c] / scale;
  }
  facts->size = (uint32_t)size;
  return true;
}

/* ---- Classes ---- */

/* Names with blanks between; a sentence about the classes ("1000 ImageNet classes in the usual order") is none. */
static int read_classes(const char *text, struct assay_arena *arena, struct assay_weights_facts *facts, struct assay_status *status) {
  uint32_t most = 1;
  for (const char *c = text; *c != '\0'; c++) most += *c == ' ';
  const char **classes = ASSAY_NEW_ARRAY(arena, const char *, most);
  char *copy = assay_arena_copy(arena, text);
  if (classes == NULL || copy == NULL) return assay_status_memory(status);
  uint32_t count = 0;
  for (char *name; (name = strsep(&copy, " ")) != NULL;)
    if (*name != '\0') classes[count++] = name;
  char *end;
  if (count < 2 || (strtoul(classes[0], &end, 10) > 0 && *end == '\0')) return 0;
  facts->classes = classes;
  facts->class_count = count;
  return 0;
}

int assay_weights_facts(const char *path, const struct assay_safetensors *file, struct assay_arena *arena, struct assay_weights_facts *facts,
                        struct assay_status *status) {
  *facts = (struct assay_weights_facts){.has_epsilon = false};
  const char *epsilon = assay_safetensors_find(file, "batch_norm_eps"), *input = assay_safetensors_find(file, "input"), *classes = assay_safetensors_find(file, "classes");
  double value;
  if (epsilon != NULL && assay_parse_real(epsilon, &value) && value > 0) {
    facts->has_epsilon = true;
    facts->epsilon = value;
  }
  const struct assay_known_weights *known = assay_known_weights_file(path);
  if (input == NULL && known != NULL) input = known->input;
  if (input != NULL) {
    facts->input_text = assay_arena_copy(arena, input);
    if (facts->input_text == NULL) return assay_status_memory(status);
    facts->has_input = assay_weights_input(input, facts);
  }
  return classes == NULL ? 0 : read_classes(classes, arena, facts, status);
}
