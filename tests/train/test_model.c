/* SPDX-License-Identifier: MIT
 *
 * Models: made of trained weights, written, read again without any plugin, and run. And files that are not what they seem.
 */
#include "toy.h"

#include "base/file.h"
#include "base/text.h"
#include "graph/safetensors.h"

#include <math.h>
#include <unistd.h>

static const char *model_path(void) { return assay_arena_print(test_arena, "%s/model.safetensors", getenv("HOME")); }

/* A toy with batch norm, so that statistics are part of the model, trained briefly. */
static struct toy *trained(uint32_t class_count, uint32_t final, struct assay_trial_result **trial, struct assay_model **model) {
  struct toy *toy = toy_create(24, class_count, 2, 60);
  toy_layer(toy, "conv2d", "channels=3");
  toy_layer(toy, "batch_norm", "");
  toy_layer(toy, "leaky_relu", "");
  toy_layer(toy, "max_pool", "");
  toy_layer(toy, "dropout", "");
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 4;
  toy->settings.train.final = final;
  struct assay_status status;
  struct assay_trainer *trainer;
  const struct assay_fold_result *refitted;
  ck_assert_msg(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_trainer_trial(trainer, &toy->settings, 9, final != ASSAY_FINAL_REFIT, NULL, trial, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_trainer_final(trainer, &toy->settings, *trial, 9, NULL, model, &refitted, &status) == 0, "%s", status.message);
  if (final == ASSAY_FINAL_REFIT) {
    ck_assert_uint_eq(refitted->training_count, 24);
    ck_assert_uint_eq(refitted->epoch_count, (uint32_t)lround(((*trial)->folds[0].best_epoch + (*trial)->folds[1].best_epoch) / 2.0 + 1));
    ck_assert(isnan(refitted->epochs[0].validation_loss));
  } else {
    ck_assert_ptr_null(refitted);
  }
  assay_trainer_close(trainer);
  return toy;
}

static struct assay_prediction_set *predict(const struct toy *toy, const struct assay_model *model, uint32_t batch) {
  struct assay_status status;
  struct assay_predictor *predictor;
  struct assay_prediction_set *set = assay_predictions_create(model->class_count, model->classes, model->positive);
  ck_assert_msg(assay_predictor_create(toy->session, model, batch, &predictor, &status) == 0, "%s", status.message);
  ck_assert_msg(assay_predictor_part(predictor, &toy->samples, ASSAY_PART_TRAIN, set, &status) == 0, "%s", status.message);
  assay_predictor_release(predictor);
  return set;
}

static void same_scores(const struct assay_prediction_set *a, const struct assay_prediction_set *b) {
  ck_assert_uint_eq(a->count, b->count);
  ck_assert_mem_eq(a->scores, b->scores, (size_t)a->count * a->class_count * sizeof(double));
  ck_assert_mem_eq(a->losses, b->losses, a->count * sizeof(double));
}

START_TEST(a_file_brings_the_model_back) {
  for (uint32_t classes = 2; classes <= 4; classes += 2) {
    struct assay_status status;
    struct assay_trial_result *trial;
    struct assay_model *model, *read;
    struct toy *toy = trained(classes, ASSAY_FINAL_REFIT, &trial, &model);
    assay_model_set_threshold(model, 0.37);
    ck_assert_str_eq(model->judge.target, "none");
    const struct assay_region region = {100000, 200000, 700000, 600000, classes == 4};
    if (classes == 4) model->fitting.region = region;
    model->fitting.filter = classes == 4 ? ASSAY_FILTER_LINEAR : ASSAY_FILTER_BILINEAR;
    ck_assert_msg(assay_model_write(model, model_path(), &status) == 0, "%s", status.message);
    ck_assert_msg(assay_model_read(model_path(), &read, &status) == 0, "%s", status.message);
    ck_assert_uint_eq(read->class_count, classes);
    ck_assert_uint_eq(read->logit_count, classes == 2 ? 1 : 4);
    ck_assert_int_eq(read->positive, classes == 2 ? 1 : -1);
    ck_assert_str_eq(read->classes[1], "north_east");
    ck_assert_double_eq(read->threshold, 0.37);
    ck_assert_uint_eq(read->height, TOY_SIDE);
    ck_assert_uint_eq(read->channels, TOY_CHANNELS);
    ck_assert_uint_eq(read->fitting.fit, ASSAY_FIT_CROP);
    ck_assert_mem_eq(&read->fitting, &model->fitting, sizeof model->fitting);
    ck_assert_mem_eq(read->data_hash, model->data_hash, 16);
    ck_assert_uint_eq(read->member_count, 1);
    ck_assert_uint_eq(read->program->functions[0]->graph->node_count, model->program->functions[0]->graph->node_count);
    struct assay_prediction_set *before = predict(toy, model, 5), *after = predict(toy, read, 5), *other_batch = predict(toy, read, 64);
    same_scores(before, after);
    same_scores(before, other_batch);
    const double sides[2] = {0.62, 0.38};
    if (classes == 2) ck_assert_int_eq(assay_model_decide(read, sides), 1);
    assay_predictions_release(before);
    assay_predictions_release(after);
    assay_predictions_release(other_batch);
    assay_model_release(read);
    assay_model_release(model);
    assay_trial_result_release(trial);
    toy_release(toy);
  }
  unlink(model_path());
}
END_TEST

/* What the run wrote under [judge] and [metric.NAME] is in the file word for word, and reads as the INI that says it. */
START_TEST(a_file_keeps_how_its_run_judged) {
  struct assay_status status;
  struct assay_model *model, *read;
  struct assay_text ini = {0};
  struct toy *toy = toy_create(16, 2, 2, 60);
  toy_layer(toy, "classifier", "");
  toy->settings.train.final = ASSAY_FINAL_BEST_FOLD;
  toy->settings.train.epochs = 1;
  toy->settings.judge.target_text = "escapes <= 0.25";
  toy->metrics[1] = component(ASSAY_METRIC, "cost", "false_negative=20");
  toy->metrics[1].name = "escapes";
  struct assay_trial_result *trial = toy_trial(toy, 1, true);
  ck_assert_msg(assay_model_create(&toy->settings, &toy->samples, &trial->folds[0].weights, 1, &model, &status) == 0, "%s", status.message);
  ck_assert_int_eq(assay_model_write(model, model_path(), &status), 0);
  ck_assert_msg(assay_model_read(model_path(), &read, &status) == 0, "%s", status.message);
  assay_model_judge_print(&read->judge, test_arena, &ini);
  ck_assert_str_eq(ini.data, "[judge]\ntarget = escapes <= 0.25\n[search]\nobjective = loss\n[train]\nmetrics = loss, escapes\n"
                             "[metric.escapes]\ntype = cost\nfalse_negative = 20\nfalse_positive = 1\n");
  assay_text_release(&ini);
  assay_model_release(read);
  assay_model_release(model);
  assay_trial_result_release(trial);
  toy_release(toy);
  unlink(model_path());
}
END_TEST

/* The model of a fold must say of that fold's validation samples what was written down as out-of-fold predictions. */
START_TEST(best_fold_repeats_its_out_of_fold_predictions) {
  struct assay_trial_result *trial;
  struct assay_model *model;
  struct toy *toy = trained(2, ASSAY_FINAL_BEST_FOLD, &trial, &model);
  const double first = trial->folds[0].epochs[trial->folds[0].best_epoch].validation_loss, second = trial->folds[1].epochs[trial->folds[1].best_epoch].validation_loss;
  const int32_t best = second < first;
  struct assay_prediction_set *now = predict(toy, model, 64);
  int checked = 0;
  for (uint32_t row = 0; row < trial->predictions->count; row++) {
    if (trial->predictions->folds[row] != best) continue;
    for (uint32_t i = 0; i < now->count; i++) {
      if (strcmp(now->paths[i], trial->predictions->paths[row]) != 0) continue;
      ck_assert_double_eq_tol(now->scores[2 * i], trial->predictions->scores[2 * row], 1e-6);
      ck_assert_double_eq_tol(now->losses[i], trial->predictions->losses[row], 1e-6);
      checked++;
    }
  }
  ck_assert_int_eq(checked, 12);
  assay_predictions_release(now);
  assay_model_release(model);
  assay_trial_result_release(trial);
  toy_release(toy);
}
END_TEST

START_TEST(an_ensemble_averages_its_folds) {
  struct assay_status status;
  struct assay_trial_result *trial;
  struct assay_model *model, *read, *single[2];
  struct toy *toy = trained(2, ASSAY_FINAL_ENSEMBLE, &trial, &model);
  ck_assert_uint_eq(model->member_count, 2);
  ck_assert_msg(assay_model_write(model, model_path(), &status) == 0, "%s", status.message);
  ck_assert_msg(assay_model_read(model_path(), &read, &status) == 0, "%s", status.message);
  for (int fold = 0; fold < 2; fold++) ck_assert_int_eq(assay_model_create(&toy->settings, &toy->samples, &trial->folds[fold].weights, 1, &single[fold], &status), 0);
  struct assay_prediction_set *all = predict(toy, read, 7), *first = predict(toy, single[0], 7), *second = predict(toy, single[1], 7);
  for (uint32_t i = 0; i < 2 * all->count; i++) ck_assert_double_eq_tol(all->scores[i], (first->scores[i] + second->scores[i]) / 2, 1e-15);
  for (uint32_t i = 0; i < all->count; i++) ck_assert_double_eq_tol(all->losses[i], (first->losses[i] + second->losses[i]) / 2, 1e-15);
  ck_assert(memcmp(first->scores, second->scores, all->count * sizeof(double)) != 0);
  assay_predictions_release(all);
  assay_predictions_release(first);
  assay_predictions_release(second);
  for (int fold = 0; fold < 2; fold++) assay_model_release(single[fold]);
  assay_model_release(read);
  assay_model_release(model);
  assay_trial_result_release(trial);
  toy_release(toy);
  unlink(model_path());
}
END_TEST

START_TEST(best_fold_needs_weights_that_were_kept) {
  struct assay_status status;
  struct assay_trainer *trainer;
  struct assay_model *model;
  struct toy *toy = toy_create(16, 2, 2, 60);
  toy_layer(toy, "classifier", "");
  toy->settings.train.epochs = 1;
  toy->settings.train.final = ASSAY_FINAL_BEST_FOLD;
  struct assay_trial_result *trial = toy_trial(toy, 1, false);
  ck_assert_int_eq(assay_trainer_open(toy->session, (const struct assay_samples *const[]){&toy->samples}, 1, &trainer, &status), 0);
  ck_assert_int_eq(assay_trainer_final(trainer, &toy->settings, trial, 1, NULL, &model, NULL, &status), ASSAY_E_FAILED);
  ck_assert_ptr_null(model);
  assay_trainer_close(trainer);
  assay_trial_result_release(trial);
  toy_release(toy);
}
END_TEST

/* ---- Files that are not what they seem ---- */

/* A file of the given header and so many bytes of data. */
static int parse_header(const char *header, size_t data_size, struct assay_status *status) {
  const uint64_t length = strlen(header);
  char *file = assay_arena_take(test_arena, 8 + length + data_size, 1);
  memcpy(file, &length, 8);
  memcpy(file + 8, header, length);
  struct assay_safetensors parsed;
  return assay_safetensors_parse("test", file, 8 + length + data_size, test_arena, &parsed, status);
}

START_TEST(containers_with_holes_or_lies_are_refused) {
  static const struct {
    const char *header;
    size_t data_size;
    const char *told; /* NULL: it is right */
  } files[] = {
      {"{\"__metadata__\":{\"a\":\"b\"},\"y\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]},\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, NULL},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "outside"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "behind the last"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", 9, "hole"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6, "overlap"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "size of its shape"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,8]}}", 8, "2^48"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, "shape"},
      {"{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, NULL},
      {"{\"x\":{\"dtype\":\"I65\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "dtype"},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "duplicate"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "no string"},
      {"{\"__metadata__\":[]}", 0, "metadata is no JSON object"},
      {"{\"__metadata__\":{\"\x1b\":1}}", 0, "no JSON object"},
      {"{\"__metadata__\":{\"\\u001b[2J\":1}}", 0, "no string"},
      {"{\"x\": \x1b[2J}", 0, "no JSON object: it is damaged (byte "},
      {"[]", 0, "no JSON object"},
      {"{", 0, "JSON"},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    struct assay_status status = {0, ""};
    const int code = parse_header(files[i].header, files[i].data_size, &status);
    ck_assert_msg(code == (files[i].told == NULL ? 0 : ASSAY_E_DATA), "%s: %s", files[i].header, status.message);
    if (files[i].told != NULL) ck_assert_msg(strstr(status.message, files[i].told) != NULL, "%s: %s", files[i].header, status.message);
    ck_assert(assay_is_printable(status.message));
  }
  struct assay_status status;
  struct assay_safetensors parsed;
  const unsigned char huge[16] = {255, 255, 255, 255, 255, 255, 255, 127};
  ck_assert_int_eq(assay_safetensors_parse("test", huge, 16, test_arena, &parsed, &status), ASSAY_E_DATA);
  ck_assert_int_eq(assay_safetensors_parse("test", huge, 7, test_arena, &parsed, &status), ASSAY_E_DATA);
}
END_TEST

/* The description of a good model with one part replaced by another of any length. */
static int parse_changed(const char *data, size_t size, const char *from, const char *to, struct assay_status *status) {
  uint64_t length;
  memcpy(&length, data, 8);
  char *header = assay_arena_copy_bytes(test_arena, data + 8, length + 1);
  header[length] = '\0';
  char *at = strstr(header, from);
  ck_assert_msg(at != NULL, "there is no %s", from);
  char *changed = assay_arena_print(test_arena, "%.*s%s%s", (int)(at - header), header, to, at + strlen(from));
  const uint64_t changed_length = strlen(changed);
  char *file = assay_arena_take(test_arena, 8 + changed_length + size - 8 - length, 1);
  memcpy(file, &changed_length, 8);
  memcpy(file + 8, changed, changed_length);
  memcpy(file + 8 + changed_length, data + 8 + length, size - 8 - length);
  struct assay_model *model;
  const int code = assay_model_parse("changed", file, 8 + changed_length + size - 8 - length, &model, status);
  assay_model_release(model);
  return code;
}

START_TEST(descriptions_that_do_not_fit_are_refused) {
  struct assay_status status;
  struct assay_trial_result *trial;
  struct assay_model *model;
  char *data;
  size_t size;
  struct toy *toy = trained(2, ASSAY_FINAL_REFIT, &trial, &model);
  ck_assert_int_eq(assay_model_write(model, model_path(), &status), 0);
  ck_assert_int_eq(assay_file_read(model_path(), 1 << 20, ASSAY_E_DATA, &data, &size, &status), 0);
  static const char *const changes[][2] = {
      {"\\\"schema\\\":1", "\\\"schema\\\":2"},
      {"\\\"schema\\\":1", "\\\"scheme\\\":1"},
      {"\\\"threshold\\\":0.5", "\\\"threshold\\\":\\\"half\\\""},
      {"\\\"target\\\":\\\"none\\\"", "\\\"target\\\":1"},
      {"\\\"target\\\":\\\"none\\\"", "\\\"target\\\":\\\"f1\\\""},
      {"\\\"target\\\":\\\"none\\\"", "\\\"target\\\":\\\"f1 > much\\\""},
      {"\\\"target\\\":\\\"none\\\"", "\\\"target\\\":\\\"f1 >= 0.5\\\\n[backend]\\\""},
      {"\\\"judge\\\":{", "\\\"judge\\\":3,\\\"x\\\":{"},
      {"\\\"metrics\\\":[", "\\\"metrics\\\":[],\\\"x\\\":["},
      {"\\\"metrics\\\":[", "\\\"metrics\\\":[null,"},
      {"\\\"type\\\":\\\"loss\\\"", "\\\"type\\\":\\\"lo]ss\\\""},
      {"\\\"name\\\":\\\"loss\\\"", "\\\"name\\\":\\\"\\\""},
      {"\\\"options\\\":{", "\\\"options\\\":{\\\"a\\\":1"},
      {"\\\"options\\\":{", "\\\"options\\\":{\\\"a b\\\":\\\"1\\\""},
      {"\\\"options\\\":{", "\\\"options\\\":{\\\"a\\\":\\\"1\\\\n2\\\""},
      {"\\\"fit\\\":\\\"crop\\\"", "\\\"fit\\\":\\\"shrink\\\""},
      {"\\\"channels\\\":2", "\\\"channels\\\":3"},
      {"\\\"width\\\":8", "\\\"width\\\":0"},
      {"\\\"width\\\":8", "\\\"width\\\":80"},
      {"\\\"logits\\\":1", "\\\"logits\\\":2"},
      {"\\\"logits\\\":1", "\\\"logits\\\":3"},
      {"\\\"members\\\":1", "\\\"members\\\":2"},
      {"\\\"members\\\":1", "\\\"members\\\":0"},
      {"\\\"positive\\\":\\\"north_east\\\"", "\\\"positive\\\":\\\"east\\\""},
      {"\\\"classes\\\":[\\\"north_west\\\",", "\\\"classes\\\":["},
      {"\\\"op\\\":\\\"conv2d\\\"", "\\\"op\\\":\\\"conv3d\\\""},
      {"\\\"op\\\":\\\"conv2d\\\"", "\\\"op\\\":\\\"assign\\\""},
      {"\\\"groups\\\":1", "\\\"groups\\\":0"},
      {"\\\"groups\\\":1", "\\\"groups\\\":1.5"},
      {"\\\"stride\\\":[1,1]", "\\\"stride\\\":[1]"},
      {"\\\"inputs\\\":[0]", "\\\"inputs\\\":[99999]"},
      {"\\\"inputs\\\":[0]", "\\\"inputs\\\":[-1]"},
      {"\\\"fetches\\\":[", "\\\"fetches\\\":[0,"},
      {"\\\"name\\\":\\\"conv2d0.weight\\\"", "\\\"name\\\":\\\"conv2d0.mass\\\""},
      {"\\\"name\\\":\\\"conv2d0.bias\\\"", "\\\"name\\\":\\\"conv2d0.weight\\\""},
      {"\\\"role\\\":5", "\\\"role\\\":6"},
      {"\\\"version\\\":", "\\\"vision\\\":"},
      {"\\\"data\\\":\\\"01", "\\\"data\\\":\\\"zz"},
      {"\"assay\":", "\"essay\":"},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    status.message[0] = '\0';
    ck_assert_msg(parse_changed(data, size, changes[i][0], changes[i][1], &status) == ASSAY_E_DATA, "%s to %s: %s", changes[i][0], changes[i][1], status.message);
    ck_assert_msg(strncmp(status.message, "changed", 7) == 0, "%s", status.message);
  }
  ck_assert_msg(parse_changed(data, size, "\\\"judge\\\":", "\\\"older\\\":", &status) == 0, "%s", status.message); /* keeps nothing of it */
  ck_assert_msg(parse_changed(data, size, "\\\"groups\\\":1", "\\\"groups\\\":1", &status) == 0, "%s", status.message);
  struct assay_model *none;
  ck_assert_int_eq(assay_model_read("/nowhere/model.safetensors", &none, &status), ASSAY_E_DATA);
  ck_assert_ptr_null(none);
  free(data);
  unlink(model_path());
  assay_model_release(model);
  assay_trial_result_release(trial);
  toy_release(toy);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model");
  TCase *cases = tcase_create("all");
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, components_setup, components_teardown);
  tcase_add_test(cases, a_file_brings_the_model_back);
  tcase_add_test(cases, a_file_keeps_how_its_run_judged);
  tcase_add_test(cases, best_fold_repeats_its_out_of_fold_predictions);
  tcase_add_test(cases, an_ensemble_averages_its_folds);
  tcase_add_test(cases, best_fold_needs_weights_that_were_kept);
  tcase_add_test(cases, containers_with_holes_or_lies_are_refused);
  tcase_add_test(cases, descriptions_that_do_not_fit_are_refused);
  suite_add_tcase(suite, cases);
  return assay_run_suite(suite);
}
