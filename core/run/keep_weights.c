/* SPDX-License-Identifier: MIT
 *
 * Pretrained weights in the run folder: the file itself, so that the run can be finished when the original is gone, and the table of what was loaded.
 */
#include "run/folder.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "train/pretrained.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WEIGHTS_LIMIT ((size_t)8 << 30) /* bytes */

/* A second name for the file where the file system allows it, else a copy. */
static int keep_file(const char *from, const char *to, struct assay_status *status) {
  if (assay_file_exists(to) || linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0) return 0;
  char *data;
  size_t size;
  int code = assay_file_read(from, WEIGHTS_LIMIT, ASSAY_E_STORAGE, &data, &size, status);
  if (code != 0) return code;
  code = assay_file_write(to, data, size, status);
  free(data);
  return code;
}

/* variable,tensor,note: variables in the network's order, then tensors that none of them took. */
static int write_table(const struct assay_pretrained *pretrained, const char *path, struct assay_status *status) {
  uint32_t count;
  const struct assay_weight_row *rows = assay_pretrained_rows(pretrained, &count);
  struct assay_text text = {0};
  assay_text_add(&text, "variable,tensor,note\n");
  for (uint32_t i = 0; i < count; i++) {
    assay_text_add_field(&text, rows[i].variable != NULL ? rows[i].variable : "");
    assay_text_add(&text, ",");
    assay_text_add_field(&text, rows[i].tensor != NULL ? rows[i].tensor : "");
    assay_text_add(&text, ",");
    assay_text_add_field(&text, rows[i].note);
    assay_text_add(&text, "\n");
  }
  const int code = text.failed ? assay_status_memory(status) : assay_file_write(path, text.data, text.length, status);
  assay_text_release(&text);
  return code;
}

int assay_run_keep_weights(const struct assay_run *run, struct assay_status *status) {
  const struct assay_settings *settings = run->settings;
  const char *file = assay_run_path(run, ASSAY_RUN_WEIGHTS), *table = assay_run_path(run, "weights.csv");
  struct assay_pretrained *pretrained = NULL;
  if (settings->weights == NULL) return 0;
  if (file == NULL || table == NULL) return assay_status_memory(status);
  int code = assay_pretrained_plan(settings, run->dataset->classes, run->dataset->class_count, &pretrained, status);
  if (code == 0) code = keep_file(settings->weights, file, status);
  if (code == 0) code = write_table(pretrained, table, status);
  assay_pretrained_release(pretrained);
  return code;
}
