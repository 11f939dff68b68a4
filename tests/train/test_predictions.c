/* SPDX-License-Identifier: MIT
 *
 * Sets of predictions: decisions, intervals, thresholds, and the file.
 */
#include "components.h"

#include "base/file.h"
#include "train/predictions.h"

#include <math.h>
#include <unistd.h>

static const char *const classes[] = {"ok", "crack, \"deep\"", "dent"};

/* The fold is also the repeat. */
static void add(struct assay_prediction_set *set, const char *path, int32_t fold, int32_t label, double first, double loss) {
  const double scores[3] = {first, (1 - first) * (set->class_count == 2 ? 1 : 0.75), (1 - first) * 0.25};
  ck_assert_int_eq(assay_predictions_add(set, path, fold < 0 ? ASSAY_PART_TEST : ASSAY_PART_VALIDATION, fold, fold, label, scores, loss, NULL), 0);
}

START_TEST(threshold_decides_for_the_positive_class) {
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 0);
  add(set, "a", 0, 0, 0.5, 0);
  add(set, "b", 0, 0, 0.4999, 0);
  ck_assert_int_eq(set->guesses[0], 0);
  ck_assert_int_eq(set->guesses[1], 1);
  assay_predictions_decide(set, 0.3);
  ck_assert_int_eq(set->guesses[1], 0);
  set->positive = -1; /* then it is the second class that the threshold is for */
  assay_predictions_decide(set, 0.51);
  ck_assert_int_eq(set->guesses[0], 0);
  assay_predictions_decide(set, 0.5);
  ck_assert_int_eq(set->guesses[0], 1);
  assay_predictions_release(set);
}
END_TEST

START_TEST(highest_score_wins_among_many) {
  struct assay_prediction_set *set = assay_predictions_create(3, classes, -1);
  add(set, "a", 0, 1, 0.4, 0); /* 0.4, 0.45, 0.15 */
  add(set, "b", 0, 0, 0.9, 0);
  ck_assert_int_eq(set->guesses[0], 1);
  ck_assert_int_eq(set->guesses[1], 0);
  add(set, "c", 1, 2, 0.9, 0);
  uint64_t counts[9];
  assay_predictions_confusion(set, counts);
  const uint64_t expected[9] = {1, 0, 0, 0, 1, 0, 1, 0, 0};
  ck_assert_mem_eq(counts, expected, sizeof expected);
  struct assay_prediction_set *fold = assay_predictions_select(set, ASSAY_PART_VALIDATION, 1);
  ck_assert_uint_eq(fold->count, 1);
  ck_assert_str_eq(fold->paths[0], "c");
  assay_predictions_release(fold);
  assay_predictions_release(set);
}
END_TEST

/* scipy.stats.binomtest(8, 10).proportion_ci(0.95, method="wilson") and (0, 8). */
START_TEST(proportions_get_wilsons_interval) {
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 1);
  for (int i = 0; i < 10; i++) add(set, "x", 0, i < 8, 0.1, 0.3);
  const struct assay_component accuracy = component(ASSAY_METRIC, "accuracy", "");
  struct assay_measure measure;
  ck_assert_int_eq(assay_predictions_measure(set, &accuracy, 1, 1, &measure, NULL), 0);
  ck_assert(measure.wilson);
  ck_assert_double_eq_tol(measure.value, 0.8, 1e-15);
  ck_assert_double_eq_tol(measure.low, 0.4901624715366418, 1e-12);
  ck_assert_double_eq_tol(measure.high, 0.9433178485456248, 1e-12);
  assay_predictions_decide(set, 0.95); /* all guessed 0: recall 0 of 8 */
  const struct assay_component recall = component(ASSAY_METRIC, "recall", "");
  ck_assert_int_eq(assay_predictions_measure(set, &recall, 1, 1, &measure, NULL), 0);
  ck_assert_double_eq(measure.low, 0);
  ck_assert_double_eq_tol(measure.high, 0.32440756488388023, 1e-12);
  assay_predictions_release(set);
}
END_TEST

/* The mean of n numbers has the standard error s / sqrt(n); percentiles of its bootstrap lie near ± 1.96 of those. */
START_TEST(other_metrics_get_the_bootstraps) {
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 1);
  const int count = 400;
  for (int i = 0; i < count; i++) add(set, "x", 0, i % 2, 0.1, (i * 37 % 400) / 400.0);
  const struct assay_component loss = component(ASSAY_METRIC, "loss", "");
  struct assay_measure measure, again;
  ck_assert_int_eq(assay_predictions_measure(set, &loss, 1, 5, &measure, NULL), 0);
  const double mean = 399.0 / 800, error = sqrt(1.0 / 12) / sqrt(count);
  ck_assert(!measure.wilson);
  ck_assert_double_eq_tol(measure.value, mean, 1e-12);
  ck_assert_double_eq_tol(measure.low, mean - 1.96 * error, 0.15 * error * 1.96);
  ck_assert_double_eq_tol(measure.high, mean + 1.96 * error, 0.15 * error * 1.96);
  ck_assert_int_eq(assay_predictions_measure(set, &loss, 1, 5, &again, NULL), 0);
  ck_assert_double_eq(measure.low, again.low);
  ck_assert_double_eq(measure.high, again.high);
  assay_predictions_release(set);
}
END_TEST

/* Judged twice, images are no more images: the same judgements again leave every interval as it was, and Wilson's is that of ten trials: by its formula, of 7.5 in 10. */
START_TEST(repeats_do_not_narrow_intervals) {
  struct assay_prediction_set *once = assay_predictions_create(2, classes, 1), *twice = assay_predictions_create(2, classes, 1);
  const struct assay_component metrics[2] = {component(ASSAY_METRIC, "accuracy", ""), component(ASSAY_METRIC, "loss", "")};
  struct assay_measure first[2], second[2];
  for (int i = 0; i < 20; i++) {
    const char *path = assay_arena_print(test_arena, "%d", i % 10);
    if (i < 10) add(once, path, 0, i < 8, 0.1, i / 10.0);
    add(twice, path, i / 10, i % 10 < 8, 0.1, i % 10 / 10.0);
  }
  ck_assert_int_eq(assay_predictions_measure(once, metrics, 2, 5, first, NULL), 0);
  ck_assert_int_eq(assay_predictions_measure(twice, metrics, 2, 5, second, NULL), 0);
  for (int m = 0; m < 2; m++) {
    ck_assert_double_eq_tol(second[m].value, first[m].value, 1e-12);
    ck_assert_double_eq_tol(second[m].low, first[m].low, 1e-12);
    ck_assert_double_eq_tol(second[m].high, first[m].high, 1e-12);
  }
  twice->guesses[10] = 0; /* one more is wrong in the second repeat: 15 of 20 */
  ck_assert_int_eq(assay_predictions_measure(twice, metrics, 1, 5, second, NULL), 0);
  ck_assert_double_eq_tol(second[0].value, 0.75, 1e-12);
  ck_assert_double_eq_tol(second[0].low, 0.44218142427854984, 1e-9);
  ck_assert_double_eq_tol(second[0].high, 0.9190521757900056, 1e-9);
  struct assay_prediction_images images;
  ck_assert_int_eq(assay_predictions_images(twice, &images, NULL), 0);
  ck_assert_uint_eq(images.count, 10);
  ck_assert_uint_eq(images.most, 2);
  for (uint32_t i = 0; i < 10; i++) {
    ck_assert_uint_eq(images.starts[i], 2 * i);
    ck_assert(images.rows[2 * i] == i && images.rows[2 * i + 1] == i + 10);
  }
  assay_predictions_images_free(&images);
  assay_predictions_release(once);
  assay_predictions_release(twice);
}
END_TEST

START_TEST(no_interval_where_a_metric_is_seldom_defined) {
  struct assay_prediction_set *set = assay_predictions_create(2, classes, 1);
  add(set, "a", 0, 1, 0.1, 0); /* of two samples, half of the resamples hold one class only */
  add(set, "b", 0, 0, 0.9, 0);
  const struct assay_component area = component(ASSAY_METRIC, "roc_auc", "");
  struct assay_measure measure;
  ck_assert_int_eq(assay_predictions_measure(set, &area, 1, 3, &measure, NULL), 0);
  ck_assert_double_eq(measure.value, 1);
  ck_assert(isnan(measure.low) == isnan(measure.high));
  set->labels[1] = 1;
  ck_assert_int_eq(assay_predictions_measure(set, &area, 1, 3, &measure, NULL), 0);
  ck_assert(isnan(measure.value) && isnan(measure.low) && isnan(measure.high));
  assay_predictions_release(set);
}
END_TEST

START_TEST(file_gives_back_every_bit) {
  struct assay_prediction_set *set = assay_predictions_create(3, classes, 2), *read;
  struct assay_status status;
  add(set, "a,\"b\"\nc.png", 0, 1, 1.0 / 3, 0.1 + 0.2);
  add(set, "plain.png", -1, 0, 0.99999999999999989, NAN);
  assay_predictions_decide(set, 0.25);
  set->guesses[1] = 2; /* kept as written, not decided again */
  const char *path = assay_arena_print(test_arena, "%s/predictions.csv", getenv("HOME"));
  ck_assert_msg(assay_predictions_write(set, path, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_predictions_read(path, 2, &read, &status) == 0, "%s", status.message);
  ck_assert_uint_eq(read->count, 2);
  ck_assert_uint_eq(read->class_count, 3);
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(read->paths[i], set->paths[i]);
    ck_assert_uint_eq(read->parts[i], set->parts[i]);
    ck_assert_int_eq(read->repeats[i], set->repeats[i]);
    ck_assert_int_eq(read->folds[i], set->folds[i]);
    ck_assert_int_eq(read->labels[i], set->labels[i]);
    ck_assert_int_eq(read->guesses[i], set->guesses[i]);
  }
  ck_assert_str_eq(read->classes[1], classes[1]);
  ck_assert_mem_eq(read->scores, set->scores, 6 * sizeof(double));
  ck_assert_double_eq(read->losses[0], set->losses[0]);
  ck_assert(isnan(read->losses[1]));
  unlink(path);
  assay_predictions_release(read);
  assay_predictions_release(set);
}
END_TEST

START_TEST(damaged_files_are_refused) {
  static const struct {
    const char *text;
    size_t size;
    const char *part_of_message;
  } damaged[] = {
#define DAMAGED(text, message) {text, sizeof text - 1, message}
#define HEADER "path,part,repeat,fold,label,guess,score_a,score_b,loss\n"
      DAMAGED("", ":1:"),
      DAMAGED("path,part,repeat,fold,label,guess,loss\n", ":1:"),
      DAMAGED("\"path,part,repeat,fold,label,guess,score_a,score_b,loss\n", ":1:"),
      DAMAGED(HEADER "x,test,0,0,a,a,0.5,0.5\n", ":2:"),
      DAMAGED(HEADER "x,test,0,0,a,a,0.5,0.5,1\n\"y\nz\",test,0,0,c,a,0.5,0.5,1\n", ":3:"),
      DAMAGED(HEADER "x,exam,0,0,a,a,0.5,0.5,1\n", ":2:"),
      DAMAGED(HEADER "x,test,0,0,a,a,0.5,half,1\n", ":2:"),
      DAMAGED(HEADER "x,test,0,-2,a,a,0.5,0.5,1\n", ":2:"),
      DAMAGED(HEADER "x,test,1000,0,a,a,0.5,0.5,1\n", ":2:"),
      DAMAGED(HEADER "x,test,0,1000,a,a,0.5,0.5,1\n", ":2:"),
      DAMAGED(HEADER "x,test,0,0,a,a,0.5,0.5,1\n\0y,test,0,0,a,a,0.5,0.5,1\n", "zero"),
  };
  const char *path = assay_arena_print(test_arena, "%s/damaged.csv", getenv("HOME"));
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
    struct assay_prediction_set *set;
    struct assay_status status;
    ck_assert_int_eq(assay_file_write(path, damaged[i].text, damaged[i].size, &status), 0);
    ck_assert_int_eq(assay_predictions_read(path, -1, &set, &status), ASSAY_E_DATA);
    ck_assert_msg(strstr(status.message, damaged[i].part_of_message) != NULL, "case %zu: %s", i, status.message);
    ck_assert_ptr_null(set);
  }
  unlink(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("predictions");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, threshold_decides_for_the_positive_class);
  tcase_add_test(cases, highest_score_wins_among_many);
  tcase_add_test(cases, proportions_get_wilsons_interval);
  tcase_add_test(cases, other_metrics_get_the_bootstraps);
  tcase_add_test(cases, repeats_do_not_narrow_intervals);
  tcase_add_test(cases, no_interval_where_a_metric_is_seldom_defined);
  tcase_add_test(cases, file_gives_back_every_bit);
  tcase_add_test(cases, damaged_files_are_refused);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
