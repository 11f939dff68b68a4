/* SPDX-License-Identifier: MIT */
#include "plugin/probe.h"

#include "config.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/status.h"
#include "base/text.h"
#include "plugin/module.h"
#include "plugin/registry.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSE(...) assay_status_set(status, ASSAY_E_PLUGIN, __VA_ARGS__)

/* ---- The header ---- */

/* Our own header, put there by the linker: a module must be for the same machine. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((weak, visibility("hidden")));

static const char *machine_name(unsigned machine, char *buffer, size_t size) {
  switch (machine) {
  case EM_386: return "32-bit x86";
  case EM_X86_64: return "x86-64";
  case EM_ARM: return "32-bit ARM";
  case EM_AARCH64: return "ARM64";
  case EM_RISCV: return "RISC-V";
  case EM_PPC64: return "POWER";
  case EM_S390: return "S/390";
  default: snprintf(buffer, size, "machine number %u", machine); return buffer;
  }
}

static int check_elf(const ElfW(Ehdr) *header, size_t size, struct assay_status *status) {
  if (size < SELFMAG || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return REFUSE("is not a shared object (it has no ELF header)");
  if (size < sizeof *header) return REFUSE("is cut off within its ELF header; build or copy it again");
  if (&__ehdr_start != NULL) {
    const bool swapped = header->e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA];
    const unsigned machine = swapped ? __builtin_bswap16(header->e_machine) : header->e_machine;
    if (swapped || machine != __ehdr_start.e_machine || header->e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS]) {
      char theirs[32], ours[32];
      return REFUSE("is for another kind of machine (%s; this is %s); build it here", machine_name(machine, theirs, sizeof theirs),
                    machine_name(__ehdr_start.e_machine, ours, sizeof ours));
    }
  }
  return header->e_type == ET_DYN ? 0 : REFUSE("is an ELF file, but no shared object; link it with -shared");
}

int assay_probe_header(const char *file, struct assay_status *status) {
  const int descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return REFUSE("cannot be opened: %s", strerror(errno));
  struct stat facts;
  ElfW(Ehdr) header = {0};
  int code;
  if (fstat(descriptor, &facts) != 0) code = REFUSE("cannot be looked at: %s", strerror(errno));
  else if (S_ISDIR(facts.st_mode)) code = REFUSE("is a folder, not a module; remove it");
  else if (!S_ISREG(facts.st_mode)) code = REFUSE("is not a regular file; remove it");
  else if (facts.st_size == 0) code = REFUSE("is an empty file; build or copy it again");
  else {
    const ssize_t size = read(descriptor, &header, sizeof header);
    code = size < 0 ? REFUSE("cannot be read: %s", strerror(errno)) : check_elf(&header, (size_t)size, status);
  }
  close(descriptor);
  return code;
}

/* ---- The child ---- */

/* The child's first line; then "fit", or "unfit " and the reason. */
static const char begin_mark[] = "assay-probe-1\n";
static double limit_seconds = 10;

void assay_probe_set_limit(double seconds) { limit_seconds = seconds; }

int assay_plugin_probe_main(const char *file) {
  /* Whatever the module says itself goes nowhere; the verdict has a descriptor of its own. */
  const int verdict = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (verdict < 0 || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) return 1;
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  struct assay_arena *arena = assay_arena_create();
  struct assay_module module;
  struct assay_status status;
  if (arena == NULL) return 1;
  dprintf(verdict, "%s", begin_mark);
  if (assay_module_load(file, arena, &module, &status) == 0) dprintf(verdict, "fit\n");
  else dprintf(verdict, "unfit %s\n", status.message);
  assay_arena_release(arena);
  return 0;
}

/* Puts what became of a child into words: `reason` NULL when the module is fit, else from the arena. `lasting`: only another file would give another
 * answer; what the loader misses may be installed at any time. */
static void read_verdict(const char *words, const struct assay_process_end *end, struct assay_arena *arena, const char **reason, bool *lasting) {
  static const char again[] = "repair or remove it (it is tried again when the file changes)";
  const bool verdict = words[0] != '\0';
  const char *when = verdict ? "when the process ends" : "while it is being loaded";
  *lasting = true;
  *reason = NULL;
  if (end->timed_out) *reason = assay_arena_print(arena, "hangs %s (stopped after %g s); %s", when, limit_seconds, again);
  else if (end->signal != 0) *reason = assay_arena_print(arena, "crashes %s (signal %d, %s); %s", when, end->signal, strsignal(end->signal), again);
  else if (!verdict) *reason = assay_arena_print(arena, "ends the process while it is being loaded (exit code %d); %s", end->code, again);
  else if (strcmp(words, "fit\n") == 0) return;
  else {
    *lasting = false;
    *reason = strncmp(words, "unfit ", 6) == 0 ? assay_arena_print(arena, "%.*s", (int)strcspn(words + 6, "\n"), words + 6) : NULL;
  }
  if (*reason == NULL) *reason = "gives no clear answer when it is tried out";
}

/* Negative when no child could be run. */
static int ask_child(const char *file, struct assay_arena *arena, const char **reason, bool *lasting, struct assay_status *status) {
  static const char guard[] = "ASSAY_PROBING";
  const char *tool = assay_process_tool();
  if (tool == NULL || tool[0] == '\0' || getenv(guard) != NULL)
    return REFUSE("cannot be tried out, as this program does not know where the assay tool is");
  struct assay_text output = {0};
  struct assay_process_end end;
  /* A program that knows nothing of probe-plugin would start over; this stops it at the first module. */
  setenv(guard, "1", 1);
  const int code = assay_process_run((const char *const[]){tool, "probe-plugin", file, NULL}, limit_seconds, &output, &end, status);
  unsetenv(guard);
  const char *said = output.data != NULL ? output.data : "";
  const bool begun = strncmp(said, begin_mark, strlen(begin_mark)) == 0;
  if (code == 0 && begun) read_verdict(said + strlen(begin_mark), &end, arena, reason, lasting);
  assay_text_release(&output);
  if (code != 0) return REFUSE("cannot be tried out, as %s", status != NULL ? status->message : "no child process can be started");
  return begun ? 0 : REFUSE("cannot be tried out, as %s does not answer; see that the assay tool runs", tool);
}

/* ---- The memory ---- */

/* The file that remembers what became of this module with this Assay; NULL when nothing can be remembered. */
static const char *memory_file(const char *file, struct assay_arena *arena) {
  struct stat facts;
  const char *cache = assay_cache_folder(arena);
  if (cache == NULL || stat(file, &facts) != 0) return NULL;
  const char *folder = assay_path_join(arena, cache, "plugins");
  if (folder == NULL || assay_folder_create(folder, NULL) != 0) return NULL;
  /* The versions that a descriptor is checked against belong to the key: another Assay may judge otherwise. */
  const char *key = assay_arena_print(arena, "%s%s %d.%d %d.%d %d.%d %d.%d %d.%d %d.%d %llu %llu %lld %lld.%09ld", begin_mark, PACKAGE_VERSION,
                                      ASSAY_BACKEND_ABI_MAJOR, ASSAY_BACKEND_ABI_MINOR, ASSAY_LAYER_ABI_MAJOR, ASSAY_LAYER_ABI_MINOR,
                                      ASSAY_OPTIMIZER_ABI_MAJOR, ASSAY_OPTIMIZER_ABI_MINOR, ASSAY_SEARCH_ABI_MAJOR, ASSAY_SEARCH_ABI_MINOR,
                                      ASSAY_PRUNER_ABI_MAJOR, ASSAY_PRUNER_ABI_MINOR, ASSAY_METRIC_ABI_MAJOR, ASSAY_METRIC_ABI_MINOR,
                                      (unsigned long long)facts.st_dev, (unsigned long long)facts.st_ino, (long long)facts.st_size,
                                      (long long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
  if (key == NULL) return NULL;
  const struct assay_hash hash = assay_hash_bytes(key, strlen(key));
  char digits[33];
  assay_hash_print(&hash, digits);
  return assay_arena_print(arena, "%s/%s", folder, digits);
}

/* True when it is known: `reason` is then as from the child. */
static bool remember(const char *memory, struct assay_arena *arena, const char **reason) {
  char *data;
  size_t size;
  if (memory == NULL || assay_file_read(memory, 4096, ASSAY_E_STORAGE, &data, &size, NULL) != 0) return false;
  bool known = size > 0 && strlen(data) == size && data[size - 1] == '\n';
  if (known && strcmp(data, "fit\n") == 0) *reason = NULL;
  else if (known && strncmp(data, "unfit ", 6) == 0) *reason = assay_arena_print(arena, "%.*s", (int)(size - 7), data + 6);
  else known = false;
  free(data);
  return known;
}

static void learn(const char *memory, struct assay_arena *arena, const char *reason) {
  const char *line = reason == NULL ? "fit\n" : assay_arena_print(arena, "unfit %s\n", reason);
  /* A verdict that cannot be kept is found again the next time. */
  if (memory != NULL && line != NULL) (void)assay_file_write(memory, line, strlen(line), NULL);
}

int assay_probe(const char *file, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  const char *memory = memory_file(file, arena), *reason = NULL;
  int code = 0;
  if (!remember(memory, arena, &reason)) {
    bool lasting = false;
    code = ask_child(file, arena, &reason, &lasting, status);
    if (code == 0 && lasting) learn(memory, arena, reason);
  }
  if (code == 0 && reason != NULL) code = REFUSE("%s", reason);
  assay_arena_release(arena);
  return code;
}
