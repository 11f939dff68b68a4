/* SPDX-License-Identifier: MIT
 *
 * report.html: one page without scripts and without anything from elsewhere, made of what the run folder holds. No device and no images are needed, so it can
 * be written again at any time; the pictures in it are those that the final training left in pictures.json.
 */
#ifndef ASSAY_REPORT_REPORT_H
#define ASSAY_REPORT_REPORT_H

#include "report/summary.h"

struct assay_report_sources {
  const char *folder;     /* of the run: trials/N/ and pictures.json are read */
  const json_t *summary;  /* as assay_summary_build made it */
  struct assay_study *study;
  const struct assay_settings *settings, *best_settings; /* the defaults; of the best trial, NULL: none */
  const char *configuration; /* the INI at the best trial's values */
  const struct assay_prediction_set *predictions; /* of the model; NULL: none yet */
};

/* ASSAY_E_STORAGE when the page cannot be written; what cannot be read is left out of it. */
int assay_report_write(const struct assay_report_sources *sources, const char *path, struct assay_status *status);

#endif
