/* SPDX-License-Identifier: MIT
 *
 * INI text as it was written: sections, keys, values and their domains, each with its line. Two readers must agree on every byte: our lexer, which
 * knows lines and refuses whatever is read differently elsewhere, and iniparser, whose reading is the one that other tools have.
 */
#ifndef ASSAY_CONFIG_INI_H
#define ASSAY_CONFIG_INI_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;

enum assay_origin {
  ASSAY_ORIGIN_DEFAULT = 0,
  ASSAY_ORIGIN_FILE = 1,
  ASSAY_ORIGIN_OVERRIDE = 2,
  ASSAY_ORIGIN_WEIGHTS = 3, /* said by the file of [network] weights */
  ASSAY_ORIGIN_NETWORK = 4  /* a default that goes by the layers */
};

struct assay_ini_entry {
  const char *section, *key;
  const char *text;   /* the whole value without quotes, as iniparser gives it */
  const char *value;  /* without the domain */
  const char *domain; /* "choice(2, 3)"; NULL: none */
  uint32_t origin;    /* FILE or OVERRIDE */
  uint32_t line;      /* from 1; 0 for an override */
  bool used;          /* somebody knows this key */
};

struct assay_ini_section {
  const char *name;
  uint32_t line; /* 0: an override made it */
  bool used;     /* somebody knows this section */
};

struct assay_ini {
  const char *name; /* of the file, for messages */
  uint32_t section_count, entry_count;
  struct assay_ini_section *sections;
  struct assay_ini_entry *entries;
};

/* Bytes of the largest file, line (iniparser stops at 1,023), value (so that a key and quotes always fit beside it) and name. */
enum {
  ASSAY_INI_MOST_BYTES = 1 << 20,
  ASSAY_INI_MOST_LINE = 1000,
  ASSAY_INI_MOST_VALUE = 900,
  ASSAY_INI_MOST_NAME = 60,
  ASSAY_INI_MOST_ENTRIES = 4000 /* sections, and keys */
};

/* Any bytes. On failure ASSAY_E_CONFIG with file, line and what to do. Everything lives in the arena. */
int assay_ini_parse(const char *name, const char *text, size_t size, struct assay_arena *arena, struct assay_ini *ini, struct assay_status *status);
/* "section.key=value": replaces the value of the file together with its domain, or adds it. The value may be quoted and may have a domain. */
int assay_ini_override(struct assay_ini *ini, const char *override, struct assay_arena *arena, struct assay_status *status);

struct assay_ini_section *assay_ini_find_section(const struct assay_ini *ini, const char *section);              /* NULL */
struct assay_ini_entry *assay_ini_find(const struct assay_ini *ini, const char *section, const char *key);       /* NULL */

/* Sets ASSAY_E_CONFIG to "file:line, [section] key: " (or "-s section.key: ") and the sentence. */
int assay_ini_refuse(const struct assay_ini *ini, const struct assay_ini_entry *entry, struct assay_status *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts the place before a message that is there. */
int assay_ini_blame(const struct assay_ini *ini, const struct assay_ini_entry *entry, struct assay_status *status);

/* The text as a value that reads back the same: quoted when it must be; from the arena. NULL when no quoting can express it (both kinds of quotes,
 * control characters, too long) or memory is short. */
const char *assay_ini_quote(const char *value, struct assay_arena *arena);

#endif
