/* SPDX-License-Identifier: MIT
 *
 * Pretrained weights: which tensor of a safetensors file becomes which variable of a network, and what is left out and why.
 *
 * A variable LAYER.PATH takes the tensor of its own name (our own models), of PATH (torchvision), or of timm's name for it. Beside equal shapes these fit:
 *   - a first convolution for another number of channels: grey input sums the filters over the channels (RGB from grey repeats them, divided by three);
 *   - a classifier whose classes are known by name and hold all those of the data: its rows are picked by name;
 *   - for two classes and one logit: the row of the second class less that of the first.
 * A classifier that does not fit stays new. Any other shape that does not fit is an error, as the network is then another one than the weights'.
 */
#ifndef ASSAY_TRAIN_PRETRAINED_H
#define ASSAY_TRAIN_PRETRAINED_H

#include "config/plan.h"
#include "graph/graph.h"

#include <stdbool.h>

struct assay_text;
struct assay_pretrained;

/* One line of the table. */
struct assay_weight_row {
  const char *variable; /* NULL: a tensor that nobody reads */
  const char *tensor;   /* NULL: a variable that is new */
  const char *note;     /* how it was made to fit, or why it was left out; "" */
};

/* Reads the file of settings->weights and matches it with the variables of a program that was built from these settings. `classes`: the data's. ASSAY_E_CONFIG
 * when a shape does not fit, or nothing does; ASSAY_E_DATA for a file that is damaged. */
int assay_pretrained_open(const struct assay_settings *settings, const struct assay_program *program, const char *const *classes, uint32_t class_count,
                          struct assay_pretrained **pretrained, struct assay_status *status);
/* The same for a program that is built from the settings for these classes, before any image is read. */
int assay_pretrained_plan(const struct assay_settings *settings, const char *const *classes, uint32_t class_count, struct assay_pretrained **pretrained,
                          struct assay_status *status);
void assay_pretrained_release(struct assay_pretrained *pretrained); /* NULL is fine */
/* Has it numbers for this variable? `pretrained` may be NULL. */
bool assay_pretrained_has(const struct assay_pretrained *pretrained, uint32_t variable);
/* They: f32, outside layout. */
void assay_pretrained_fill(const struct assay_pretrained *pretrained, uint32_t variable, float *numbers);
/* Variables first, in the program's order, then tensors. */
const struct assay_weight_row *assay_pretrained_rows(const struct assay_pretrained *pretrained, uint32_t *count);
/* One line for a person: how many variables were loaded, and what is new and why. */
void assay_pretrained_summarise(const struct assay_pretrained *pretrained, struct assay_text *text);
void assay_pretrained_tell(const struct assay_pretrained *pretrained); /* to the log */

/* The classes of the classifier in the file: by [network] classes, or by name as the weights say, or numbered 0000, 0001, …; from `arena`. ASSAY_E_CONFIG when
 * there is no classifier. */
int assay_pretrained_classes(const struct assay_settings *settings, struct assay_arena *arena, const char *const **classes, uint32_t *count,
                             struct assay_status *status);

#endif
