/* SPDX-License-Identifier: MIT */
#include "config/ini.h"

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "config/ini_agreement.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Where the lexer is. */
struct lexer {
  struct assay_ini *ini;
  struct assay_arena *arena;
  struct assay_status *status;
  uint32_t line;
  uint32_t section_capacity, entry_capacity;
  const char *section; /* NULL before the first */
};

#define REFUSE(lexer, ...) refuse_line((lexer), __VA_ARGS__)
static int refuse_line(const struct lexer *lexer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse_line(const struct lexer *lexer, const char *format, ...) {
  char sentence[800];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  return assay_status_set(lexer->status, ASSAY_E_CONFIG, "%s:%u: %s", lexer->ini->name, lexer->line, sentence);
}

static void print_place(const struct assay_ini *ini, const struct assay_ini_entry *entry, char *place, size_t size) {
  if (entry->origin == ASSAY_ORIGIN_OVERRIDE) snprintf(place, size, "-s %s.%s", entry->section, entry->key);
  else snprintf(place, size, "%.180s:%u, [%s] %s", ini->name, entry->line, entry->section, entry->key);
}

int assay_ini_refuse(const struct assay_ini *ini, const struct assay_ini_entry *entry, struct assay_status *status, const char *format, ...) {
  char place[400], sentence[800];
  print_place(ini, entry, place, sizeof place);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  return assay_status_set(status, ASSAY_E_CONFIG, "%s: %s", place, sentence);
}

int assay_ini_blame(const struct assay_ini *ini, const struct assay_ini_entry *entry, struct assay_status *status) {
  char place[400];
  print_place(ini, entry, place, sizeof place);
  return status == NULL ? ASSAY_E_CONFIG : assay_status_set(status, status->code, "%s: %s", place, status->message);
}

struct assay_ini_section *assay_ini_find_section(const struct assay_ini *ini, const char *section) {
  for (uint32_t i = 0; i < ini->section_count; i++)
    if (strcmp(ini->sections[i].name, section) == 0) return &ini->sections[i];
  return NULL;
}

struct assay_ini_entry *assay_ini_find(const struct assay_ini *ini, const char *section, const char *key) {
  for (uint32_t i = 0; i < ini->entry_count; i++)
    if (strcmp(ini->entries[i].key, key) == 0 && strcmp(ini->entries[i].section, section) == 0) return &ini->entries[i];
  return NULL;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* [*start, *end) without blanks at either side. */
static void trim(const char **start, const char **end) {
  while (*start < *end && is_blank(**start)) ++*start;
  while (*end > *start && is_blank((*end)[-1])) --*end;
}

/* ---- Sections ---- */

static bool is_short_name(const char *name) { return assay_is_name(name) && strlen(name) <= ASSAY_INI_MOST_NAME; }

/* One to three names with dots between them. */
static bool is_section_name(const char *name) {
  char copy[3 * (ASSAY_INI_MOST_NAME + 1)];
  if (strlen(name) >= sizeof copy) return false;
  strcpy(copy, name);
  int parts = 0;
  for (char *rest = copy, *part; (part = strsep(&rest, ".")) != NULL; parts++)
    if (!is_short_name(part)) return false;
  return parts <= 3;
}

/* Doubling in an arena: what was there is copied, the old block is left to the arena. */
static void *grow(struct assay_arena *arena, void *array, uint32_t count, uint32_t *capacity, size_t size) {
  if (count < *capacity) return array;
  *capacity = *capacity == 0 ? 32 : *capacity * 2;
  void *larger = assay_arena_take(arena, *capacity, size);
  if (larger != NULL && count > 0) memcpy(larger, array, count * size);
  return larger;
}

static int add_section(struct lexer *lexer, const char *name) {
  struct assay_ini *ini = lexer->ini;
  if (ini->section_count >= ASSAY_INI_MOST_ENTRIES) return REFUSE(lexer, "more than %d sections; use fewer", ASSAY_INI_MOST_ENTRIES);
  ini->sections = grow(lexer->arena, ini->sections, ini->section_count, &lexer->section_capacity, sizeof *ini->sections);
  if (ini->sections == NULL) return assay_status_memory(lexer->status);
  ini->sections[ini->section_count++] = (struct assay_ini_section){.name = name, .line = lexer->line};
  return 0;
}

static int lex_section(struct lexer *lexer, const char *start, const char *end) {
  const char *close = memchr(start, ']', (size_t)(end - start));
  if (close == NULL) return REFUSE(lexer, "a section's name is not closed; end it with ]");
  if (close + 1 != end) return REFUSE(lexer, "text behind a section's name; put it, or the comment, on a line of its own");
  const char *name = assay_arena_copy_bytes(lexer->arena, start + 1, (size_t)(close - start - 1));
  if (name == NULL) return assay_status_memory(lexer->status);
  if (!is_section_name(name))
    return REFUSE(lexer, "[%.200s] cannot be a section: names are a-z, 0-9 and _, a letter first, at most %d bytes, with dots between at most three", name,
                  ASSAY_INI_MOST_NAME);
  const struct assay_ini_section *before = assay_ini_find_section(lexer->ini, name);
  if (before != NULL) return REFUSE(lexer, "section [%s] stands already in line %u; put its keys together", name, before->line);
  lexer->section = name;
  return add_section(lexer, name);
}

/* ---- Values ---- */

/* Has this ~ of the text a blank, or nothing, at either side? */
static bool starts_domain(const char *text, const char *tilde) {
  return (tilde == text || is_blank(tilde[-1])) && (is_blank(tilde[1]) || tilde[1] == '\0');
}

/* Splits `text` into value and domain where blank, ~, blank stands in it; a quoted text is not brought here. False with a reason. */
static const char *split_domain(struct assay_ini_entry *entry, struct assay_arena *arena) {
  entry->value = entry->text;
  entry->domain = NULL;
  const char *tilde = entry->text;
  while ((tilde = strchr(tilde, '~')) != NULL && !starts_domain(entry->text, tilde)) tilde++;
  if (tilde == NULL) return NULL;
  const char *start = entry->text, *end = tilde, *word = tilde + 1;
  trim(&start, &end);
  while (is_blank(*word)) word++;
  size_t length = 0;
  while (islower((unsigned char)word[length])) length++;
  if (length == 0 || word[length] != '(' || word[strlen(word) - 1] != ')')
    return "what follows ~ is no domain such as choice(a, b), int(1, 8), real(0, 1), log(0.001, 1) or logint(1, 64); put the value into quotes if the ~ "
           "belongs to it";
  if (start == end) return "a domain needs a default before the ~, as in 3 ~ choice(3, 5)";
  entry->value = assay_arena_copy_bytes(arena, start, (size_t)(end - start));
  entry->domain = word;
  return entry->value == NULL ? "out of memory" : NULL;
}

/* The value between the equal sign and the end of the line: its text, and whether it was quoted. */
static int lex_value(struct lexer *lexer, const char *start, const char *end, const char **text, bool *quoted) {
  trim(&start, &end);
  *quoted = start < end && (*start == '"' || *start == '\'');
  if (*quoted) {
    const char *close = memchr(start + 1, *start, (size_t)(end - start - 1));
    if (close == NULL) return REFUSE(lexer, "a quote is opened and not closed; close it, or put the value into the other kind of quotes");
    const char *rest = close + 1;
    while (rest < end && is_blank(*rest)) rest++;
    if (rest < end && *rest != ';' && *rest != '#')
      return REFUSE(lexer, "text behind the closing quote; quote the whole value (a value with a domain is not quoted)");
    start++;
    end = close;
  } else {
    for (const char *c = start; c < end; c++)
      if (*c == ';' || *c == '#') end = c;
    trim(&start, &end);
  }
  if (end - start > ASSAY_INI_MOST_VALUE) return REFUSE(lexer, "the value is longer than %d bytes; shorten it", ASSAY_INI_MOST_VALUE);
  *text = assay_arena_copy_bytes(lexer->arena, start, (size_t)(end - start));
  return *text == NULL ? assay_status_memory(lexer->status) : 0;
}

static int add_entry(struct lexer *lexer, const struct assay_ini_entry *entry) {
  struct assay_ini *ini = lexer->ini;
  if (ini->entry_count >= ASSAY_INI_MOST_ENTRIES) return REFUSE(lexer, "more than %d keys; use fewer", ASSAY_INI_MOST_ENTRIES);
  ini->entries = grow(lexer->arena, ini->entries, ini->entry_count, &lexer->entry_capacity, sizeof *ini->entries);
  if (ini->entries == NULL) return assay_status_memory(lexer->status);
  ini->entries[ini->entry_count++] = *entry;
  return 0;
}

static int lex_key(struct lexer *lexer, const char *start, const char *end) {
  const char *equal = memchr(start, '=', (size_t)(end - start));
  if (equal == NULL) return REFUSE(lexer, "neither a [section], nor key = value, nor a comment that begins with ; or #");
  const char *key_start = start, *key_end = equal;
  trim(&key_start, &key_end);
  struct assay_ini_entry entry = {.section = lexer->section, .origin = ASSAY_ORIGIN_FILE, .line = lexer->line};
  entry.key = assay_arena_copy_bytes(lexer->arena, key_start, (size_t)(key_end - key_start));
  if (entry.key == NULL) return assay_status_memory(lexer->status);
  if (!is_short_name(entry.key))
    return REFUSE(lexer, "\"%.100s\" cannot be a key: keys are a-z, 0-9 and _, a letter first, at most %d bytes", entry.key, ASSAY_INI_MOST_NAME);
  if (entry.section == NULL) return REFUSE(lexer, "the key %s stands before the first [section]; put it into one", entry.key);
  bool quoted;
  int code = lex_value(lexer, equal + 1, end, &entry.text, &quoted);
  if (code != 0) return code;
  const struct assay_ini_entry *before = assay_ini_find(lexer->ini, entry.section, entry.key);
  if (before != NULL) return assay_ini_refuse(lexer->ini, &entry, lexer->status, "stands already in line %u; remove one of the two", before->line);
  entry.value = entry.text;
  const char *reason = quoted ? NULL : split_domain(&entry, lexer->arena);
  if (reason != NULL) return assay_ini_refuse(lexer->ini, &entry, lexer->status, "%s", reason);
  return add_entry(lexer, &entry);
}

/* ---- Lines ---- */

/* UTF-8 without control characters but the tab. */
static bool is_clean(const char *start, const char *end) {
  char copy[ASSAY_INI_MOST_LINE + 1];
  const size_t length = (size_t)(end - start);
  memcpy(copy, start, length);
  copy[length] = '\0';
  for (size_t i = 0; i < length; i++)
    if (copy[i] == '\t') copy[i] = ' ';
  return strlen(copy) == length && assay_is_printable(copy);
}

static int lex_line(struct lexer *lexer, const char *start, const char *end) {
  if (end > start && end[-1] == '\r') end--;
  if (end - start > ASSAY_INI_MOST_LINE) return REFUSE(lexer, "the line is longer than %d bytes; shorten it", ASSAY_INI_MOST_LINE);
  if (memchr(start, '\0', (size_t)(end - start)) != NULL) return REFUSE(lexer, "a NUL byte; save the file as plain text in UTF-8");
  if (!is_clean(start, end)) return REFUSE(lexer, "a control character, or bytes that are not UTF-8; save the file as plain text in UTF-8");
  trim(&start, &end);
  if (start == end) return 0;
  if (end[-1] == '\\') return REFUSE(lexer, "a backslash at the end would join the next line to this one; remove it, or put the value into quotes");
  if (*start == ';' || *start == '#') return 0;
  return *start == '[' ? lex_section(lexer, start, end) : lex_key(lexer, start, end);
}

int assay_ini_parse(const char *name, const char *text, size_t size, struct assay_arena *arena, struct assay_ini *ini, struct assay_status *status) {
  *ini = (struct assay_ini){.name = assay_arena_copy(arena, name)};
  if (ini->name == NULL) return assay_status_memory(status);
  struct lexer lexer = {.ini = ini, .arena = arena, .status = status, .line = 1};
  if (size > ASSAY_INI_MOST_BYTES) return REFUSE(&lexer, "the file has more than a mebibyte; is it an INI file?");
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    return REFUSE(&lexer, "the file begins with a byte order mark; save it as UTF-8 without one");
  if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)) return REFUSE(&lexer, "the file is UTF-16; save it as UTF-8");
  for (const char *start = text, *end = text + size; start < end; lexer.line++) {
    const char *newline = memchr(start, '\n', (size_t)(end - start));
    const int code = lex_line(&lexer, start, newline != NULL ? newline : end);
    if (code != 0) return code;
    start = newline != NULL ? newline + 1 : end;
  }
  return assay_ini_agree(ini, text, size, status);
}

/* ---- Overrides ---- */

static int refuse_override(struct assay_status *status, const char *override, const char *reason) {
  return assay_status_set(status, ASSAY_E_CONFIG, "-s %.300s: %s", override, reason);
}

int assay_ini_override(struct assay_ini *ini, const char *override, struct assay_arena *arena, struct assay_status *status) {
  const char *equal = strchr(override, '=');
  if (equal == NULL) return refuse_override(status, override, "has no =; write -s section.key=value");
  const char *start = override, *end = equal;
  trim(&start, &end);
  char *section = assay_arena_copy_bytes(arena, start, (size_t)(end - start));
  if (section == NULL) return assay_status_memory(status);
  char *dot = strrchr(section, '.');
  if (dot == NULL) return refuse_override(status, override, "has no section; write -s section.key=value");
  *dot = '\0';
  struct assay_ini_entry entry = {.section = section, .key = dot + 1, .origin = ASSAY_ORIGIN_OVERRIDE};
  if (!is_section_name(section) || !is_short_name(entry.key))
    return refuse_override(status, override, "sections and keys are a-z, 0-9 and _; write -s section.key=value");

  const char *value = equal + 1, *value_end = value + strlen(value);
  trim(&value, &value_end);
  const size_t length = (size_t)(value_end - value);
  if (length > ASSAY_INI_MOST_VALUE) return refuse_override(status, override, "the value is too long");
  const bool quoted = length >= 2 && (*value == '"' || *value == '\'') && memchr(value + 1, *value, length - 1) == value_end - 1;
  entry.text = entry.value = assay_arena_copy_bytes(arena, value + quoted, length - 2 * quoted);
  if (entry.text == NULL) return assay_status_memory(status);
  if (!is_clean(entry.text, entry.text + strlen(entry.text))) return refuse_override(status, override, "the value is not UTF-8 text");
  const char *reason = quoted ? NULL : split_domain(&entry, arena);
  if (reason != NULL) return refuse_override(status, override, reason);
  if (entry.domain != NULL ? strpbrk(entry.text, ";#") != NULL : assay_ini_quote(entry.value, arena) == NULL)
    return refuse_override(status, override, "no INI file can hold this value (quotes of both kinds, or ; or # beside a domain)");

  struct assay_ini_entry *before = assay_ini_find(ini, entry.section, entry.key);
  if (before != NULL) {
    *before = entry;
    return 0;
  }
  struct lexer lexer = {.ini = ini, .arena = arena, .status = status, .section_capacity = ini->section_count, .entry_capacity = ini->entry_count};
  const int code = assay_ini_find_section(ini, section) == NULL ? add_section(&lexer, section) : 0;
  return code != 0 ? code : add_entry(&lexer, &entry);
}

/* ---- Writing ---- */

const char *assay_ini_quote(const char *value, struct assay_arena *arena) {
  const size_t length = strlen(value);
  if (length > ASSAY_INI_MOST_VALUE || !is_clean(value, value + length)) return NULL;
  bool needs = length == 0 || is_blank(value[0]) || is_blank(value[length - 1]) || value[0] == '"' || value[0] == '\'' || value[length - 1] == '\\' ||
               strpbrk(value, ";#") != NULL;
  for (const char *tilde = value; (tilde = strchr(tilde, '~')) != NULL; tilde++) needs = needs || starts_domain(value, tilde);
  if (!needs) return assay_arena_copy(arena, value);
  if (strchr(value, '"') == NULL) return assay_arena_print(arena, "\"%s\"", value);
  return strchr(value, '\'') == NULL ? assay_arena_print(arena, "'%s'", value) : NULL;
}
