/* SPDX-License-Identifier: MIT
 *
 * The study as one worker sees it: what is stored and how, what plugins are shown, what is refused, and what a broken disk does.
 */
#include "fixture.h"

#include "study/database.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- what is stored ---- */

START_TEST(parameters_are_stored_as_optuna_does) {
  struct assay_study *study = open_study(false, 1);
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 3, &taken));
  ck_assert_uint_eq(taken.outcome, ASSAY_CLAIM_TRIAL);
  ck_assert_uint_eq(taken.number, 0);
  ck_assert_uint_eq(taken.origin, ASSAY_POINT_DEFAULTS);
  const double defaults[AXES] = {1, 0.001, 3, NAN, 2};
  ck_assert(same_point(taken.point, defaults));
  assert_done(assay_study_complete(study, &taken, 0.25, &status));
  /* Literally as Optuna 3.1 to 5.0 write them. */
  ck_assert_str_eq(look("SELECT distribution_json FROM trial_params WHERE param_name = 'optimizer.learning_rate'"),
                   "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0001, \"high\": 0.01, \"log\": true}}");
  ck_assert_str_eq(look("SELECT distribution_json FROM trial_params WHERE param_name = 'layer.blocks'"),
                   "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 2, \"high\": 8}}");
  ck_assert_str_eq(look("SELECT distribution_json FROM trial_params WHERE param_name = 'layer.activation'"),
                   "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"relu\", \"tanh\", \"leaky_relu\"]}}");
  ck_assert_str_eq(look("SELECT distribution_json FROM trial_params WHERE param_name = 'layer.channels'"),
                   "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [4, 8, 0.5]}}");
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trial_params WHERE param_name = 'layer.slope'"), "0"); /* inactive */
  ck_assert_str_eq(look("SELECT param_value FROM trial_params WHERE param_name = 'layer.activation'"), "1.0");
  ck_assert_str_eq(look("SELECT direction FROM study_directions"), "MINIMIZE");
  ck_assert_str_eq(look("SELECT schema_version FROM version_info"), "12");
  ck_assert_str_eq(look("SELECT version_num FROM alembic_version"), "v3.2.0.a");
  ck_assert_str_eq(look("SELECT value || value_type FROM trial_values"), "0.25FINITE");
  ck_assert_str_eq(look("PRAGMA journal_mode"), "wal");
  assay_study_close(study);
}
END_TEST

START_TEST(numbers_are_printed_as_python_does) {
  static const struct {
    double low, high;
    const char *text;
  } cases[] = {{1e-5, 100000, "\"low\": 1e-05, \"high\": 100000.0"},           {0.5, 1e16, "\"low\": 0.5, \"high\": 1e+16"},
               {-3, 123456789, "\"low\": -3.0, \"high\": 123456789.0"},        {0.1, 1234567.5, "\"low\": 0.1, \"high\": 1234567.5"},
               {0.00012345, 2.5e22, "\"low\": 0.00012345, \"high\": 2.5e+22"}, {0, 9007199254740991, "\"low\": 0.0, \"high\": 9007199254740991.0"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct assay_dimension axis = {
        .struct_size = sizeof axis, .kind = ASSAY_DOMAIN_REAL, .name = "x", .low = cases[i].low, .high = cases[i].high, .default_value = 1, .parent = -1};
    const struct assay_dimension *const pointer = &axis;
    const struct assay_space line = {sizeof line, 1, &pointer};
    struct assay_study_facts wanted = facts(false, 1);
    wanted.space = &line;
    struct assay_study *study;
    assert_done(assay_study_open(path, &wanted, &study, &status));
    const struct asker asker = asker_of(&assay_search_random);
    struct assay_claim taken;
    assert_done(claim(study, &asker, 1, &taken));
    ck_assert_ptr_nonnull(strstr(look("SELECT distribution_json FROM trial_params"), cases[i].text));
    assay_study_close(study);
    ck_assert_int_eq(unlink(path), 0);
  }
}
END_TEST

/* Trials of every kind, for a maximised objective. */
static struct assay_study *varied_study(void) {
  struct assay_study *study = open_study(true, 5);
  const struct asker asker = asker_of(&assay_search_random);
  for (uint32_t i = 0; i < 6; i++) {
    struct assay_claim taken;
    assert_done(claim(study, &asker, 6, &taken));
    ck_assert_uint_eq(taken.number, i);
    for (uint32_t step = 0; step < 3; step++)
      assert_done(assay_study_report(study, &taken, 2 - step, i == 2 && step == 2 ? NAN : i == 3 && step == 0 ? INFINITY : 0.1 * step, &status));
    assert_done(assay_study_set_trial_attribute(study, &taken, "epochs", i == 1 ? "[3, 4]" : "\"old\"", &status));
    assert_done(assay_study_set_trial_attribute(study, &taken, "epochs", "[3, 5]", &status));
    if (i == 3) assert_done(assay_study_pruned(study, &taken, &status));
    else if (i == 4) assert_done(assay_study_failed(study, &taken, "the loss is not a number in epoch 2 (\"fold 1\")", &status));
    else if (i == 5) assert_done(assay_study_complete(study, &taken, -INFINITY, &status));
    else assert_done(assay_study_complete(study, &taken, i == 1 ? 0.9 : 0.5, &status));
  }
  return study;
}

START_TEST(trials_are_listed_as_stored) {
  struct assay_study *study = varied_study();
  const struct assay_trial_record *const *records, *best;
  uint32_t count;
  assert_done(assay_study_list(study, arena, &records, &count, &status));
  ck_assert_uint_eq(count, 6);
  static const uint32_t states[] = {ASSAY_TRIAL_COMPLETE, ASSAY_TRIAL_COMPLETE, ASSAY_TRIAL_COMPLETE,
                                    ASSAY_TRIAL_PRUNED,   ASSAY_TRIAL_FAILED,   ASSAY_TRIAL_COMPLETE};
  for (uint32_t i = 0; i < 6; i++) {
    ck_assert_uint_eq(records[i]->number, i);
    ck_assert_uint_eq(records[i]->state, states[i]);
    ck_assert_uint_eq(records[i]->attempts, 1);
    ck_assert_uint_eq(records[i]->intermediate_count, 3);
    for (uint32_t j = 0; j < 3; j++) ck_assert_uint_eq(records[i]->steps[j], j);
    ck_assert_uint_eq(records[i]->attribute_count, i == 4 ? 2 : 1);
    ck_assert_str_eq(records[i]->attributes[0].json, "[3, 5]");
    ck_assert_int_eq((int)strlen(records[i]->started), 26);
    ck_assert(records[i]->seconds >= 0 && records[i]->seconds < 60);
  }
  ck_assert_double_eq(records[1]->value, 0.9);
  ck_assert_double_eq(records[1]->intermediates[0], 0.2);
  ck_assert_double_nan(records[2]->intermediates[0]);
  ck_assert_double_eq(records[3]->value, INFINITY); /* the last result before it was stopped */
  ck_assert_str_eq(records[4]->reason, "the loss is not a number in epoch 2 (\"fold 1\")");
  ck_assert_double_nan(records[4]->value);
  ck_assert_double_eq(records[5]->value, -INFINITY);
  assert_done(assay_study_best(study, arena, &best, &status));
  ck_assert_uint_eq(best->number, 1);
  struct assay_study_counts counts;
  assert_done(assay_study_count(study, &counts, &status));
  ck_assert(counts.complete == 4 && counts.pruned == 1 && counts.failed == 1 && counts.running == 0 && counts.waiting == 0);
  assay_study_close(study);
}
END_TEST

START_TEST(plugins_see_a_maximised_objective_turned_around) {
  struct assay_study *study = varied_study();
  const struct assay_history *history;
  assert_done(assay_study_history(study, INT64_MAX, arena, &history, &status));
  ck_assert_uint_eq(history->trial_count, 6);
  ck_assert_double_eq(history->trials[1]->value, -0.9);
  ck_assert_double_eq(history->trials[1]->intermediates[0], -0.2);
  ck_assert_double_eq(history->trials[5]->value, INFINITY);
  ck_assert_double_nan(history->trials[3]->value);
  ck_assert_uint_eq(history->trials[3]->state, ASSAY_TRIAL_PRUNED);
  ck_assert_double_eq(history->trials[3]->intermediates[2], -INFINITY);
  ck_assert_uint_eq(history->trials[4]->state, ASSAY_TRIAL_FAILED);
  /* One worker: each ask saw all earlier trials ended and nothing else. */
  for (uint32_t number = 1; number < 6; number++) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT mark FROM assay_trials JOIN trials USING (trial_id) WHERE number = %u", number);
    assert_done(assay_study_history(study, strtoll(look(sql), NULL, 10), arena, &history, &status));
    ck_assert_uint_eq(history->trial_count, number);
    for (uint32_t i = 0; i < number; i++) ck_assert_uint_ne(history->trials[i]->state, ASSAY_TRIAL_RUNNING);
  }
  assay_study_close(study);
}
END_TEST

START_TEST(a_study_is_read_without_its_configuration) {
  struct assay_study *study = varied_study();
  const char *json;
  assert_done(assay_study_set_attribute(study, "assay:version", "\"0.1.0\"", &status));
  ck_assert_int_eq(assay_study_set_attribute(study, "broken", "{", &status), ASSAY_E_FAILED);
  double total;
  assert_done(assay_study_spend(study, 2.5, &total, &status));
  assert_done(assay_study_spend(study, 1.25, &total, &status));
  assay_study_close(study);
  assert_done(assay_study_read(path, NULL, &study, &status));
  ck_assert_str_eq(assay_study_name(study), "casting");
  ck_assert(assay_study_maximises(study));
  ck_assert_uint_eq(assay_study_seed(study), 5);
  const struct assay_space *read = assay_study_space(study);
  ck_assert_uint_eq(read->dimension_count, AXES);
  for (int i = 0; i < AXES; i++) {
    const struct assay_dimension *a = read->dimensions[i], *b = &axes[i];
    ck_assert_str_eq(a->name, b->name);
    ck_assert(a->kind == b->kind && a->low == b->low && a->high == b->high && a->step == b->step && a->logarithmic == b->logarithmic &&
              a->choice_count == b->choice_count && a->default_value == b->default_value && a->parent == b->parent && a->parent_choice == b->parent_choice);
  }
  ck_assert_str_eq(assay_study_value_text(study, 0, 2, arena), "leaky_relu");
  ck_assert_str_eq(assay_study_value_text(study, 1, 0.0015, arena), "0.0015");
  ck_assert_str_eq(assay_study_value_text(study, 2, 7, arena), "7");
  assert_done(assay_study_attribute(study, "assay:version", arena, &json, &status));
  ck_assert_str_eq(json, "\"0.1.0\"");
  assert_done(assay_study_attribute(study, "absent", arena, &json, &status));
  ck_assert_ptr_null(json);
  assert_done(assay_study_spend(study, 0, &total, &status));
  ck_assert_double_eq(total, 3.75);
  assay_study_close(study);
  ck_assert_int_eq(assay_study_read(path, "other", &study, &status), ASSAY_E_STORAGE);
  ck_assert_ptr_null(study);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(another_space_direction_or_seed_is_refused) {
  assay_study_close(open_study(false, 1));
  struct assay_study *study;
  struct assay_study_facts wanted = facts(true, 1);
  ck_assert_int_eq(assay_study_open(path, &wanted, &study, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "minimised"));
  wanted = facts(false, 2);
  ck_assert_int_eq(assay_study_open(path, &wanted, &study, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "seed 1"));
  struct assay_dimension wider = axes[1];
  wider.high = 0.02;
  const struct assay_dimension *const changed[AXES] = {&axes[0], &wider, &axes[2], &axes[3], &axes[4]};
  const struct assay_space other = {sizeof other, AXES, changed}, shorter = {sizeof shorter, AXES - 1, axis_pointers};
  wanted = facts(false, 1);
  wanted.space = &other;
  ck_assert_int_eq(assay_study_open(path, &wanted, &study, &status), ASSAY_E_CONFIG);
  ck_assert_msg(strstr(status.message, "optimizer.learning_rate differs") != NULL, "%s", status.message);
  wanted.space = &shorter;
  ck_assert_int_eq(assay_study_open(path, &wanted, &study, &status), ASSAY_E_CONFIG);
  ck_assert_msg(strstr(status.message, "layer.channels is no longer searched") != NULL, "%s", status.message);
  assay_study_close(open_study(false, 1)); /* the same again is fine */
}
END_TEST

START_TEST(claims_that_were_lost_write_nothing) {
  struct assay_study *study = open_study(false, 1), *other = open_study(false, 1);
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_claim first, second;
  assert_done(claim(study, &asker, 5, &first));
  assert_done(assay_study_give_back(study, &first, &status));
  assert_done(claim(other, &asker, 5, &second));
  ck_assert_uint_eq(second.number, 0);
  ck_assert_uint_eq(second.attempt, 2);
  ck_assert_int_eq(assay_study_heartbeat(study, &first, "epoch 3", &status), ASSAY_E_FAILED);
  ck_assert_int_eq(assay_study_complete(study, &first, 1, &status), ASSAY_E_FAILED);
  ck_assert_int_eq(assay_study_report(study, &first, 0, 1, &status), ASSAY_E_FAILED);
  ck_assert_int_eq(assay_study_complete(other, &second, NAN, &status), ASSAY_E_NONFINITE);
  assert_done(assay_study_complete(other, &second, 2, &status));
  ck_assert_int_eq(assay_study_complete(other, &second, 3, &status), ASSAY_E_FAILED); /* twice */
  ck_assert_str_eq(look("SELECT value FROM trial_values"), "2.0");
  assay_study_close(study);
  assay_study_close(other);
}
END_TEST

/* Searches that do not keep their word. */
static int ask_outside(const struct assay_option_value *const *options, const struct assay_space *s, const struct assay_history *history, uint32_t number,
                       const double *fixed, struct assay_random *random, double *point, struct assay_status *told) {
  (void)options, (void)history, (void)number, (void)fixed, (void)random, (void)told;
  for (uint32_t i = 0; i < s->dimension_count; i++) point[i] = i == 1 ? 0.5 : i == 3 ? NAN : 2;
  point[0] = 0;
  return 0;
}

static int ask_nothing(const struct assay_option_value *const *options, const struct assay_space *s, const struct assay_history *history, uint32_t number,
                       const double *fixed, struct assay_random *random, double *point, struct assay_status *told) {
  (void)options, (void)s, (void)history, (void)number, (void)fixed, (void)random, (void)point;
  snprintf(told->message, sizeof told->message, "used up");
  return told->code = ASSAY_E_FINDINGS;
}

START_TEST(points_outside_the_space_are_refused) {
  struct assay_study *study = open_study(false, 1);
  const struct assay_search outside = {sizeof outside, 0, ask_outside, NULL}, nothing = {sizeof nothing, 0, ask_nothing, NULL};
  const struct asker bad = {&outside, NULL}, empty = {&nothing, NULL};
  struct assay_claim taken;
  assert_done(claim(study, &bad, 9, &taken)); /* the defaults are not asked for */
  assert_done(assay_study_complete(study, &taken, 1, &status));
  ck_assert_int_eq(claim(study, &bad, 9, &taken), ASSAY_E_PLUGIN);
  ck_assert_msg(strstr(status.message, "0.5 for optimizer.learning_rate") != NULL, "%s", status.message);
  assert_done(claim(study, &empty, 9, &taken));
  ck_assert_uint_eq(taken.outcome, ASSAY_CLAIM_DONE);
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trials"), "1"); /* nothing is left behind */
  const struct asker good = asker_of(&assay_search_random);
  assert_done(claim(study, &good, 9, &taken));
  ck_assert_uint_eq(taken.number, 1);
  assay_study_close(study);
}
END_TEST

START_TEST(a_grid_ends_when_it_is_used_up) {
  const struct assay_dimension pair = {
      .struct_size = sizeof pair, .kind = ASSAY_DOMAIN_CHOICE, .name = "x", .choice_count = 3, .default_value = 1, .parent = -1};
  const struct assay_dimension *const pointer = &pair;
  const struct assay_space three = {sizeof three, 1, &pointer};
  struct assay_study_facts wanted = facts(false, 1);
  wanted.space = &three;
  struct assay_study *study;
  assert_done(assay_study_open(path, &wanted, &study, &status));
  const struct asker grid = asker_of(&assay_search_grid);
  struct assay_claim taken;
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    assert_done(claim(study, &grid, 100, &taken));
    sum += taken.point[0];
    assert_done(assay_study_complete(study, &taken, 1, &status));
  }
  ck_assert_double_eq(sum, 0 + 1 + 2);
  assert_done(claim(study, &grid, 100, &taken));
  ck_assert_uint_eq(taken.outcome, ASSAY_CLAIM_DONE);
  assay_study_close(study);
}
END_TEST

/* ---- together with Optuna's own programs ---- */

START_TEST(enqueued_trials_come_first_and_others_join_the_history) {
  struct assay_study *study = open_study(false, 1);
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 2, &taken));
  assert_done(assay_study_complete(study, &taken, 1, &status));
  /* As study.enqueue_trial({...}) leaves it. */
  look("INSERT INTO trials (number, study_id, state) VALUES (1, 1, 'WAITING')");
  look("INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (2, 'fixed_params', '{\"layer.activation\": \"leaky_relu\", \"layer.channels\": "
       "0.5, \"strange\": 1}')");
  struct assay_study_counts counts;
  assert_done(assay_study_count(study, &counts, &status));
  ck_assert_uint_eq(counts.waiting, 1);
  assert_done(claim(study, &asker, 2, &taken));
  ck_assert_uint_eq(taken.number, 1);
  ck_assert_uint_eq(taken.origin, ASSAY_POINT_ENQUEUED);
  ck_assert_double_eq(taken.point[0], 2);
  ck_assert_double_eq(taken.point[4], 2);
  ck_assert(!isnan(taken.point[1]) && !isnan(taken.point[3]));
  double again[AXES];
  assert_done(assay_study_recompute(study, 1, asker.search, asker.options, again, &status));
  ck_assert(same_point(again, taken.point));
  assert_done(assay_study_complete(study, &taken, 1, &status));
  /* As study.optimize leaves a trial of its own. */
  look("INSERT INTO trials (number, study_id, state) VALUES (2, 1, 'COMPLETE')");
  look("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (3, 0, 0.125, 'FINITE')");
  look("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) SELECT 3, param_name, param_value, distribution_json FROM trial_params "
       "WHERE trial_id = 1");
  assert_done(claim(study, &asker, 4, &taken));
  ck_assert_uint_eq(taken.number, 3);
  const struct assay_history *history;
  assert_done(assay_study_history(study, taken.mark, arena, &history, &status));
  ck_assert_uint_eq(history->trial_count, 3);
  ck_assert_double_eq(history->trials[2]->value, 0.125);
  assay_study_close(study);
}
END_TEST

/* ---- pruning ---- */

static int prune_above_own_first(const struct assay_option_value *const *options, const struct assay_history *history, const struct assay_trial *trial) {
  (void)options;
  ck_assert_uint_eq(trial->state, ASSAY_TRIAL_RUNNING);
  return history->trial_count == 2 && trial->intermediate_count == 2 && trial->steps[1] == 7 && trial->intermediates[1] > trial->intermediates[0];
}

START_TEST(pruners_see_reports_and_history) {
  struct assay_study *study = open_study(true, 1);
  const struct asker asker = asker_of(&assay_search_random);
  const struct assay_pruner pruner = {sizeof pruner, 0, prune_above_own_first};
  struct assay_claim taken;
  bool stop;
  assert_done(claim(study, &asker, 2, &taken));
  assert_done(assay_study_complete(study, &taken, 1, &status));
  assert_done(claim(study, &asker, 2, &taken));
  assert_done(assay_study_report(study, &taken, 0, 0.8, &status));
  assert_done(assay_study_should_prune(study, &taken, &pruner, NULL, &stop, &status));
  ck_assert(!stop);
  assert_done(assay_study_report(study, &taken, 7, 0.6, &status)); /* lower is worse here, so it must look higher */
  assert_done(assay_study_should_prune(study, &taken, &pruner, NULL, &stop, &status));
  ck_assert(stop);
  assert_done(assay_study_pruned(study, &taken, &status));
  ck_assert_str_eq(look("SELECT value FROM trial_values WHERE trial_id = 2"), "0.6");
  assay_study_close(study);
}
END_TEST

/* ---- storage that fails ---- */

static void assert_refused(const char *where, const char *words) {
  const struct assay_study_facts wanted = facts(false, 1);
  struct assay_study *study;
  ck_assert_int_eq(assay_study_open(where, &wanted, &study, &status), ASSAY_E_STORAGE);
  ck_assert_ptr_null(study);
  ck_assert_msg(strstr(status.message, words) != NULL && strstr(status.message, where) != NULL, "%s", status.message);
}

START_TEST(places_where_no_study_can_be_are_refused) {
  assert_refused(folder, "cannot be opened for writing");
  char missing[128];
  snprintf(missing, sizeof missing, "%s/none/study.db", folder);
  assert_refused(missing, "No such file");
  FILE *file = fopen(path, "w");
  for (int i = 0; i < 3000; i++) fputs("This is no study.\n", file);
  fclose(file);
  assert_refused(path, "is damaged, or is no SQLite file");
  struct assay_study *study;
  ck_assert_int_eq(assay_study_read(missing, NULL, &study, &status), ASSAY_E_STORAGE);
  ck_assert_int_eq(assay_study_read(path, NULL, &study, &status), ASSAY_E_STORAGE);
}
END_TEST

START_TEST(a_damaged_study_is_an_error_not_a_crash) {
  assay_study_close(varied_study());
  struct stat size;
  ck_assert_int_eq(stat(path, &size), 0);
  uint32_t failures = 0;
  for (off_t page = 1; page < size.st_size / 4096; page++) {
    char copy[160], command[400];
    snprintf(copy, sizeof copy, "%s/damaged.db", folder);
    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    ck_assert_int_eq(system(command), 0);
    const int file = open(copy, O_RDWR | O_CLOEXEC);
    unsigned char noise[4096];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (unsigned char)(i * 131 + (size_t)page * 17 + 255);
    ck_assert_int_eq((int)pwrite(file, noise, sizeof noise, page * 4096), 4096);
    close(file);
    const struct assay_study_facts wanted = facts(true, 5);
    struct assay_study *study;
    const struct assay_trial_record *const *records;
    uint32_t count;
    const struct asker asker = asker_of(&assay_search_random);
    struct assay_claim taken;
    int result = assay_study_open(copy, &wanted, &study, &status);
    if (result == 0) result = assay_study_list(study, arena, &records, &count, &status);
    if (result == 0) result = claim(study, &asker, 9, &taken);
    if (result == 0 && taken.outcome == ASSAY_CLAIM_TRIAL) result = assay_study_complete(study, &taken, 1, &status);
    assay_study_close(study);
    ck_assert_msg(result == 0 || (result == ASSAY_E_STORAGE && strstr(status.message, "study") != NULL), "page %d: %d %s", (int)page, result, status.message);
    failures += result != 0;
    unlink(copy);
  }
  ck_assert_uint_ge(failures, 10);
}
END_TEST

/* Runs `work` in a child and gives its exit code. */
static int in_child(void (*work)(void)) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int code;
  ck_assert_int_eq(waitpid(child, &code, 0), child);
  return WIFEXITED(code) ? WEXITSTATUS(code) : 128;
}

static void work_without_space(void) {
  struct stat size;
  stat(path, &size);
  const struct rlimit limit = {(rlim_t)size.st_size + 16384, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  struct assay_study *study;
  const struct assay_study_facts wanted = facts(false, 1);
  int result = assay_study_open(path, &wanted, &study, &status);
  const struct asker asker = asker_of(&assay_search_random);
  for (int i = 0; result == 0 && i < 500; i++) {
    struct assay_claim taken;
    result = claim(study, &asker, 10000, &taken);
    if (result == 0) result = assay_study_complete(study, &taken, i, &status);
  }
  assay_study_close(study);
  _exit(result == ASSAY_E_STORAGE && strstr(status.message, path) != NULL ? 42 : 1);
}

START_TEST(a_full_disk_loses_nothing) {
  assay_study_close(open_study(false, 1));
  ck_assert_int_eq(in_child(work_without_space), 42);
  struct assay_study *study = open_study(false, 1); /* space again: it goes on */
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_study_counts before, after;
  struct assay_claim taken;
  assert_done(assay_study_count(study, &before, &status));
  for (int i = 0; i < 5; i++) {
    assert_done(claim(study, &asker, 10000, &taken));
    assert_done(assay_study_complete(study, &taken, i, &status));
  }
  assert_done(assay_study_count(study, &after, &status));
  ck_assert_uint_eq(after.complete, before.complete + 5);
  ck_assert_uint_eq(after.running + after.waiting, 0);
  assay_study_close(study);
  ck_assert_str_eq(look("PRAGMA integrity_check"), "ok");
  ck_assert_str_eq(look("SELECT COUNT(*) - COUNT(DISTINCT number) FROM trials"), "0");
}
END_TEST

static void work_read_only(void) {
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(2);
  struct assay_study *study;
  const struct assay_study_facts wanted = facts(true, 5);
  if (assay_study_open(path, &wanted, &study, &status) != ASSAY_E_STORAGE || strstr(status.message, "check the folder and its permissions") == NULL) _exit(3);
  if (assay_study_read(path, NULL, &study, &status) != 0) _exit(4);
  const struct assay_trial_record *best;
  if (assay_study_best(study, arena, &best, &status) != 0 || best == NULL || best->number != 1) _exit(5);
  assay_study_close(study);
}

START_TEST(a_read_only_folder_can_be_read_not_written) {
  assay_study_close(varied_study());
  ck_assert_int_eq(chmod(path, 0444), 0);
  ck_assert_int_eq(chmod(folder, 0555), 0);
  const int code = in_child(work_read_only);
  chmod(folder, 0755);
  ck_assert_int_eq(code, 0);
}
END_TEST

START_TEST(network_file_systems_are_known) {
  ck_assert_str_eq(assay_network_file_system_name(0x6969, NULL), "NFS"); /* NFS_SUPER_MAGIC and CIFS_SUPER_MAGIC of linux/magic.h */
  ck_assert_str_eq(assay_network_file_system_name(0xFF534D42, NULL), "CIFS");
  ck_assert_str_eq(assay_network_file_system_name(0x65735546, "fuse.sshfs"), "sshfs");
  ck_assert_ptr_null(assay_network_file_system_name(0x65735546, "fuseblk"));
  ck_assert_ptr_null(assay_network_file_system_name(0xEF53, NULL));     /* ext4 */
  ck_assert_ptr_null(assay_network_file_system_name(0x01021994, NULL)); /* tmpfs */
}
END_TEST

/* ---- the real Optuna, where there is one ---- */

START_TEST(optuna_opens_and_continues_a_study) {
  const char *python = getenv("ASSAY_PEERS_PYTHON");
  if (python == NULL || *python == '\0') ASSAY_SKIP("ASSAY_PEERS_PYTHON names no Python with Optuna");
  assay_study_close(varied_study());
  char command[600];
  snprintf(command, sizeof command, "'%s' '%s/tests/study/open_with_optuna.py' '%s'", python, getenv("srcdir") == NULL ? "." : getenv("srcdir"), path);
  ck_assert_int_eq(system(command), 0);
  struct assay_study *study = open_study(true, 5); /* and Optuna's trials are seen here */
  const struct asker asker = asker_of(&assay_search_tpe);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 20, &taken));
  ck_assert_uint_eq(taken.origin, ASSAY_POINT_ENQUEUED);
  ck_assert_double_eq(taken.point[0], 2);
  assert_done(assay_study_complete(study, &taken, 0.1, &status));
  assert_done(claim(study, &asker, 20, &taken));
  const struct assay_history *history;
  assert_done(assay_study_history(study, taken.mark, arena, &history, &status));
  ck_assert_uint_eq(history->trial_count, 6 + 3 + 1);
  assay_study_close(study);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("study");
  TCase *tests = tcase_create("study");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_test(tests, parameters_are_stored_as_optuna_does);
  tcase_add_test(tests, numbers_are_printed_as_python_does);
  tcase_add_test(tests, trials_are_listed_as_stored);
  tcase_add_test(tests, plugins_see_a_maximised_objective_turned_around);
  tcase_add_test(tests, a_study_is_read_without_its_configuration);
  tcase_add_test(tests, another_space_direction_or_seed_is_refused);
  tcase_add_test(tests, claims_that_were_lost_write_nothing);
  tcase_add_test(tests, points_outside_the_space_are_refused);
  tcase_add_test(tests, a_grid_ends_when_it_is_used_up);
  tcase_add_test(tests, enqueued_trials_come_first_and_others_join_the_history);
  tcase_add_test(tests, pruners_see_reports_and_history);
  tcase_add_test(tests, places_where_no_study_can_be_are_refused);
  tcase_add_test(tests, a_damaged_study_is_an_error_not_a_crash);
  tcase_add_test(tests, a_full_disk_loses_nothing);
  tcase_add_test(tests, a_read_only_folder_can_be_read_not_written);
  tcase_add_test(tests, network_file_systems_are_known);
  tcase_add_test(tests, optuna_opens_and_continues_a_study);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
