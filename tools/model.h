/* SPDX-License-Identifier: MIT
 *
 * A model file in use, for `eval` and `predict`: read, put on the device that [backend] names, and fed with image files.
 */
#ifndef ASSAY_TOOLS_MODEL_H
#define ASSAY_TOOLS_MODEL_H

#include "cli.h"

#include "train/model.h"

struct model_in_use {
  struct assay_model *model;
  struct assay_plan *plan; /* of the INI, or of the command line alone, for [backend] and the metrics */
  const struct assay_settings *settings;
  struct assay_session *session;
  struct assay_predictor *predictor;
  struct assay_data_settings images; /* how images are prepared */
  size_t image_size;                 /* bytes of one */
  bool from_ini;
};

/* `path`: a model file, or an INI whose pretrained weights are a model without training. With `judges`, a model file's own target and metrics
 * are in the settings, where -s says nothing else; they may need plugins that the model itself does not. */
int model_open(struct cli *cli, const char *path, bool judges, struct model_in_use *use);
void model_close(struct model_in_use *use);

/* What became of one image. `scores` has one number a class; NULL when `problem` says why there are none. */
typedef int (*model_row)(void *context, uint32_t image, const double *scores, const char *problem);
/* Loads and classifies the images block by block, and hands on each result in order. */
int model_run(struct cli *cli, struct model_in_use *use, const struct assay_image_list *list, model_row row, void *context);

#endif
