/* SPDX-License-Identifier: MIT
 *
 * The tables. Names, columns and constraints of the first group are those of Optuna's RDB schema 12 and must stay so; the second group is ours:
 *
 *   assay_studies   seed, space, the sequence's last number, seconds spent
 *   assay_trials    a trial's origin, attempts, deaths, and its places in the sequence: mark (what its ask saw), asked, told
 *   assay_leases    who works on it now
 *   assay_attempts  who worked on it, and how that ended
 *   assay_faults    what went wrong with devices, and with which trial in hand
 *
 * and two indices on Optuna's `trials`, so that a claim takes as long at ten thousand trials as at ten.
 */
#include "study/parts.h"

#include "base/status.h"

#include <stdio.h>
#include <time.h>

static const char optuna_tables[] =
    "CREATE TABLE IF NOT EXISTS studies (study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512) NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_studies_study_name ON studies (study_name);"
    "CREATE TABLE IF NOT EXISTS version_info (version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1), schema_version INTEGER,"
    " library_version VARCHAR(256));"
    "CREATE TABLE IF NOT EXISTS study_directions (study_direction_id INTEGER NOT NULL PRIMARY KEY, direction VARCHAR(8) NOT NULL,"
    " study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective));"
    "CREATE TABLE IF NOT EXISTS study_user_attributes (study_user_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " study_id INTEGER REFERENCES studies (study_id), \"key\" VARCHAR(512), value_json TEXT, UNIQUE (study_id, \"key\"));"
    "CREATE TABLE IF NOT EXISTS study_system_attributes (study_system_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " study_id INTEGER REFERENCES studies (study_id), \"key\" VARCHAR(512), value_json TEXT, UNIQUE (study_id, \"key\"));"
    "CREATE TABLE IF NOT EXISTS trials (trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER, study_id INTEGER REFERENCES studies (study_id),"
    " state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME);"
    "CREATE INDEX IF NOT EXISTS ix_trials_study_id ON trials (study_id);"
    "CREATE TABLE IF NOT EXISTS trial_user_attributes (trial_user_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER REFERENCES trials (trial_id), \"key\" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, \"key\"));"
    "CREATE TABLE IF NOT EXISTS trial_system_attributes (trial_system_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER REFERENCES trials (trial_id), \"key\" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, \"key\"));"
    "CREATE TABLE IF NOT EXISTS trial_params (param_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id),"
    " param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name));"
    "CREATE TABLE IF NOT EXISTS trial_values (trial_value_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL REFERENCES trials (trial_id),"
    " objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, objective));"
    "CREATE TABLE IF NOT EXISTS trial_intermediate_values (trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER NOT NULL REFERENCES trials (trial_id), step INTEGER NOT NULL, intermediate_value FLOAT,"
    " intermediate_value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, step));"
    "CREATE TABLE IF NOT EXISTS trial_heartbeats (trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER NOT NULL REFERENCES trials (trial_id), heartbeat DATETIME NOT NULL, UNIQUE (trial_id));"
    "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY);"
    "INSERT OR IGNORE INTO version_info VALUES (1, 12, '5.0.0');";

static const char own_tables[] =
    "CREATE TABLE IF NOT EXISTS assay_studies (study_id INTEGER NOT NULL PRIMARY KEY REFERENCES studies (study_id), seed INTEGER NOT NULL,"
    " space TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS assay_trials (trial_id INTEGER NOT NULL PRIMARY KEY REFERENCES trials (trial_id), study_id INTEGER NOT NULL,"
    " origin INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, mark INTEGER, asked INTEGER, told INTEGER);"
    "CREATE INDEX IF NOT EXISTS assay_trials_asked ON assay_trials (study_id, asked);"
    "CREATE INDEX IF NOT EXISTS assay_trials_told ON assay_trials (study_id, told);"
    "CREATE INDEX IF NOT EXISTS assay_numbers ON trials (study_id, number);"
    "CREATE INDEX IF NOT EXISTS assay_states ON trials (study_id, state, number);"
    "CREATE TABLE IF NOT EXISTS assay_leases (trial_id INTEGER NOT NULL PRIMARY KEY REFERENCES trials (trial_id), attempt INTEGER NOT NULL,"
    " boot TEXT NOT NULL, space INTEGER NOT NULL, process INTEGER NOT NULL, start INTEGER NOT NULL, supervisor INTEGER NOT NULL,"
    " supervisor_start INTEGER NOT NULL, beat REAL NOT NULL, progress TEXT NOT NULL DEFAULT '');"
    "CREATE TABLE IF NOT EXISTS assay_attempts (trial_id INTEGER NOT NULL REFERENCES trials (trial_id), attempt INTEGER NOT NULL,"
    " process INTEGER NOT NULL, began DATETIME NOT NULL, ended DATETIME, outcome TEXT, PRIMARY KEY (trial_id, attempt)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS assay_faults (study_id INTEGER NOT NULL REFERENCES studies (study_id), device TEXT NOT NULL, number INTEGER,"
    " at DATETIME NOT NULL, message TEXT NOT NULL, left_alone INTEGER NOT NULL);";

int assay_schema_create(struct assay_study *study, const char *alembic_version, struct assay_status *status) {
  struct assay_database *database = &study->database;
  int64_t version;
  if (sqlite3_exec(database->handle, optuna_tables, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(database->handle, own_tables, NULL, NULL, NULL) != SQLITE_OK)
    return assay_database_error(database, status);
  int result = assay_database_integer(database, &version, 0, status, "SELECT schema_version FROM version_info", "");
  if (result == 0 && version != 12)
    result = assay_status_set(status, ASSAY_E_STORAGE, "%s: has version %lld of Optuna's tables, and only 12 is known here; choose another file",
                              database->path, (long long)version);
  if (result == 0)
    result = assay_database_run(database, status, "INSERT INTO alembic_version SELECT ? WHERE NOT EXISTS (SELECT 1 FROM alembic_version)", "t",
                                alembic_version == NULL ? "v3.2.0.a" : alembic_version);
  return result;
}

void assay_time_print(char text[32]) {
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  const size_t length = strftime(text, 24, "%Y-%m-%d %H:%M:%S", &parts);
  snprintf(text + length, 32 - length, ".%06ld", now.tv_nsec / 1000);
}
