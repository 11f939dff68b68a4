/* SPDX-License-Identifier: MIT
 *
 * The best trial becomes the model: trained as [train] final says, judged once on the held-out test, written with its predictions.
 */
#ifndef ASSAY_RUN_FINAL_H
#define ASSAY_RUN_FINAL_H

#include "run/folder.h"
#include "train/trainer.h"

/* Writes model.safetensors, predictions.csv (the trial's out-of-fold predictions, then those of the test part) and pictures.json into the run folder. */
int assay_final_make(struct assay_run *run, struct assay_session *session, struct assay_trainer *trainer, const struct assay_samples *samples,
                     const struct assay_settings *settings, const struct assay_trial_record *best, const struct assay_hooks *hooks, struct assay_status *status);

#endif
