/* SPDX-License-Identifier: MIT
 *
 * INI files: whatever our lexer accepts, iniparser must read the same. assay_ini_parse asks iniparser itself and calls a difference an error, so here that
 * error is the bug; and what is accepted must survive being written and read again.
 */
#include "base/arena.h"
#include "base/text.h"
#include "config/domain.h"
#include "config/ini.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition) {
  if (!condition) abort();
}

/* The sentence for a difference; the same words may be quoted from the file in another one. */
static bool is_disagreement(const char *message) {
  static const char words[] = ": other INI readers";
  const char *place = strchr(message, ':');
  return place != NULL && strncmp(place + 1 + strspn(place + 1, "0123456789"), words, strlen(words)) == 0;
}

/* Writes the entries as a file. */
static char *write_again(const struct assay_ini *ini, struct assay_arena *arena, size_t *size) {
  struct assay_text text = {0};
  for (uint32_t s = 0; s < ini->section_count; s++) {
    assay_text_print(&text, "[%s]\n", ini->sections[s].name);
    for (uint32_t e = 0; e < ini->entry_count; e++) {
      const struct assay_ini_entry *entry = &ini->entries[e];
      if (strcmp(entry->section, ini->sections[s].name) != 0) continue;
      const char *quoted = entry->domain != NULL ? entry->value : assay_ini_quote(entry->value, arena); /* a value with a domain came without quotes */
      expect(quoted != NULL);
      assay_text_print(&text, "%s = %s%s%s\n", entry->key, quoted, entry->domain != NULL ? " ~ " : "", entry->domain != NULL ? entry->domain : "");
    }
  }
  expect(!text.failed);
  *size = text.length;
  return text.data;
}

/* A domain that is read is printed in a form that is read the same. */
static void check_domain(const char *text, struct assay_arena *arena) {
  struct assay_domain *domain, *again;
  struct assay_text first = {0}, second = {0};
  if (assay_domain_parse(text, arena, &domain, NULL) != 0) return;
  assay_domain_print(domain, &first);
  expect(assay_domain_parse(first.data, arena, &again, NULL) == 0);
  assay_domain_print(again, &second);
  expect(strcmp(first.data, second.data) == 0);
  assay_text_release(&first);
  assay_text_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return 0;
  struct assay_ini ini, again;
  struct assay_status status;
  const int code = assay_ini_parse("x.ini", (const char *)data, size, arena, &ini, &status);
  expect(code == 0 || !is_disagreement(status.message));
  if (code == 0) {
    char *text = write_again(&ini, arena, &size);
    if (size > 0 && size <= ASSAY_INI_MOST_BYTES) {
      expect(assay_ini_parse("x.ini", text, size, arena, &again, &status) == 0 && again.entry_count == ini.entry_count);
      for (uint32_t e = 0; e < ini.entry_count; e++) {
        const struct assay_ini_entry *entry = &ini.entries[e], *other = assay_ini_find(&again, entry->section, entry->key);
        expect(other != NULL && strcmp(entry->value, other->value) == 0 && (entry->domain == NULL) == (other->domain == NULL));
      }
    }
    free(text);
    for (uint32_t e = 0; e < ini.entry_count; e++)
      if (ini.entries[e].domain != NULL) check_domain(ini.entries[e].domain, arena);
  }
  assay_arena_release(arena);
  return 0;
}
