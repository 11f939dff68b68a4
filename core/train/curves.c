/* SPDX-License-Identifier: MIT
 *
 * The folds' curves as CSV.
 */
#include "train/trainer.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>

/* A comma and the number; nothing behind the comma where it is not finite. */
static void add_number(struct assay_text *text, double number) {
  char digits[64];
  assay_text_add(text, ",");
  if (!isfinite(number)) return;
  assay_print_real(number, digits);
  assay_text_add(text, digits);
}

static void add_line(struct assay_text *text, const struct assay_fold_result *fold, uint32_t epoch, uint32_t metric_count) {
  const struct assay_epoch *line = &fold->epochs[epoch];
  uint32_t stage = 0;
  while (stage + 1 < fold->stage_count && epoch >= fold->stages[stage + 1].first_epoch) stage++;
  assay_text_print(text, "%u,%u,%u,%u", fold->repeat, fold->fold, epoch, stage);
  add_number(text, line->training_loss);
  add_number(text, line->training_accuracy);
  add_number(text, line->validation_loss);
  add_number(text, line->learning_rate);
  add_number(text, line->seconds);
  for (uint32_t i = 0; i < metric_count; i++) add_number(text, line->metrics == NULL ? NAN : line->metrics[i]);
  assay_text_print(text, ",%d\n", epoch == fold->best_epoch);
}

int assay_trial_result_write_curves(const struct assay_trial_result *result, const struct assay_settings *settings, const char *path,
                                    struct assay_status *status) {
  struct assay_text text = {0};
  assay_text_add(&text, "repeat,fold,epoch,stage,training_loss,training_accuracy,validation_loss,learning_rate,seconds");
  for (uint32_t i = 0; i < settings->metric_count; i++) {
    assay_text_add(&text, ",");
    assay_text_add_field(&text, settings->metrics[i].name);
  }
  assay_text_add(&text, ",best\n");
  for (uint32_t fold = 0; fold < result->fold_count; fold++)
    for (uint32_t epoch = 0; epoch < result->folds[fold].epoch_count; epoch++) add_line(&text, &result->folds[fold], epoch, settings->metric_count);
  const int code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return code;
}
