/* SPDX-License-Identifier: MIT
 *
 * What the report shows of the images: samples of each class, and the worst errors with where the model looked. Made while pixels, model and device are at
 * hand, so that the report can be written again without them.
 */
#ifndef ASSAY_RUN_PICTURES_H
#define ASSAY_RUN_PICTURES_H

#include "run/folder.h"
#include "train/model.h"

/* Writes pictures.json: {schema, samples: [{path, label, image}], errors: [{path, part, label, guess, score, image, heat, method}]}; images are JPEGs in
 * base64, as the network sees them, at most 160 pixels a side. Errors are the surest of the test; where no test was held out, of the out-of-fold predictions,
 * then without `heat`, as the final model has learnt those images. `heat` speaks for the guess; `method` is "Grad-CAM", or "HiResCAM" where that leaves
 * nothing. A network that cannot be explained only has no heat. ASSAY_E_STORAGE, ASSAY_E_MEMORY. */
int assay_pictures_write(const struct assay_run *run, struct assay_session *session, const struct assay_model *model, const struct assay_samples *samples,
                         const struct assay_prediction_set *predictions, struct assay_status *status);

#endif
