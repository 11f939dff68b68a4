/* SPDX-License-Identifier: MIT
 *
 * What the search plugins share: axes and their values, uniform points, and permutations that need no memory.
 */
#ifndef ASSAY_OPTIMIZERS_SEARCH_SEARCH_H
#define ASSAY_OPTIMIZERS_SEARCH_SEARCH_H

#include <assay/search.h>
#include <stdbool.h>

/* Is the axis active? Needs the axes before it. */
static inline bool assay_search_active(const struct assay_dimension *axis, const double *point) {
  return axis->parent < 0 || point[axis->parent] == axis->parent_choice;
}

/* Can the axis take one value only? */
bool assay_search_single(const struct assay_dimension *axis);
/* The value at `share` in [0, 1) of the way through the axis, as uniform as the axis can be: choices and steps have equal parts. */
double assay_search_value_at(const struct assay_dimension *axis, double share);

/* Where `index` goes in a permutation of {0, …, count - 1} that the key picks; and back. */
uint64_t assay_permute(uint64_t index, uint64_t count, const uint32_t key[2]);
uint64_t assay_permute_back(uint64_t index, uint64_t count, const uint32_t key[2]);

/* Fills the status and gives the code. */
int assay_search_fail(struct assay_status *status, int code, const char *message);

#endif
