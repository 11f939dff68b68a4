/* SPDX-License-Identifier: MIT
 *
 * Which parameters of a network are trained, from when on, and how fast: names of the settings resolved against the network's parameters, which are
 * ordered as the layers ask for them. Knows names and numbers, but no graph.
 */
#ifndef ASSAY_TRAIN_TUNING_H
#define ASSAY_TRAIN_TUNING_H

#include "base/arena.h"
#include "config/plan.h"

/* What a walk through the layers has found. */
struct assay_layer_facts {
  uint32_t end;           /* number of the first variable behind those of this layer */
  bool random;            /* it draws random numbers while training */
};
struct assay_forward_facts {
  uint32_t variable_count;
  const struct assay_variable_definition *const *variables; /* base comes first */
  const struct assay_layer_facts *layers;                    /* parallel to settings->layers */
};

struct assay_tuning {
  uint32_t variable_count;
  const uint8_t *frozen;   /* by variable: 1 for parameters and statistics of what is frozen */
  const uint8_t *held[2];  /* by phase, by variable: 1 for what a training step leaves as it is */
  const uint32_t *groups;  /* by variable: number of its rate group */
  uint32_t phase_count;    /* 2: in the second one everything is trained */
  uint32_t passed_layers;  /* the first so many layers are passed through in the first phase as in evaluation */
};

/* Does anything of this ask for names at all? Otherwise a zeroed tuning with phase_count 1 is right. */
bool assay_tuning_wanted(const struct assay_train_settings *settings);
/* ASSAY_E_CONFIG when a name fits no parameter, with the nearest one. */
int assay_tuning_resolve(const struct assay_settings *settings, const struct assay_forward_facts *facts, struct assay_arena *arena, struct assay_tuning *tuning,
                         struct assay_status *status);

/* Is a variable of this role trained? */
bool assay_role_is_trained(uint32_t role);

#endif
