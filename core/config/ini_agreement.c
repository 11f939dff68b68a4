/* SPDX-License-Identifier: MIT */
#include "config/ini_agreement.h"

#include "base/status.h"

#include <errno.h>
#include <iniparser.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* iniparser would write to our standard error. */
static int drop_message(const char *format, ...) {
  (void)format;
  return 0;
}

/* iniparser 4.1 reads only files that have a name, so the bytes get one that nobody else can see. */
static int load(const char *text, size_t size, dictionary **read, struct assay_status *status) {
  const int file = memfd_create("assay-ini", MFD_CLOEXEC);
  if (file < 0) return assay_status_set(status, ASSAY_E_STORAGE, "no memory file for the configuration: %s", strerror(errno));
  int code = 0;
  for (size_t done = 0; done < size && code == 0;) {
    const ssize_t n = write(file, text + done, size - done);
    if (n >= 0) done += (size_t)n;
    else if (errno != EINTR) code = assay_status_set(status, ASSAY_E_STORAGE, "the configuration cannot be copied: %s", strerror(errno));
  }
  if (code == 0) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (access(path, R_OK) != 0) {
      code = assay_status_set(status, ASSAY_E_STORAGE, "%s: %s; is /proc mounted?", path, strerror(errno));
    } else {
      iniparser_set_error_callback(drop_message);
      *read = iniparser_load(path);
      iniparser_set_error_callback(NULL);
    }
  }
  close(file);
  return code;
}

static int differ(const struct assay_ini *ini, uint32_t line, struct assay_status *status, const char *what) {
  return assay_status_set(status, ASSAY_E_CONFIG, "%s:%u: other INI readers understand this differently (%s); write it in a simpler way", ini->name, line,
                          what);
}

static int compare(const struct assay_ini *ini, const dictionary *read, struct assay_status *status) {
  if (read == NULL) return differ(ini, 1, status, "iniparser refuses the file");
  for (uint32_t i = 0; i < ini->section_count; i++)
    if (iniparser_find_entry(read, ini->sections[i].name) != 1) return differ(ini, ini->sections[i].line, status, "the section is not seen");
  for (uint32_t i = 0; i < ini->entry_count; i++) {
    const struct assay_ini_entry *entry = &ini->entries[i];
    char name[4 * (ASSAY_INI_MOST_NAME + 1)];
    snprintf(name, sizeof name, "%s:%s", entry->section, entry->key);
    const char *text = iniparser_getstring(read, name, NULL);
    if (text == NULL) return differ(ini, entry->line, status, "the key is not seen");
    if (strcmp(text, entry->text) != 0) return differ(ini, entry->line, status, "the value ends elsewhere");
  }
  if ((uint32_t)read->n != ini->section_count + ini->entry_count) return differ(ini, 1, status, "there are other sections or keys");
  return 0;
}

int assay_ini_agree(const struct assay_ini *ini, const char *text, size_t size, struct assay_status *status) {
  dictionary *read = NULL;
  int code = load(text, size, &read, status);
  if (code == 0) code = compare(ini, read, status);
  if (read != NULL) iniparser_freedict(read);
  return code;
}
