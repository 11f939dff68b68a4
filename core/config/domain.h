/* SPDX-License-Identifier: MIT
 *
 * Domains, the part behind the ~: which values a search may try. choice(a, b, …) · int(lo, hi[, step]) · real(lo, hi[, step]) · log(lo, hi) ·
 * logint(lo, hi). An element of a choice that holds a comma stands in quotes.
 */
#ifndef ASSAY_CONFIG_DOMAIN_H
#define ASSAY_CONFIG_DOMAIN_H

#include <assay/search.h>
#include <stdbool.h>

struct assay_arena;
struct assay_text;

struct assay_domain {
  uint32_t kind; /* enum assay_domain_kind */
  bool logarithmic;
  double low, high, step; /* INT, REAL */
  uint32_t choice_count;
  const char *const *choices; /* CHOICE: as they would stand in the file; NULL-terminated */
};

/* "choice(2, 3)". ASSAY_E_CONFIG with a sentence without place. */
int assay_domain_parse(const char *text, struct assay_arena *arena, struct assay_domain **domain, struct assay_status *status);
/* Does every value of the domain fit the option, may the option be searched, and is `value` in the domain? `number` gets the value as a point
 * holds it. Without place, too. */
int assay_domain_fit(const struct assay_domain *domain, const struct assay_option *option, const char *value, double *number, struct assay_status *status);
/* Text of a point's number as it would stand in the file; from the arena, NULL when memory is short. A number off the domain is moved into it. */
const char *assay_domain_text(const struct assay_domain *domain, double number, struct assay_arena *arena);
/* The domain as it would stand in the file, always the same for equal domains. */
void assay_domain_print(const struct assay_domain *domain, struct assay_text *text);

#endif
