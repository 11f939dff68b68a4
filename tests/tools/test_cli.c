/* SPDX-License-Identifier: MIT
 *
 * The command line as a contract: what each command prints, and with which exit code it ends.
 */
#include "tool.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(usage) {
  tool_enter_folder();
  struct outcome version = tool_run("--version");
  ck_assert_int_eq(version.code, 0);
  ck_assert_int_eq(strncmp(version.results, "assay ", 6), 0);
  outcome_release(&version);
  tool_expect(0, NULL, "--help");
  tool_expect(2, NULL, "%s", "");
  tool_expect(2, "did you mean 'search'?", "serach x.ini");
  tool_expect(2, "usage: assay eval", "eval");
  tool_expect(2, "unknown option '--frobnicate'", "check --frobnicate x");
  tool_expect(2, "takes no -o", "check -o x y");
  struct outcome help = tool_run("search --help");
  ck_assert_int_eq(help.code, 0);
  ck_assert_ptr_nonnull(strstr(help.results, "explore the domains"));
  outcome_release(&help);
}
END_TEST

START_TEST(init_writes_and_never_overwrites) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_expect(0, "assay search", "init photos/");
  ck_assert(tool_file_holds("photos.ini", "size      = 8x8"));
  ck_assert(tool_file_holds("photos.ini", "colour    = grey"));
  tool_expect(2, "is not overwritten", "init photos");
  tool_expect(0, NULL, "config photos.ini");
  struct outcome shown = tool_run("init photos -o -");
  ck_assert_int_eq(shown.code, 0);
  ck_assert_ptr_nonnull(strstr(shown.results, "[network]"));
  outcome_release(&shown);
  tool_expect(3, "nowhere", "init nowhere");
}
END_TEST

START_TEST(check_shows_what_the_network_sees) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_expect(0, NULL, "init photos -o a.ini");
  ck_assert(tool_file_holds("a.ini", "rotation   = 0 ~ real(0, 15)"));
  tool_expect(0, NULL, "check a.ini --preview seen -s augment.flip_horizontal=0.5 -s backend.devices=reference");
  struct stat facts;
  ck_assert_int_eq(stat("seen/augmented.png", &facts), 0);
  ck_assert_int_eq(stat("seen/class-01-left.png", &facts), 0);
  json_t *object = tool_json("check a.ini --json --preview seen -s augment.flip_horizontal=0.5 -s backend.devices=reference");
  const json_t *preview = json_object_get(object, "preview"), *warnings = json_object_get(preview, "warnings");
  ck_assert_uint_eq(json_array_size(json_object_get(preview, "files")), 3);
  bool warned = false; /* left and right are the classes' names */
  for (size_t i = 0; i < json_array_size(warnings); i++) warned |= strstr(json_string_value(json_array_get(warnings, i)), "the name of class left") != NULL;
  ck_assert(warned);
  json_decref(object);
}
END_TEST

START_TEST(init_guesses_the_positive_class) {
  tool_enter_folder();
  char path[64];
  for (int i = 0; i < 16; i++) {
    snprintf(path, sizeof path, "wall/no_crack/%d.pgm", i);
    tool_write_image(path, 0, (uint32_t)i);
    snprintf(path, sizeof path, "wall/crack/%d.pgm", i);
    if (i < 4) tool_write_image(path, 1, (uint32_t)i);
  }
  tool_expect(0, NULL, "init wall");
  ck_assert(tool_file_holds("wall.ini", "positive  = crack"));
  ck_assert(tool_file_holds("wall.ini", "objective = mcc"));
  ck_assert(tool_file_holds("wall.ini", "repeats   = 10 "));
}
END_TEST

/* Seven positives are judged fifty times in eight repeats; whoever has asked for repeats is told nothing, nor is one whose classes are large. */
START_TEST(check_proposes_repeats) {
  tool_enter_folder();
  char path[64];
  for (int i = 0; i < 60; i++) {
    snprintf(path, sizeof path, "wall/%s/%d.pgm", i < 7 ? "crack" : "fine", i);
    tool_write_image(path, i < 7, (uint32_t)i);
  }
  tool_write("wall.ini", "[data]\npath = wall\nfolds = 5\ntest = none\n[network]\nlayers = classifier\n");
  struct outcome found = tool_run("check wall.ini");
  ck_assert_ptr_nonnull(strstr(found.results, "class crack has only 7 images"));
  ck_assert_ptr_nonnull(strstr(found.results, "  repeats = 8\n"));
  outcome_release(&found);
  json_t *object = tool_json("check wall.ini --json"), *proposal = json_object_get(object, "repeat_proposal");
  ck_assert_int_eq(json_integer_value(json_object_get(proposal, "repeats")), 8);
  ck_assert_str_eq(json_string_value(json_object_get(proposal, "class")), "crack");
  json_decref(object);
  object = tool_json("check wall.ini --json -s data.repeats=2");
  ck_assert(json_is_null(json_object_get(object, "repeat_proposal")));
  json_decref(object);
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "wall/crack/more%d.pgm", i);
    tool_write_image(path, 1, (uint32_t)(100 + i));
  }
  object = tool_json("check wall.ini --json");
  ck_assert(json_is_null(json_object_get(object, "repeat_proposal")));
  json_decref(object);
}
END_TEST

START_TEST(check_reports_and_refuses) {
  tool_enter_folder();
  tool_write_images("photos", 8);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(0, NULL, "check a.ini");
  tool_write("photos/left/broken.pgm", "P5\n8 8\n255\nshort");
  struct outcome found = tool_run("check a.ini --json");
  ck_assert_int_eq(found.code, 7);
  json_t *object = json_loads(found.results, 0, NULL);
  ck_assert_uint_eq(json_array_size(json_object_get(object, "broken")), 1);
  ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(object, "broken"), 0), "path")), "left/broken.pgm");
  json_decref(object);
  outcome_release(&found);
  /* The same picture under both labels. */
  tool_write_image("photos/right/same.pgm", 0, 3);
  tool_expect(3, "left/003.pgm", "check a.ini");
}
END_TEST

/* Names of tiles are no finding, but the line that `check` prints serves as it stands. */
START_TEST(check_proposes_a_group) {
  tool_enter_folder();
  char path[64];
  for (int i = 0; i < 32; i++) {
    snprintf(path, sizeof path, "wall/%s/photo%d_%d_%d.pgm", i % 2 == 0 ? "crack" : "fine", i / 4, i / 2 % 2, i % 2);
    tool_write_image(path, i % 2, (uint32_t)i);
  }
  tool_write("wall.ini", "[data]\npath = wall\ntest = 0.2\n[network]\nlayers = classifier\n");
  struct outcome found = tool_run("check wall.ini");
  ck_assert_int_eq(found.code, 0);
  ck_assert_ptr_nonnull(strstr(found.results, "names of 32 images look like those of tiles of 8 photographs, as crack/photo0_0_0.pgm and fine/photo0_1_1.pgm"));
  const char *line = strstr(found.results, "  group = ");
  ck_assert_ptr_nonnull(line);
  tool_write("wall.ini", "[data]\n%.*s\npath = wall\ntest = 0.2\n[network]\nlayers = classifier\n", (int)strcspn(line, "\n"), line);
  outcome_release(&found);
  found = tool_run("check wall.ini --json");
  ck_assert_int_eq(found.code, 0);
  ck_assert_ptr_nonnull(strstr(found.results, "\"proposal\": null"));
  outcome_release(&found);
  json_t *object = tool_json("check wall --json"); /* without an INI there is no group */
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(object, "proposal"), "photographs")), 8);
  json_decref(object);
}
END_TEST

START_TEST(train_eval_predict_agree) {
  tool_enter_folder();
  tool_write_images("photos", 20);
  tool_write_ini("a.ini", "photos", "");
  json_t *trained = tool_json("train a.ini --json --quiet");
  ck_assert_int_eq(json_integer_value(json_object_get(trained, "trials")), 1);
  const json_t *test = json_object_get(trained, "test");
  ck_assert_int_eq(json_integer_value(json_object_get(test, "n")), 10);
  ck_assert(json_number_value(json_object_get(test, "accuracy")) > 0.9); /* the classes are easy */
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(trained, "validation"), "n")), 30);
  json_decref(trained);
  static const char *const files[] = {"config.ini", "split.csv", "study.db", "trials/0/curves.csv", "trials/0/predictions.csv", "predictions.csv", "model.safetensors", "summary.txt", "environment.json",
                                      "report.html", "pictures.json", "thresholds.csv", "errors.csv"};
  char path[128];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "runs/a/%s", files[i]);
    ck_assert_msg(access(path, R_OK) == 0, "%s is missing", path);
  }
  /* All images again, as a folder: the model without its layer plugins. */
  json_t *judged = tool_json("eval runs/a/model.safetensors photos --json -s backend.devices=reference");
  ck_assert_int_eq(json_integer_value(json_object_get(judged, "n")), 40);
  const double loss = json_number_value(json_object_get(judged, "loss"));
  json_decref(judged);
  json_t *predicted = tool_json("predict runs/a/model.safetensors photos --json -s backend.devices=reference");
  const json_t *rows = json_object_get(predicted, "predictions");
  ck_assert_uint_eq(json_array_size(rows), 40);
  double sum = 0;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    const char *label = strstr(json_string_value(json_object_get(row, "path")), "/left/") != NULL ? "left" : "right";
    sum -= log(json_number_value(json_object_get(json_object_get(row, "scores"), label)));
  }
  ck_assert_double_eq_tol(sum / 40, loss, 1e-6); /* the cross-entropy of the predicted scores is the loss that eval says */
  json_decref(predicted);
}
END_TEST

/* A network that has hardly been trained gives scores that differ by little, none of them near a half by right. */
START_TEST(the_threshold_comes_from_out_of_fold_predictions) {
  tool_enter_folder();
  tool_write_images("photos", 20);
  tool_write_ini("a.ini", "photos", "");
  json_t *trained = tool_json("train a.ini --json --quiet -s search.objective=accuracy -s train.epochs=1 -s optimizer.learning_rate=0.00001");
  ck_assert(json_is_number(json_object_get(trained, "threshold")));
  const double threshold = json_number_value(json_object_get(trained, "threshold"));
  ck_assert(threshold > 0 && threshold < 1 && threshold != 0.5);
  json_decref(trained);
  json_t *predicted = tool_json("predict runs/a/model.safetensors photos --json -s backend.devices=reference");
  const json_t *rows = json_object_get(predicted, "predictions");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    const double score = json_number_value(json_object_get(json_object_get(row, "scores"), "right"));
    ck_assert_str_eq(json_string_value(json_object_get(row, "label")), score >= threshold ? "right" : "left");
  }
  json_decref(predicted);
  ck_assert(tool_file_holds("runs/a/summary.txt", "where accuracy is best on validation"));
  /* An objective that does not depend on it leaves it alone. */
  trained = tool_json("train a.ini --json --quiet -s search.objective=loss -s train.epochs=1 -o other");
  ck_assert_double_eq(json_number_value(json_object_get(trained, "threshold")), 0.5);
  json_decref(trained);
}
END_TEST

/* Rules of [judge]: chosen on out-of-fold predictions, kept in the model, and told; a target that is missed is exit code 7. */
START_TEST(rules_decide_and_targets_are_heeded) {
  tool_enter_folder();
  tool_write_images("photos", 20);
  tool_write_ini("a.ini", "photos", "[judge]\nthreshold = recall >= 0.9\ntarget = f1 >= 0.8\ncalibration = temperature\n[metric.cost]\nfalse_negative = 5\n");
  tool_expect(2, "[metric.cost]", "config a.ini"); /* nobody asks for it yet */
  json_t *trained = tool_json("train a.ini --json --quiet -s train.metrics=f1,cost");
  const json_t *decision = json_object_get(trained, "decision"), *target = json_object_get(trained, "target"), *test = json_object_get(trained, "test");
  ck_assert(json_is_true(json_object_get(decision, "met")) && json_is_true(json_object_get(decision, "calibrated")));
  ck_assert_double_ge(json_number_value(json_object_get(json_object_get(trained, "validation"), "recall")), 0.9);
  ck_assert(json_is_true(json_object_get(target, "met")));
  ck_assert_str_eq(json_string_value(json_object_get(target, "part")), "test");
  ck_assert_double_eq(json_number_value(json_object_get(target, "value")), json_number_value(json_object_get(test, "f1")));
  const double temperature = json_number_value(json_object_get(decision, "temperature"));
  ck_assert(temperature != 1 && tool_file_holds("runs/a/summary.txt", "scaled by a temperature"));
  ck_assert(tool_file_holds("runs/a/thresholds.csv", "test,right,inf,0,0,5,5,0,0,,0"));
  ck_assert(tool_file_holds("runs/a/errors.csv", "path,part,repeat,fold,label,guess,score,loss"));
  /* The model judges as its run did, from nothing but its file: the same metrics, the same costs, the same target. */
  json_t *judged = tool_json("eval runs/a/model.safetensors photos --json -s backend.devices=reference");
  const json_t *costs = json_object_get(judged, "confusion");
  const double escaped = json_number_value(json_array_get(json_array_get(costs, 1), 0)), alarms = json_number_value(json_array_get(json_array_get(costs, 0), 1));
  ck_assert_double_eq_tol(json_number_value(json_object_get(judged, "cost")), (5 * escaped + alarms) / 40, 1e-12);
  ck_assert_uint_eq(json_object_size(json_object_get(judged, "intervals")), json_object_size(json_object_get(test, "intervals")));
  ck_assert_str_eq(json_string_value(json_object_get(json_object_get(judged, "target"), "rule")), "f1 >= 0.8");
  ck_assert(json_is_true(json_object_get(json_object_get(judged, "target"), "met")));
  json_decref(judged);
  json_decref(trained);
  /* [judge] may change in a run that is there: the trials do not depend on it. */
  struct outcome missed = tool_run("train a.ini --json --quiet -s train.metrics=f1,cost -s 'judge.target=loss <= 0' -s judge.threshold=cost");
  ck_assert_int_eq(missed.code, 7);
  ck_assert_ptr_nonnull(strstr(missed.results, "\"met\": false"));
  ck_assert_ptr_nonnull(strstr(missed.results, "\"rule\": \"cost\""));
  outcome_release(&missed);
  tool_expect(7, NULL, "finish runs/a --quiet");
  tool_expect(0, NULL, "report runs/a");
  tool_expect(7, "the target loss <= 0 is missed", "eval runs/a/model.safetensors photos -s backend.devices=reference");
  tool_expect(0, NULL, "eval runs/a/model.safetensors photos -s judge.target=none -s backend.devices=reference");
  tool_expect(0, NULL, "eval runs/a/model.safetensors photos -s train.metrics=accuracy -s judge.target=none -s backend.devices=reference");
  tool_expect(0, NULL, "predict runs/a/model.safetensors photos -s backend.devices=reference");
  /* eval knows the model's positive class, takes a target, and leaves its files. */
  tool_expect(0, NULL, "eval runs/a/model.safetensors photos -o judged -s 'judge.target=f1 >= 0.5' -s backend.devices=reference");
  ck_assert(tool_file_holds("judged/predictions.csv", "score_right") && tool_file_holds("judged/thresholds.csv", "test,right,inf"));
  tool_expect(7, "the target false_negative_rate <= -1 is missed", "eval runs/a/model.safetensors photos -s 'judge.target=false_negative_rate <= -1' -s backend.devices=reference");
  tool_expect(2, "is no rule", "config a.ini -s 'judge.target=f1 > 0.5'");
  tool_expect(2, "did you mean \"threshold\"?", "config a.ini -s judge.treshold=0.5 -s train.metrics=cost");
}
END_TEST

START_TEST(predict_goes_on_past_unreadable_images) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(0, NULL, "train a.ini --quiet");
  tool_write("photos/left/bad.png", "this is no picture");
  struct outcome outcome = tool_run("predict runs/a/model.safetensors photos/left photos/right/000.pgm -s backend.devices=reference");
  ck_assert_int_eq(outcome.code, 3);
  int lines = 0;
  for (const char *p = outcome.results; *p != '\0'; p++) lines += *p == '\n';
  ck_assert_int_eq(lines, 1 + 12 + 1 + 1);
  ck_assert_ptr_nonnull(strstr(outcome.results, "path,label,left,right,error\n"));
  ck_assert_ptr_nonnull(strstr(outcome.results, "photos/left/bad.png,,,,"));
  outcome_release(&outcome);
  tool_expect(3, "safetensors", "predict photos/left/000.pgm photos");
}
END_TEST

START_TEST(explain_draws_every_image) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(0, NULL, "train a.ini --quiet");
  tool_write("photos/left/bad.png", "this is no picture");
  struct outcome outcome = tool_run("explain runs/a/model.safetensors photos/right/000.pgm photos/left/bad.png photos/left/000.pgm -o heat --class right -s backend.devices=reference");
  ck_assert_int_eq(outcome.code, 3);
  ck_assert_ptr_nonnull(strstr(outcome.results, "photos/right/000.pgm,right,right,"));
  ck_assert_ptr_nonnull(strstr(outcome.results, "photos/left/bad.png,,,,,"));
  ck_assert(tool_file_holds("heat/0000-000.png", "PNG") && tool_file_holds("heat/0002-000.png", "PNG"));
  outcome_release(&outcome);
  json_t *explained = tool_json("explain runs/a/model.safetensors photos/left/000.pgm --method hires-cam --json -s backend.devices=reference");
  const json_t *row = json_array_get(json_object_get(explained, "explanations"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(row, "file")), "explained/0000-000.png");
  json_decref(explained);
  tool_expect(2, "did you mean \"right\"?", "explain runs/a/model.safetensors photos --class rihgt");
  tool_expect(2, "--method cannot be", "explain runs/a/model.safetensors photos --method lime");
  tool_expect(3, "nowhere", "explain runs/a/model.safetensors nowhere");
}
END_TEST

/* Names from outside never become markup, and the page needs nothing from elsewhere. */
START_TEST(the_report_is_one_page_that_escapes) {
  static const char *const hostile[] = {"<script>alert(1)<", "\"onload=x' & <b>"};
  char path[128];
  tool_enter_folder();
  for (int class_number = 0; class_number < 2; class_number++)
    for (int i = 0; i < 16; i++) {
      snprintf(path, sizeof path, "photos/%s/<i>%02d&.pgm", hostile[class_number], i);
      tool_write_image(path, i % 5 == 0 ? 1 - class_number : class_number, (uint32_t)(i + 100 * class_number)); /* some are wrong */
    }
  tool_write_ini("a.ini", "photos", "");
  json_t *trained = tool_json("search a.ini --json --quiet -s data.positive= -s search.trials=3 -s search.objective=accuracy");
  ck_assert(json_integer_value(json_object_get(json_object_get(trained, "validation"), "wrong_count")) > 0);
  json_decref(trained);
  static const char *const absent[] = {"<script", "<i>", "<b>\"", "onload=x'", "http:", "https:", "src=\"/", "url("}, *const present[] = {"&lt;script&gt;alert(1)&lt;", "&quot;onload=x&#39; &amp; &lt;b&gt;",
                                   "&lt;i&gt;", "Confusion, test", "ROC", "Parallel coordinates", "data:image/jpeg;base64,", "Solutions", "</html>"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) ck_assert_msg(!tool_file_holds("runs/a/report.html", absent[i]), "the page holds %s", absent[i]);
  for (size_t i = 0; i < sizeof present / sizeof *present; i++) ck_assert_msg(tool_file_holds("runs/a/report.html", present[i]), "the page lacks %s", present[i]);
  /* Again without device and images; and with pictures that somebody has changed. */
  ck_assert_int_eq(rename("photos", "elsewhere"), 0);
  ck_assert_int_eq(unlink("runs/a/report.html"), 0);
  tool_write("runs/a/pictures.json", "{\"samples\": [{\"path\": \"p\", \"label\": \"l<\", \"image\": \"\\\"><script>\"}], \"errors\": 3}");
  tool_expect(0, NULL, "report runs/a");
  ck_assert(tool_file_holds("runs/a/report.html", "l&lt;") && !tool_file_holds("runs/a/report.html", "<script"));
  tool_write("runs/a/pictures.json", "not JSON");
  tool_write("runs/a/trials/0/curves.csv", "repeat,fold,epoch\n\"");
  tool_expect(0, NULL, "report runs/a");
}
END_TEST

START_TEST(a_run_continues_and_says_what_differs) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  json_t *first = tool_json("search a.ini --json --quiet -s search.trials=2");
  ck_assert_int_eq(json_integer_value(json_object_get(first, "trials")), 2);
  json_decref(first);
  json_t *more = tool_json("search a.ini --json --quiet");
  ck_assert_int_eq(json_integer_value(json_object_get(more, "trials")), 4);
  json_t *undisturbed = tool_json("search a.ini --json --quiet -o other");
  ck_assert(json_equal(json_object_get(more, "best"), json_object_get(undisturbed, "best")));
  ck_assert(json_equal(json_object_get(more, "test"), json_object_get(undisturbed, "test")));
  json_decref(more);
  json_decref(undisturbed);
  /* A run whose folder was moved is the same run. */
  ck_assert_int_eq(rename("other", "moved"), 0);
  tool_expect(0, NULL, "finish moved --quiet");
  tool_expect(2, "train.epochs", "search a.ini --quiet -s train.epochs=5");
  tool_write_image("photos/left/new.pgm", 0, 99);
  tool_expect(3, "no longer those", "search a.ini --quiet");
  struct outcome report = tool_run("report runs/a");
  ck_assert_int_eq(report.code, 0);
  ck_assert(tool_file_holds("runs/a/summary.txt", report.results));
  outcome_release(&report);
}
END_TEST

START_TEST(searches_keep_their_limits) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  /* Out of time: the best so far becomes the model, and that is no failure. */
  json_t *timed = tool_json("search a.ini -o timed --json --quiet -s search.trials=100000 -s search.time=2s");
  ck_assert_int_lt(json_integer_value(json_object_get(timed, "trials")), 100000);
  ck_assert(json_is_object(json_object_get(timed, "test")));
  json_decref(timed);
  json_t *shared = tool_json("search a.ini -o shared --json --quiet -s search.trials=9 -s search.workers=3 -s search.pruner=median");
  ck_assert_int_eq(json_integer_value(json_object_get(shared, "trials")), 9);
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(shared, "counts"), "open")), 0);
  json_decref(shared);
  /* A grid ends with its points: 2 channels x 3 levels of the rate, and the defaults, which are off the grid. */
  json_t *grid = tool_json("search a.ini -o grid --json --quiet -s search.type=grid -s search.levels=3 -s search.trials=50");
  ck_assert_int_eq(json_integer_value(json_object_get(grid, "trials")), 7);
  json_decref(grid);
}
END_TEST

START_TEST(every_way_to_the_final_model) {
  static const char *const ways[] = {"refit", "best_fold", "ensemble"};
  tool_enter_folder();
  tool_write_images("photos", 16);
  tool_write_ini("a.ini", "photos", "");
  for (int i = 0; i < 3; i++) {
    json_t *trained = tool_json("train a.ini -o %s --json --quiet -s train.final=%s", ways[i], ways[i]);
    json_t *judged = tool_json("eval %s/model.safetensors photos --json -s backend.devices=reference", ways[i]);
    ck_assert(json_number_value(json_object_get(judged, "accuracy")) > 0.8);
    json_decref(judged);
    json_decref(trained);
  }
}
END_TEST

START_TEST(failures_are_objects_with_json) {
  tool_enter_folder();
  struct outcome outcome = tool_run("train nowhere.ini --json");
  ck_assert_int_eq(outcome.code, 2);
  json_t *object = json_loads(outcome.results, 0, NULL);
  ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(object, "error"), "code")), 2);
  ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(json_object_get(object, "error"), "message")), "nowhere.ini"));
  json_decref(object);
  outcome_release(&outcome);
}
END_TEST

START_TEST(a_network_that_does_not_fit_says_so) {
  tool_enter_folder();
  tool_write_images("photos", 12);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(2, "features", "train a.ini --quiet -s layer.features.blocks=8");
}
END_TEST

START_TEST(plugins_and_devices_are_listed) {
  tool_enter_folder();
  json_t *plugins = tool_json("plugins --json");
  ck_assert(json_array_size(json_object_get(plugins, "plugins")) > 30);
  json_decref(plugins);
  json_t *adam = tool_json("plugins adam --json");
  const json_t *entry = json_array_get(json_object_get(adam, "plugins"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(entry, "kind")), "optimizer");
  ck_assert(json_array_size(json_object_get(entry, "options")) > 2);
  json_decref(adam);
  tool_expect(6, "did you mean 'adam'?", "plugins adma");
  json_t *devices = tool_json("devices --json");
  bool found = false;
  size_t i;
  json_t *device;
  json_array_foreach(json_object_get(devices, "devices"), i, device) found = found || strcmp(json_string_value(json_object_get(device, "device")), "reference") == 0;
  ck_assert(found);
  json_decref(devices);
  tool_write_images("photos", 8);
  tool_write_ini("a.ini", "photos", "");
  tool_expect(4, "is no device here", "train a.ini -s 'backend.devices=warp drive'");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cli");
  TCase *tests = tcase_create("cli");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, usage);
  tcase_add_test(tests, init_writes_and_never_overwrites);
  tcase_add_test(tests, init_guesses_the_positive_class);
  tcase_add_test(tests, check_shows_what_the_network_sees);
  tcase_add_test(tests, check_reports_and_refuses);
  tcase_add_test(tests, check_proposes_a_group);
  tcase_add_test(tests, check_proposes_repeats);
  tcase_add_test(tests, train_eval_predict_agree);
  tcase_add_test(tests, the_threshold_comes_from_out_of_fold_predictions);
  tcase_add_test(tests, rules_decide_and_targets_are_heeded);
  tcase_add_test(tests, predict_goes_on_past_unreadable_images);
  tcase_add_test(tests, explain_draws_every_image);
  tcase_add_test(tests, the_report_is_one_page_that_escapes);
  tcase_add_test(tests, a_run_continues_and_says_what_differs);
  tcase_add_test(tests, searches_keep_their_limits);
  tcase_add_test(tests, every_way_to_the_final_model);
  tcase_add_test(tests, failures_are_objects_with_json);
  tcase_add_test(tests, a_network_that_does_not_fit_says_so);
  tcase_add_test(tests, plugins_and_devices_are_listed);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
