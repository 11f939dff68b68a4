/* SPDX-License-Identifier: MIT
 *
 * Several workers on one study, and workers that are killed: no trial is lost, doubled or repeated, and every point can be computed again.
 */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static void pause_for(double seconds) {
  struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
  while (nanosleep(&left, &left) != 0) continue;
}

/* A worker's life in a child: claim, work, tell, until nothing is left. Exit code 0; 1 and a message when something failed. */
static void work(const struct assay_plugin *plugin, uint32_t trials, double seconds, pid_t supervisor) {
  const struct assay_study_facts wanted = facts(false, 11);
  struct assay_study *study = NULL;
  const struct asker asker = asker_of(plugin);
  int result = assay_study_open(path, &wanted, &study, &status);
  if (result == 0 && supervisor != 0) result = assay_study_set_supervisor(study, supervisor, &status);
  while (result == 0) {
    struct assay_claim taken;
    result = claim(study, &asker, trials, &taken);
    if (result != 0 || taken.outcome == ASSAY_CLAIM_DONE) break;
    if (taken.outcome == ASSAY_CLAIM_WAIT) {
      pause_for(0.002);
      continue;
    }
    result = assay_study_report(study, &taken, 0, worth(taken.point) + 1, &status);
    if (seconds > 0) pause_for(seconds);
    if (result == 0) result = assay_study_complete(study, &taken, worth(taken.point), &status);
  }
  assay_study_close(study);
  if (result != 0) fprintf(stderr, "worker %d: %s\n", (int)getpid(), status.message);
  _exit(result == 0 ? 0 : 1);
}

static int exit_code(pid_t child) {
  int code;
  ck_assert_int_eq(waitpid(child, &code, 0), child);
  return WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}

static void run_workers(int count, const struct assay_plugin *plugin, uint32_t trials, double seconds) {
  pid_t children[16];
  for (int i = 0; i < count; i++) {
    children[i] = fork();
    if (children[i] == 0) work(plugin, trials, seconds, 0);
  }
  for (int i = 0; i < count; i++) ck_assert_int_eq(exit_code(children[i]), 0);
}

static void assert_whole(uint32_t trials) {
  char expected[64];
  snprintf(expected, sizeof expected, "%u %u 0 %u", trials, trials, trials - 1);
  ck_assert_str_eq(look("SELECT COUNT(*) || ' ' || COUNT(DISTINCT number) || ' ' || MIN(number) || ' ' || MAX(number) FROM trials WHERE state = 'COMPLETE'"),
                   expected);
  snprintf(expected, sizeof expected, "%u", trials);
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trial_values"), expected);
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trial_intermediate_values"), expected);
  ck_assert_str_eq(look("SELECT COUNT(*) FROM assay_leases"), "0");
}

START_TEST(workers_share_a_new_study) {
  /* All of them create it at the same moment; none may see "database is locked". */
  run_workers(8, &assay_search_random, 120, 0.002);
  assert_whole(120);
  ck_assert_str_eq(look("SELECT COUNT(*) FROM assay_attempts"), "120"); /* nobody took another's trial */
  ck_assert_str_eq(look("SELECT COUNT(*) FROM studies"), "1");
  ck_assert_int_gt(atoi(look("SELECT COUNT(DISTINCT process) FROM assay_attempts")), 1);
}
END_TEST

START_TEST(every_point_is_computed_again_from_its_mark) {
  run_workers(4, &assay_search_tpe, 80, 0.001);
  assert_whole(80);
  struct assay_study *study;
  assert_done(assay_study_read(path, NULL, &study, &status));
  const struct asker asker = asker_of(&assay_search_tpe);
  const struct assay_trial_record *const *records;
  uint32_t count;
  assert_done(assay_study_list(study, arena, &records, &count, &status));
  for (uint32_t i = 0; i < count; i++) {
    double point[AXES];
    assert_done(assay_study_recompute(study, i, asker.search, asker.options, point, &status));
    ck_assert_msg(same_point(point, records[i]->point), "trial %u", i);
  }
  /* The test means something only if workers did run at the same time. */
  ck_assert_int_gt(atoi(look("SELECT COUNT(*) FROM assay_trials a WHERE EXISTS (SELECT 1 FROM assay_trials b WHERE b.asked <= a.mark AND b.told > a.mark)")),
                   10);
  assay_study_close(study);
}
END_TEST

/* One worker in a process, with a supervisor of its own in the same process group; the supervisor's number. */
static pid_t start_search(const struct assay_plugin *plugin, uint32_t trials, double work_seconds) {
  const pid_t supervisor = fork();
  if (supervisor == 0) {
    setpgid(0, 0);
    const pid_t self = getpid(), worker = fork();
    if (worker == 0) work(plugin, trials, work_seconds, self);
    int code = 1;
    waitpid(worker, &code, 0);
    _exit(WIFEXITED(code) ? WEXITSTATUS(code) : 1);
  }
  setpgid(supervisor, supervisor);
  return supervisor;
}

/* Kills supervisor and worker in one stroke, if they still run. */
static void kill_search(pid_t supervisor) {
  kill(-supervisor, SIGKILL);
  const int code = exit_code(supervisor);
  ck_assert_msg(code == 0 || code == 128 + SIGKILL, "%d", code);
}

/* Numbers, points and values of all complete trials. */
static const struct assay_trial_record *const *complete_trials(uint32_t *count) {
  struct assay_study *study;
  const struct assay_trial_record *const *records;
  if (access(path, F_OK) != 0 || assay_study_read(path, NULL, &study, &status) != 0) {
    *count = 0; /* killed before there was a study */
    return NULL;
  }
  assert_done(assay_study_list(study, arena, &records, count, &status));
  assay_study_close(study);
  return records;
}

static double clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

START_TEST(kills_neither_lose_nor_repeat_trials) {
  enum { TRIALS = 60, KILLS = 50 };
  /* The search, left alone; and started once more with nothing to do, which tells how long a start takes. */
  snprintf(path, sizeof path, "%s/undisturbed.db", folder);
  ck_assert_int_eq(exit_code(start_search(&assay_search_tpe, TRIALS, 0)), 0);
  uint32_t count, before = 0;
  const struct assay_trial_record *const *undisturbed = complete_trials(&count);
  ck_assert_uint_eq(count, TRIALS);
  const double from = clock_now();
  ck_assert_int_eq(exit_code(start_search(&assay_search_tpe, TRIALS, 0)), 0);
  const double start = clock_now() - from;
  /* The same, killed again and again. */
  snprintf(path, sizeof path, "%s/study.db", folder);
  struct assay_random random = assay_random_seed(2026, 0);
  const struct assay_trial_record *const *old = NULL;
  for (int i = 0; i < KILLS; i++) {
    const pid_t search = start_search(&assay_search_tpe, TRIALS, 0.003);
    pause_for((start + 0.02) * assay_random_uniform(&random));
    kill_search(search);
    const struct assay_trial_record *const *now = complete_trials(&count);
    for (uint32_t j = 0; j < before; j++) { /* what was finished stays as it was */
      if (old[j]->state != ASSAY_TRIAL_COMPLETE) continue;
      ck_assert_uint_eq(now[j]->state, ASSAY_TRIAL_COMPLETE);
      ck_assert(now[j]->value == old[j]->value && same_point(now[j]->point, old[j]->point));
    }
    old = now;
    before = count;
  }
  ck_assert_int_gt(atoi(look("SELECT COUNT(*) FROM assay_attempts WHERE outcome = 'interrupted'")), 5);
  ck_assert_int_eq(exit_code(start_search(&assay_search_tpe, TRIALS, 0)), 0);
  assert_whole(TRIALS);
  const struct assay_trial_record *const *resumed = complete_trials(&count);
  ck_assert_uint_eq(count, TRIALS);
  for (uint32_t i = 0; i < TRIALS; i++)
    ck_assert_msg(same_point(resumed[i]->point, undisturbed[i]->point) && resumed[i]->value == undisturbed[i]->value, "trial %u", i);
}
END_TEST

/* A child that claims one trial and dies without a word; the claim's number comes back as its exit code. */
static int claim_and_die(void) {
  const pid_t child = fork();
  if (child == 0) {
    const struct assay_study_facts wanted = facts(false, 11);
    struct assay_study *study;
    const struct asker asker = asker_of(&assay_search_random);
    struct assay_claim taken;
    if (assay_study_open(path, &wanted, &study, &status) != 0 || claim(study, &asker, 100, &taken) != 0) _exit(99);
    if (assay_study_report(study, &taken, 0, 1, &status) != 0 || assay_study_heartbeat(study, &taken, "epoch 1 of 30", &status) != 0) _exit(98);
    _exit((int)taken.number);
  }
  return exit_code(child);
}

START_TEST(a_trial_that_kills_its_workers_fails_after_three) {
  struct assay_study *study = open_study(false, 11);
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 100, &taken));
  assert_done(assay_study_complete(study, &taken, 1, &status));
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(claim_and_die(), 1);
    struct assay_study_counts counts;
    assert_done(assay_study_count(study, &counts, &status));
    ck_assert(counts.running == 0 && counts.waiting == 1); /* its death is known at once */
  }
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trial_params WHERE trial_id = 2 AND param_name = 'layer.blocks'"), "1"); /* one point for all attempts */
  assert_done(claim(study, &asker, 100, &taken));
  ck_assert_uint_eq(taken.number, 2);
  ck_assert_str_eq(look("SELECT state FROM trials WHERE number = 1"), "FAIL");
  ck_assert_str_eq(look("SELECT value_json FROM trial_user_attributes WHERE trial_id = 2"), "\"its worker died in every one of three attempts\"");
  ck_assert_str_eq(look("SELECT COUNT(*) FROM trial_intermediate_values"), "0"); /* reports of dead attempts are gone */
  const struct assay_history *history;
  assert_done(assay_study_history(study, taken.mark, arena, &history, &status));
  ck_assert_uint_eq(history->trial_count, 2);
  ck_assert_uint_eq(history->trials[1]->state, ASSAY_TRIAL_FAILED);
  assay_study_close(study);
}
END_TEST

START_TEST(a_retried_trial_keeps_its_point) {
  ck_assert_int_eq(claim_and_die(), 0);
  struct assay_study *study = open_study(false, 11);
  const struct asker asker = asker_of(&assay_search_random);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 100, &taken));
  assert_done(assay_study_complete(study, &taken, 1, &status));
  ck_assert_int_eq(claim_and_die(), 1);
  const double rate = atof(look("SELECT printf('%.17g', param_value) FROM trial_params WHERE trial_id = 2 AND param_name = 'optimizer.learning_rate'"));
  const struct asker other = asker_of(&assay_search_tpe); /* would choose another point, were it asked */
  assert_done(claim(study, &other, 100, &taken));
  ck_assert_uint_eq(taken.number, 1);
  ck_assert_uint_eq(taken.attempt, 2);
  ck_assert_double_eq(taken.point[1], rate);
  assay_study_close(study);
}
END_TEST

START_TEST(a_search_killed_as_a_whole_is_no_attempt) {
  assay_study_close(open_study(false, 11));
  for (int i = 0; i < 5; i++) {
    const pid_t search = start_search(&assay_search_random, 1, 60);
    char held[128];
    snprintf(held, sizeof held, "SELECT COUNT(*) FROM assay_leases WHERE attempt = %d", i + 1);
    while (strcmp(look(held), "1") != 0) pause_for(0.002);
    kill_search(search);
  }
  ck_assert_str_eq(look("SELECT attempts || ' ' || deaths || ' ' || state FROM assay_trials JOIN trials USING (trial_id)"), "5 0 RUNNING");
  ck_assert_int_eq(exit_code(start_search(&assay_search_random, 1, 0)), 0);
  assert_whole(1);
}
END_TEST

START_TEST(zombies_are_dead_and_the_living_keep_their_trials) {
  int ends[2];
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  struct assay_study *study = open_study(false, 11);
  const struct asker asker = asker_of(&assay_search_random);
  const pid_t child = fork();
  if (child == 0) {
    const struct assay_study_facts wanted = facts(false, 11);
    struct assay_study *own;
    struct assay_claim taken;
    if (assay_study_open(path, &wanted, &own, &status) != 0 || claim(own, &asker, 1, &taken) != 0) _exit(1);
    if (assay_study_heartbeat(own, &taken, "epoch 7 of 30", &status) != 0) _exit(1);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ck_assert_int_eq((int)read(ends[0], &byte, 1), 1);
  struct assay_claim taken;
  assert_done(claim(study, &asker, 1, &taken));
  ck_assert_uint_eq(taken.outcome, ASSAY_CLAIM_WAIT);
  const struct assay_running *running;
  uint32_t count;
  assert_done(assay_study_running(study, arena, &running, &count, &status));
  ck_assert_uint_eq(count, 1);
  ck_assert_int_eq((int)running[0].process, child);
  ck_assert(running[0].alive && running[0].silent < 30);
  ck_assert_str_eq(running[0].progress, "epoch 7 of 30");
  kill(child, SIGKILL);
  siginfo_t info;
  ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0); /* dead, but not yet reaped */
  assert_done(claim(study, &asker, 1, &taken));
  ck_assert_uint_eq(taken.outcome, ASSAY_CLAIM_TRIAL);
  ck_assert_uint_eq(taken.attempt, 2);
  exit_code(child);
  close(ends[0]);
  close(ends[1]);
  assay_study_close(study);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("workers");
  TCase *tests = tcase_create("workers");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_test(tests, workers_share_a_new_study);
  tcase_add_test(tests, every_point_is_computed_again_from_its_mark);
  tcase_add_test(tests, kills_neither_lose_nor_repeat_trials);
  tcase_add_test(tests, a_trial_that_kills_its_workers_fails_after_three);
  tcase_add_test(tests, a_retried_trial_keeps_its_point);
  tcase_add_test(tests, a_search_killed_as_a_whole_is_no_attempt);
  tcase_add_test(tests, zombies_are_dead_and_the_living_keep_their_trials);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
