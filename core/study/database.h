/* SPDX-License-Identifier: MIT
 *
 * SQLite at work: opening safely, statements with their values in one call, transactions that hold the write lock from their start, and error codes
 * as sentences.
 */
#ifndef ASSAY_STUDY_DATABASE_H
#define ASSAY_STUDY_DATABASE_H

#include <assay/types.h>
#include <sqlite3.h>
#include <stdbool.h>

enum { ASSAY_DATABASE_STATEMENTS = 64 };

struct assay_database {
  sqlite3 *handle;
  char *path;
  /* Prepared statements that wait to be used again: preparing costs more than most of them do. */
  struct assay_statement {
    sqlite3_stmt *statement;
    bool used;
  } statements[ASSAY_DATABASE_STATEMENTS];
  size_t statement_count;
};

/* `create`: for reading and writing, made if absent, in WAL mode with full syncs. Otherwise only for reading. On failure `database` needs no close. */
int assay_database_open(struct assay_database *database, const char *path, bool create, struct assay_status *status);
void assay_database_close(struct assay_database *database);

/* Fills the status from the last failure of the connection. */
int assay_database_error(struct assay_database *database, struct assay_status *status);

/* A statement with its values bound: `types` has a letter for each: i (int64_t), d (double), t (const char *; NULL gives NULL). */
int assay_database_query(struct assay_database *database, sqlite3_stmt **statement, struct assay_status *status, const char *sql, const char *types, ...);
/* The next row: 1, 0 at the end, or an error. At the end and on errors the statement is done. */
int assay_database_next(struct assay_database *database, sqlite3_stmt **statement, struct assay_status *status);
/* Ends a statement early and sets it to NULL; one that is NULL is fine. */
void assay_database_done(struct assay_database *database, sqlite3_stmt **statement);
/* A statement run to its end. */
int assay_database_run(struct assay_database *database, struct assay_status *status, const char *sql, const char *types, ...);
/* The first column of the first row as an integer; `absent` when there is no row, or it holds NULL. */
int assay_database_integer(struct assay_database *database, int64_t *integer, int64_t absent, struct assay_status *status, const char *sql, const char *types,
                           ...);

/* BEGIN IMMEDIATE: waits for the write lock at once, where a deferred upgrade could only fail. */
int assay_database_begin(struct assay_database *database, struct assay_status *status);
/* A consistent view for several reads. */
int assay_database_begin_reading(struct assay_database *database, struct assay_status *status);
/* Commits when `result` is 0 or more, else rolls back; gives `result`, or the commit's failure. */
int assay_database_end(struct assay_database *database, int result, struct assay_status *status);

/* Names the network file system that the folder of `path` lies on; NULL: a local one. */
const char *assay_network_file_system(const char *path);
/* The same from the number that statfs gives and, for FUSE, the type in the mount table ("fuse.sshfs"). */
const char *assay_network_file_system_name(uint32_t magic, const char *mount_type);

#endif
