/* SPDX-License-Identifier: MIT
 *
 * errors.csv: what was guessed wrong.
 */
#include "report/judgement.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>

static void add_row(struct assay_text *text, const struct assay_prediction_set *set, uint32_t row, const char *part) {
  char score[32], loss[32] = "";
  assay_print_real(set->scores[(size_t)row * set->class_count + (size_t)set->guesses[row]], score);
  if (isfinite(set->losses[row])) assay_print_real(set->losses[row], loss);
  assay_text_add_field(text, set->paths[row]);
  assay_text_print(text, ",%s,%d,%d,", part, (int)set->repeats[row], (int)set->folds[row]);
  assay_text_add_field(text, set->classes[set->labels[row]]);
  assay_text_add(text, ",");
  assay_text_add_field(text, set->classes[set->guesses[row]]);
  assay_text_print(text, ",%s,%s\n", score, loss);
}

int assay_errors_write(const struct assay_prediction_set *set, const char *path, struct assay_status *status) {
  struct assay_text text = {0};
  uint32_t count, *rows = assay_judgement_wrong(set, &count);
  if (rows == NULL) return assay_status_memory(status);
  assay_text_add(&text, "path,part,repeat,fold,label,guess,score,loss\n");
  for (uint32_t i = 0; i < count; i++)
    if (set->parts[rows[i]] == ASSAY_PART_TEST) add_row(&text, set, rows[i], "test");
  for (uint32_t i = 0; i < count; i++)
    if (set->parts[rows[i]] == ASSAY_PART_VALIDATION) add_row(&text, set, rows[i], "validation");
  const int code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  free(rows);
  assay_text_release(&text);
  return code;
}
