/* SPDX-License-Identifier: MIT
 *
 * What the tests of the study share: a folder of their own, a conditional space, and searches to ask.
 */
#ifndef ASSAY_TESTS_STUDY_FIXTURE_H
#define ASSAY_TESTS_STUDY_FIXTURE_H

#include "harness.h"

#include "base/arena.h"
#include "base/options.h"
#include "study/study.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

extern const struct assay_plugin assay_search_random, assay_search_grid, assay_search_tpe;

enum { AXES = 5 };

static const struct assay_dimension axes[AXES] = {
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_CHOICE,
     .name = "layer.activation",
     .choice_count = 3,
     .default_value = 1,
     .parent = -1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_REAL,
     .name = "optimizer.learning_rate",
     .low = 0.0001,
     .high = 0.01,
     .logarithmic = 1,
     .default_value = 0.001,
     .parent = -1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_INT,
     .name = "layer.blocks",
     .low = 2,
     .high = 8,
     .step = 1,
     .default_value = 3,
     .parent = -1},
    {.struct_size = sizeof(struct assay_dimension),
     .kind = ASSAY_DOMAIN_REAL,
     .name = "layer.slope",
     .low = 0,
     .high = 0.5,
     .step = 0.25,
     .default_value = 0.25,
     .parent = 0,
     .parent_choice = 2},
    {.struct_size = sizeof(struct assay_dimension), .kind = ASSAY_DOMAIN_CHOICE, .name = "layer.channels", .choice_count = 3, .default_value = 2, .parent = -1},
};
static const struct assay_dimension *const axis_pointers[AXES] = {&axes[0], &axes[1], &axes[2], &axes[3], &axes[4]};
static const struct assay_space space = {sizeof space, AXES, axis_pointers};

static inline const char *choice_text(void *context, uint32_t dimension, uint32_t choice) {
  static const char *const activations[] = {"relu", "tanh", "leaky_relu"}, *const channels[] = {"4", "8", "0.5"};
  (void)context;
  return dimension == 0 ? activations[choice] : channels[choice];
}

static inline struct assay_study_facts facts(bool maximise, uint64_t seed) {
  return (struct assay_study_facts){.name = "casting", .maximise = maximise, .seed = seed, .space = &space, .choice_text = choice_text};
}

static char folder[64], path[128];
static struct assay_arena *arena;
static struct assay_status status;

static inline void begin(void) {
  snprintf(folder, sizeof folder, "/tmp/assay-study-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/study.db", folder);
  arena = assay_arena_create();
}

static inline void end(void) {
  assay_arena_release(arena);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

#define assert_done(call) ck_assert_msg((call) == 0, "%s: %s", #call, status.message)

static inline struct assay_study *open_study(bool maximise, uint64_t seed) {
  const struct assay_study_facts wanted = facts(maximise, seed);
  struct assay_study *study;
  assert_done(assay_study_open(path, &wanted, &study, &status));
  return study;
}

/* A search with its defaults. */
struct asker {
  const struct assay_search *search;
  const struct assay_option_value *const *options;
};

static inline struct asker asker_of(const struct assay_plugin *plugin) {
  static const struct assay_option *const none[] = {NULL};
  struct asker asker = {.search = plugin->vtable};
  assert_done(assay_option_defaults(plugin->options == NULL ? none : plugin->options, arena, &asker.options, &status));
  return asker;
}

static inline int claim(struct assay_study *study, const struct asker *asker, uint32_t trials, struct assay_claim *taken) {
  return assay_study_claim(study, trials, asker->search, asker->options, arena, taken, &status);
}

/* What a trial is worth: least at (relu, 0.002, 5, -, 8). */
static inline double worth(const double *point) {
  double value = fabs(log10(point[1] / 0.002)) + fabs(point[2] - 5) / 4 + (point[4] == 1 ? 0 : 0.3);
  if (point[0] == 1) value += 0.4;
  if (point[0] == 2) value += 0.2 + point[3];
  return value;
}

static inline bool same_point(const double *a, const double *b) {
  for (int i = 0; i < AXES; i++)
    if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) return false;
  return true;
}

/* A statement on the file from outside; the first column of the first row, "" when there is none. */
static inline const char *look(const char *sql) {
  static char text[2048];
  sqlite3 *database;
  sqlite3_stmt *statement;
  ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
  sqlite3_busy_timeout(database, 10000);
  ck_assert_msg(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(database));
  const int code = sqlite3_step(statement);
  ck_assert_msg(code == SQLITE_ROW || code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(database));
  const char *value = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
  snprintf(text, sizeof text, "%s", value == NULL ? "" : value);
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return text;
}

#endif
