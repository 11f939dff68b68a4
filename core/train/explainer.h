/* SPDX-License-Identifier: MIT
 *
 * Where in an image a model looks: Grad-CAM (Selvaraju et al., 2017) or HiResCAM (Draelos and Carin, 2020) for any network, from the graph that the model
 * file holds.
 *
 * The last feature maps that still have a place are found in the graph: what feeds the first op that has none any more (a flattening, a global pooling). Of
 * several branches that end apart, each has its own, and their heat is added. Heat is max(sum over channels of weight * map, 0). A weight is the gradient of
 * the class' logit by that place of the map (HiResCAM), or its mean over the places of the channel (Grad-CAM); with one logit the first class' is its negative.
 * Both are the same behind a global pooling. Behind a flattening Grad-CAM's weights mix what places far apart say, and may leave nothing.
 *
 * An image that the model cuts into patches has the heat of each, from the patch's own logit, in its place.
 */
#ifndef ASSAY_TRAIN_EXPLAINER_H
#define ASSAY_TRAIN_EXPLAINER_H

#include "train/model.h"

struct assay_explainer; /* on one device */

enum assay_explain_method { ASSAY_EXPLAIN_GRAD_CAM = 0, ASSAY_EXPLAIN_HIRES_CAM = 1 };

/* Model and session outlive it. ASSAY_E_UNSUPPORTED when an op between those maps and the logits has no derivative. */
int assay_explainer_create(struct assay_session *session, const struct assay_model *model, enum assay_explain_method method, struct assay_explainer **explainer,
                           struct assay_status *status);
void assay_explainer_release(struct assay_explainer *explainer);

/* How much each place of an image (as the model takes it) speaks for a class: heat [height, width], bilinear between the centres of the maps' cells as
 * PyTorch's interpolate has it, scaled so that its largest is 1; all 0 when nothing speaks for it. An ensemble's is the mean of its members'. */
int assay_explainer_run(struct assay_explainer *explainer, const uint8_t *image, int32_t class, uint32_t width, uint32_t height, float *heat,
                        struct assay_status *status);
/* Was there anything in the last run's heat? */
bool assay_explainer_found(const struct assay_explainer *explainer);

/* `pixels` u8 [height, width, 3] with the heat laid over: dark where it is 0, through violet and orange to bright yellow. */
void assay_heat_overlay(uint8_t *pixels, uint32_t width, uint32_t height, const float *heat);

#endif
