/* SPDX-License-Identifier: MIT */
#include "data/archive.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "data/decode.h"
#include "data/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_READERS = 64, MOST_ENTRIES = 1 << 24, FIRST_BYTES = 32 };

/* A reader that stands before the header number `next`. */
struct reader {
  struct archive *archive;
  uint32_t next;
  bool busy;
  struct assay_archive_stream stream;
};

struct assay_archive {
  struct assay_arena *arena;
  const char *path;
  struct assay_file_identity identity;
  int file;
  uint64_t size; /* of `file`, which may be the unpacked one */
  uint32_t count;
  struct assay_archive_entry *entries;
  pthread_mutex_t mutex; /* of the readers */
  struct reader *readers[MOST_READERS];
};

bool assay_archive_name(const char *path) {
  static const char *const endings[] = {".tar",    ".zip",     ".tar.gz", ".tgz",     ".tar.xz", ".txz",     ".tar.bz2", ".tbz",
                                        ".tbz2",   ".tar.zst", ".tzst",   ".tar.lz4", ".tar.lz", ".tar.lzma", ".tar.Z",  NULL};
  const size_t length = strlen(path);
  for (int i = 0; endings[i] != NULL; i++) {
    const size_t ending = strlen(endings[i]);
    if (length > ending && strcasecmp(path + length - ending, endings[i]) == 0) return true;
  }
  return false;
}

const char *assay_archive_path(const struct assay_archive *archive) { return archive->path; }

const struct assay_archive_entry *assay_archive_entries(const struct assay_archive *archive, uint32_t *count) {
  *count = archive->count;
  return archive->entries;
}

const struct assay_file_identity *assay_archive_identity(const struct assay_archive *archive) { return &archive->identity; }

/* ---- The way libarchive reads a file ---- */

static la_ssize_t read_stream(struct archive *reader, void *context, const void **buffer) {
  struct assay_archive_stream *stream = context;
  ssize_t length;
  do length = pread(stream->file, stream->buffer, sizeof stream->buffer, (off_t)stream->offset);
  while (length < 0 && errno == EINTR);
  if (length < 0) archive_set_error(reader, errno, "%s", strerror(errno));
  else stream->offset += (uint64_t)length;
  *buffer = stream->buffer;
  return length;
}

/* Never past the end, so that a file that ends early is noticed. */
static la_int64_t skip_stream(struct archive *reader, void *context, la_int64_t request) {
  (void)reader;
  struct assay_archive_stream *stream = context;
  const uint64_t rest = stream->offset < stream->size ? stream->size - stream->offset : 0;
  const uint64_t skipped = request < 0 ? 0 : (uint64_t)request < rest ? (uint64_t)request : rest;
  stream->offset += skipped;
  return (la_int64_t)skipped;
}

static la_int64_t seek_stream(struct archive *reader, void *context, la_int64_t offset, int whence) {
  (void)reader;
  struct assay_archive_stream *stream = context;
  const la_int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (la_int64_t)stream->offset : (la_int64_t)stream->size;
  la_int64_t place;
  if (__builtin_add_overflow(base, offset, &place) || place < 0) return ARCHIVE_FATAL;
  stream->offset = (uint64_t)place < stream->size ? (uint64_t)place : stream->size;
  return (la_int64_t)stream->offset;
}

int assay_archive_attach(struct archive *reader, struct assay_archive_stream *stream, bool filters) {
  if (filters) {
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_compress(reader);
    archive_read_support_filter_lz4(reader);
    archive_read_support_filter_lzip(reader);
    archive_read_support_filter_lzma(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
  }
  archive_read_set_seek_callback(reader, seek_stream);
  archive_read_set_skip_callback(reader, skip_stream);
  return archive_read_open(reader, stream, NULL, read_stream, NULL);
}

/* libarchive's own words, fit to be shown. */
static const char *words_of(struct archive *reader, char text[128]) {
  const char *words = archive_error_string(reader);
  assay_decode_quote(words == NULL ? "no reason given" : words, text, 128);
  return text;
}

static struct reader *open_reader(int file, uint64_t size, bool filters) {
  struct reader *reader = malloc(sizeof *reader);
  if (reader == NULL) return NULL;
  reader->next = 0;
  reader->busy = true;
  reader->stream.file = file;
  reader->stream.offset = 0;
  reader->stream.size = size;
  reader->archive = archive_read_new();
  if (reader->archive == NULL) {
    free(reader);
    return NULL;
  }
  archive_read_support_format_tar(reader->archive);
  archive_read_support_format_zip_seekable(reader->archive);
  (void)assay_archive_attach(reader->archive, &reader->stream, filters); /* a failure comes back from the first header */
  return reader;
}

static void close_reader(struct reader *reader) {
  if (reader == NULL) return;
  archive_read_free(reader->archive);
  free(reader);
}

/* ---- Listing ---- */

/* Bytes as stored; UTF-8 where the archive says so, whatever the locale. */
static const char *name_of(struct archive_entry *entry) {
  const char *name = archive_entry_pathname_utf8(entry);
  return name != NULL ? name : archive_entry_pathname(entry);
}

/* The name without empty parts and "."; NULL for one that is skipped. */
static const char *clean_name(struct assay_arena *arena, const char *name, bool *failed) {
  char *clean = assay_arena_copy(arena, "");
  size_t length = 0;
  if (name == NULL) return NULL;
  if ((clean = assay_arena_take(arena, strlen(name) + 1, 1)) == NULL) {
    *failed = true;
    return NULL;
  }
  for (const char *part = name; *part != '\0';) {
    const size_t size = strcspn(part, "/");
    if (size > 0 && part[0] == '.' && size > 1) return NULL;
    if (size == 8 && strncmp(part, "__MACOSX", 8) == 0) return NULL;
    if (size > 0 && part[0] != '.') {
      if (length > 0) clean[length++] = '/';
      memcpy(clean + length, part, size);
      length += size;
    }
    part += size + (part[size] == '/');
  }
  return length > 0 ? clean : NULL;
}

/* Does the file that the reader stands in begin as a picture does? */
static bool begins_as_image(struct archive *reader) {
  uint8_t bytes[FIRST_BYTES];
  const la_ssize_t length = archive_read_data(reader, bytes, sizeof bytes);
  return length > 0 && assay_image_kind(bytes, (size_t)length) != NULL;
}

struct listing {
  struct assay_archive *archive;
  struct assay_archive_entry *entries; /* malloc'ed */
  size_t count, capacity;
  struct assay_status *status;
};

static int add_entry(struct listing *listing, struct reader *reader, struct archive_entry *entry, uint32_t place) {
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL) return 0;
  bool failed = false;
  const char *path = clean_name(listing->archive->arena, name_of(entry), &failed);
  if (failed) return assay_status_memory(listing->status);
  if (path == NULL) return 0;
  void *entries = listing->entries;
  if (!assay_grow(&entries, &listing->capacity, listing->count + 1, sizeof *listing->entries)) return assay_status_memory(listing->status);
  listing->entries = entries;
  listing->entries[listing->count++] = (struct assay_archive_entry){path, place, assay_image_name(path) || begins_as_image(reader->archive)};
  return 0;
}

static int fail_listing(struct listing *listing, struct reader *reader, uint32_t place) {
  char text[128];
  const char *last = listing->count == 0 ? NULL : assay_printable_path(listing->archive->arena, listing->entries[listing->count - 1].path);
  words_of(reader->archive, text);
  if (place == 0)
    return assay_status_set(listing->status, ASSAY_E_DATA, "%s: cannot be read as a tar or zip archive (%s); copy it again, or name a folder of images, a .csv list or an archive",
                            listing->archive->path, text);
  return assay_status_set(listing->status, ASSAY_E_DATA, "%s: the archive is damaged or ends too early, after file %s (%s); copy it again", listing->archive->path,
                          last == NULL ? "number 0" : last, text);
}

/* All headers of `reader`. */
static int list_entries(struct listing *listing, struct reader *reader) {
  for (uint32_t place = 0;; place++) {
    struct archive_entry *entry;
    const int result = archive_read_next_header(reader->archive, &entry);
    if (result == ARCHIVE_EOF) return 0;
    if (result < ARCHIVE_WARN) return fail_listing(listing, reader, place);
    if (place >= MOST_ENTRIES)
      return assay_status_set(listing->status, ASSAY_E_DATA, "%s: has more than %d files; unpack it and use the folder", listing->archive->path, MOST_ENTRIES);
    const int code = add_entry(listing, reader, entry, place);
    if (code != 0) return code;
  }
}

static int by_path(const void *a, const void *b) {
  const struct assay_archive_entry *left = a, *right = b;
  const int order = strcmp(left->path, right->path);
  return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

/* Sorted, the last of each name. */
static int keep_entries(struct listing *listing) {
  struct assay_archive *archive = listing->archive;
  if (listing->count > 0) qsort(listing->entries, listing->count, sizeof *listing->entries, by_path);
  archive->entries = ASSAY_NEW_ARRAY(archive->arena, struct assay_archive_entry, listing->count);
  if (archive->entries == NULL) return assay_status_memory(listing->status);
  size_t repeated = 0;
  for (size_t i = 0; i < listing->count; i++) {
    if (i + 1 < listing->count && strcmp(listing->entries[i].path, listing->entries[i + 1].path) == 0) {
      if (repeated++ == 0) assay_log_message(ASSAY_LOG_WARNING, "%s: has several files named %s; the last one counts", archive->path, listing->entries[i].path);
      continue;
    }
    archive->entries[archive->count++] = listing->entries[i];
  }
  if (repeated > 1) assay_log_message(ASSAY_LOG_WARNING, "%s: %zu files have the name of a later one and do not count", archive->path, repeated);
  return 0;
}

static int list_archive(struct assay_archive *archive, struct assay_status *status) {
  struct listing listing = {.archive = archive, .status = status};
  struct reader *reader = open_reader(archive->file, archive->size, true);
  struct archive_entry *entry;
  if (reader == NULL) return assay_status_memory(status);
  /* The first header tells whether it is compressed as a whole. */
  const int first = archive_read_next_header(reader->archive, &entry);
  const bool compressed = first >= ARCHIVE_WARN && archive_filter_code(reader->archive, 0) != ARCHIVE_FILTER_NONE;
  int code = first >= ARCHIVE_WARN ? 0 : first == ARCHIVE_EOF ? 0 : fail_listing(&listing, reader, 0);
  close_reader(reader);
  if (code == 0 && compressed) {
    int unpacked = -1;
    struct stat facts;
    code = assay_archive_unpack(archive->path, archive->file, &archive->identity, &unpacked, status);
    if (code != 0) return code;
    close(archive->file);
    archive->file = unpacked;
    archive->size = fstat(unpacked, &facts) == 0 ? (uint64_t)facts.st_size : 0;
  }
  if (code != 0) return code;
  reader = open_reader(archive->file, archive->size, false);
  code = reader == NULL ? assay_status_memory(status) : list_entries(&listing, reader);
  close_reader(reader);
  if (code == 0) code = keep_entries(&listing);
  free(listing.entries);
  return code;
}

int assay_archive_open(const char *path, struct assay_archive **result, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_archive *archive = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_archive);
  const char *shown = archive == NULL ? NULL : assay_arena_copy(arena, path);
  if (shown == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  *archive = (struct assay_archive){.arena = arena, .path = shown, .file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .mutex = PTHREAD_MUTEX_INITIALIZER};
  struct stat facts;
  int code = 0;
  if (archive->file < 0 || fstat(archive->file, &facts) != 0)
    code = assay_status_set(status, ASSAY_E_DATA, "%s: the archive cannot be opened: %s", shown, strerror(errno));
  else if (!S_ISREG(facts.st_mode)) code = assay_status_set(status, ASSAY_E_DATA, "%s: is no file", shown);
  if (code == 0) {
    archive->identity = assay_file_identity_of(&facts);
    archive->size = (uint64_t)facts.st_size;
    code = list_archive(archive, status);
  }
  if (code != 0) assay_archive_release(archive);
  else *result = archive;
  return code;
}

void assay_archive_release(struct assay_archive *archive) {
  if (archive == NULL) return;
  for (int i = 0; i < MOST_READERS; i++) close_reader(archive->readers[i]);
  if (archive->file >= 0) close(archive->file);
  assay_arena_release(archive->arena);
}

/* ---- Reading ---- */

/* The idle reader that has least to go to `place`, or a new one; NULL when memory is short. */
static struct reader *take_reader(struct assay_archive *archive, uint32_t place) {
  struct reader *best = NULL;
  int spare = -1, idle = -1;
  pthread_mutex_lock(&archive->mutex);
  for (int i = 0; i < MOST_READERS; i++) {
    struct reader *reader = archive->readers[i];
    if (reader == NULL) spare = i;
    else if (!reader->busy) {
      idle = i;
      if (reader->next <= place && (best == NULL || reader->next > best->next)) best = reader;
    }
  }
  if (best == NULL) {
    best = open_reader(archive->file, archive->size, false);
    if (best != NULL && (spare >= 0 || idle >= 0)) {
      const int slot = idle >= 0 ? idle : spare; /* one that stands behind the place is of no more use */
      close_reader(archive->readers[slot]);
      archive->readers[slot] = best;
    }
  }
  if (best != NULL) best->busy = true;
  pthread_mutex_unlock(&archive->mutex);
  return best;
}

/* A reader that failed is closed, as is one for which there is no slot. */
static void put_reader(struct assay_archive *archive, struct reader *reader, bool usable) {
  bool kept = false;
  pthread_mutex_lock(&archive->mutex);
  for (int i = 0; i < MOST_READERS; i++) {
    if (archive->readers[i] != reader) continue;
    if (usable) kept = true;
    else archive->readers[i] = NULL;
  }
  reader->busy = false;
  pthread_mutex_unlock(&archive->mutex);
  if (!kept) close_reader(reader);
}

/* The data of the file that the reader stands in. */
static int read_data(struct archive *reader, char **data, size_t *size, struct assay_status *status) {
  size_t capacity = 1 << 16, length = 0;
  char *bytes = malloc(capacity), text[128];
  int code = bytes == NULL ? assay_status_memory(status) : 0;
  while (code == 0) {
    const la_ssize_t got = archive_read_data(reader, bytes + length, capacity - length - 1);
    if (got < 0) {
      code = assay_status_set(status, ASSAY_E_DATA, "cannot be read from the archive (%s)", words_of(reader, text));
      break;
    }
    length += (size_t)got;
    if (got == 0 || (length >= FIRST_BYTES && assay_image_kind((const uint8_t *)bytes, FIRST_BYTES) == NULL)) break;
    if (length >= ASSAY_IMAGE_MAX_FILE) code = assay_status_set(status, ASSAY_E_DATA, "is larger than %zu bytes, so it is not read", ASSAY_IMAGE_MAX_FILE);
    if (capacity - length > 1 || code != 0) continue;
    char *larger = realloc(bytes, capacity *= 2);
    if (larger == NULL) code = assay_status_memory(status);
    else bytes = larger;
  }
  if (code != 0) {
    free(bytes);
    return code;
  }
  bytes[length] = '\0';
  *data = bytes;
  *size = length;
  return 0;
}

int assay_archive_read(struct assay_archive *archive, uint32_t place, char **data, size_t *size, struct assay_status *status) {
  struct reader *reader = take_reader(archive, place);
  if (reader == NULL) return assay_status_memory(status);
  char text[128];
  int result = ARCHIVE_OK;
  struct archive_entry *entry;
  while (result >= ARCHIVE_WARN && result != ARCHIVE_EOF && reader->next <= place) {
    result = archive_read_next_header(reader->archive, &entry);
    reader->next++;
  }
  int code;
  if (result < ARCHIVE_WARN || result == ARCHIVE_EOF)
    code = assay_status_set(status, ASSAY_E_DATA, "cannot be found in the archive any more (%s)", result == ARCHIVE_EOF ? "it ends before" : words_of(reader->archive, text));
  else code = read_data(reader->archive, data, size, status);
  put_reader(archive, reader, code == 0);
  return code;
}
