/* SPDX-License-Identifier: MIT */
#include "study/database.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 60 /* seconds to wait for another process' write lock */ };

int assay_database_error(struct assay_database *database, struct assay_status *status) {
  const char *path = database->path;
  sqlite3 *handle = database->handle;
  const int code = handle == NULL ? SQLITE_NOMEM : sqlite3_errcode(handle), number = handle == NULL ? 0 : sqlite3_system_errno(handle);
  const char *words = number != 0 && code != SQLITE_CORRUPT && code != SQLITE_NOTADB ? strerror(number) : sqlite3_errmsg(handle);
  switch (code) {
  case SQLITE_NOMEM: return assay_status_memory(status);
  case SQLITE_FULL: return assay_status_set(status, ASSAY_E_STORAGE, "%s: there is no space left for the study; free some and run again", path);
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return assay_status_set(status, ASSAY_E_STORAGE, "%s: the study is damaged, or is no SQLite file (%s); restore it from a copy or start a new run", path,
                            words);
  case SQLITE_CANTOPEN:
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return assay_status_set(status, ASSAY_E_STORAGE, "%s: the study cannot be opened for writing: %s; check the folder and its permissions", path, words);
  case SQLITE_BUSY: return assay_status_set(status, ASSAY_E_STORAGE, "%s: another process has held the study for %d seconds; is it stopped?", path, PATIENCE);
  default: return assay_status_set(status, ASSAY_E_STORAGE, "%s: reading or writing the study failed: %s", path, words);
  }
}

static int run_text(struct assay_database *database, const char *sql, struct assay_status *status) {
  return sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : assay_database_error(database, status);
}

/* The switch to WAL needs the file alone for a moment and does not wait by itself. */
static int switch_to_wal(struct assay_database *database, struct assay_status *status) {
  for (int tries = 0;; tries++) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(database->handle, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    bool done = false;
    if (code == SQLITE_OK) {
      code = sqlite3_step(statement);
      done = code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
      sqlite3_finalize(statement);
    }
    if (done) return 0;
    if (code == SQLITE_ROW)
      return assay_status_set(status, ASSAY_E_STORAGE, "%s: this file system cannot keep a study safe (no write-ahead log); choose a local folder",
                              database->path);
    if (code != SQLITE_BUSY || tries >= PATIENCE * 50) return assay_database_error(database, status);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
}

/* A file that was closed in order can be read where nothing can be written, if SQLite is told that nobody changes it. */
static char *immutable_uri(const char *path) {
  struct assay_text uri = {0};
  assay_text_add(&uri, "file:");
  for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
    if (strchr("?#%", *p) != NULL || *p <= ' ') assay_text_print(&uri, "%%%02X", *p);
    else assay_text_add_bytes(&uri, (const char *)p, 1);
  }
  assay_text_add(&uri, "?immutable=1");
  if (!uri.failed) return uri.data;
  assay_text_release(&uri);
  return NULL;
}

static bool is_frozen(const char *path) {
  char name[4096];
  const char *slash = strrchr(path, '/');
  if (snprintf(name, sizeof name, "%s-wal", path) >= (int)sizeof name || access(name, F_OK) == 0) return false;
  snprintf(name, sizeof name, "%.*s", slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
  return access(name, W_OK) != 0;
}

static int open_file(struct assay_database *database, bool create) {
  if (create) return sqlite3_open_v2(database->path, &database->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
  if (!is_frozen(database->path)) return sqlite3_open_v2(database->path, &database->handle, SQLITE_OPEN_READONLY, NULL);
  char *uri = immutable_uri(database->path);
  if (uri == NULL) return SQLITE_NOMEM;
  const int code = sqlite3_open_v2(uri, &database->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
  free(uri);
  return code;
}

int assay_database_open(struct assay_database *database, const char *path, bool create, struct assay_status *status) {
  *database = (struct assay_database){0};
  const char *network = create ? assay_network_file_system(path) : NULL;
  if (network != NULL)
    return assay_status_set(status, ASSAY_E_STORAGE,
                            "%s: lies on a network file system (%s), where locks cannot be trusted; put the run on a local disk with -o", path, network);
  if (!create && !assay_file_exists(path)) return assay_status_set(status, ASSAY_E_STORAGE, "%s: there is no study here", path);
  database->path = strdup(path);
  if (database->path == NULL) return assay_status_memory(status);
  int result = 0;
  if (open_file(database, create) != SQLITE_OK) {
    result = assay_database_error(database, status);
  } else {
    sqlite3_extended_result_codes(database->handle, 0);
    sqlite3_busy_timeout(database->handle, PATIENCE * 1000);
    if (create) result = switch_to_wal(database, status);
    if (result == 0) result = run_text(database, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL", status);
  }
  if (result != 0) assay_database_close(database);
  return result;
}

void assay_database_close(struct assay_database *database) {
  for (size_t i = 0; i < database->statement_count; i++) sqlite3_finalize(database->statements[i].statement);
  sqlite3_close_v2(database->handle);
  free(database->path);
  *database = (struct assay_database){0};
}

/* A statement for this text: one that waits, or a new one, kept while there is room. */
static int find_statement(struct assay_database *database, const char *sql, sqlite3_stmt **statement) {
  for (size_t i = 0; i < database->statement_count; i++) {
    struct assay_statement *kept = &database->statements[i];
    if (kept->used || strcmp(sqlite3_sql(kept->statement), sql) != 0) continue;
    kept->used = true;
    *statement = kept->statement;
    return SQLITE_OK;
  }
  const int code = sqlite3_prepare_v2(database->handle, sql, -1, statement, NULL);
  if (code == SQLITE_OK && database->statement_count < ASSAY_DATABASE_STATEMENTS)
    database->statements[database->statement_count++] = (struct assay_statement){*statement, true};
  return code;
}

void assay_database_done(struct assay_database *database, sqlite3_stmt **statement) {
  size_t i = 0;
  while (i < database->statement_count && database->statements[i].statement != *statement) i++;
  if (i < database->statement_count) {
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    database->statements[i].used = false;
  } else {
    sqlite3_finalize(*statement);
  }
  *statement = NULL;
}

static int prepare(struct assay_database *database, sqlite3_stmt **statement, struct assay_status *status, const char *sql, const char *types, va_list values) {
  *statement = NULL;
  int code = find_statement(database, sql, statement);
  for (int i = 1; code == SQLITE_OK && *types != '\0'; i++, types++) {
    if (*types == 'i') code = sqlite3_bind_int64(*statement, i, va_arg(values, int64_t));
    else if (*types == 'd') code = sqlite3_bind_double(*statement, i, va_arg(values, double)); /* NaN becomes NULL */
    else code = sqlite3_bind_text(*statement, i, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
  }
  if (code == SQLITE_OK) return 0;
  const int result = assay_database_error(database, status);
  assay_database_done(database, statement);
  return result;
}

int assay_database_query(struct assay_database *database, sqlite3_stmt **statement, struct assay_status *status, const char *sql, const char *types, ...) {
  va_list values;
  va_start(values, types);
  const int result = prepare(database, statement, status, sql, types, values);
  va_end(values);
  return result;
}

int assay_database_next(struct assay_database *database, sqlite3_stmt **statement, struct assay_status *status) {
  const int code = sqlite3_step(*statement);
  if (code == SQLITE_ROW) return 1;
  const int result = code == SQLITE_DONE ? 0 : assay_database_error(database, status);
  assay_database_done(database, statement);
  return result;
}

static int run_to_end(struct assay_database *database, sqlite3_stmt *statement, struct assay_status *status) {
  int row;
  while ((row = assay_database_next(database, &statement, status)) > 0) continue;
  return row;
}

int assay_database_run(struct assay_database *database, struct assay_status *status, const char *sql, const char *types, ...) {
  sqlite3_stmt *statement;
  va_list values;
  va_start(values, types);
  const int result = prepare(database, &statement, status, sql, types, values);
  va_end(values);
  return result != 0 ? result : run_to_end(database, statement, status);
}

int assay_database_integer(struct assay_database *database, int64_t *integer, int64_t absent, struct assay_status *status, const char *sql, const char *types,
                           ...) {
  sqlite3_stmt *statement;
  va_list values;
  va_start(values, types);
  int result = prepare(database, &statement, status, sql, types, values);
  va_end(values);
  *integer = absent;
  if (result != 0) return result;
  result = assay_database_next(database, &statement, status);
  if (result <= 0) return result;
  if (sqlite3_column_type(statement, 0) != SQLITE_NULL) *integer = sqlite3_column_int64(statement, 0);
  return run_to_end(database, statement, status);
}

int assay_database_begin(struct assay_database *database, struct assay_status *status) { return run_text(database, "BEGIN IMMEDIATE", status); }

int assay_database_begin_reading(struct assay_database *database, struct assay_status *status) { return run_text(database, "BEGIN", status); }

int assay_database_end(struct assay_database *database, int result, struct assay_status *status) {
  if (result >= 0) {
    const int committed = run_text(database, "COMMIT", status);
    if (committed == 0) return result;
    result = committed;
  }
  if (!sqlite3_get_autocommit(database->handle)) sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
  return result;
}
