/* SPDX-License-Identifier: MIT
 *
 * The conformance suite in a child: what it finds arrives as it goes. A device that takes the child down, or keeps it from saying anything, has failed the case that
 * was running; a new child goes on behind it.
 */
#ifndef ASSAY_TOOLS_SELFTEST_H
#define ASSAY_TOOLS_SELFTEST_H

#include "cli.h"

struct selftest_request {
  const char *device; /* as in run/device.h */
  const char *mode;   /* "test", "gradient", "all" (both of them), "time" */
  const char *ops;    /* names with commas between; NULL: all */
  const char *against; /* time: the other device; NULL: none */
  uint64_t seed;
  bool thorough;
  double silence;     /* seconds without a word after which the child is taken to hang */
};

struct selftest_listener {
  void *context;
  /* `number` of `count` subjects is at work on `what`. */
  void (*progress)(void *context, uint32_t number, uint32_t count, const char *subject, const char *what);
  /* An object with "subject", "dtype", "detail", "part", "verdict" (passed, failed, refused), "worst", "bound", "message". */
  void (*result)(void *context, const json_t *result);
  /* An object with "subject", "detail", "tested", "other" (seconds or null), "operations", "message". */
  void (*time)(void *context, const json_t *time);
};

/* 0 when the suite came to its end, whatever it found; ASSAY_E_DEVICE (or what opening it gave) when the device could not even be opened. */
int selftest_run(struct cli *cli, const struct selftest_request *request, const struct selftest_listener *listener);

/* Are all these names, with commas between, subjects of the suite? ASSAY_E_CONFIG names one that is not. */
int selftest_check_ops(struct cli *cli, const char *ops);
/* Is `name` among them? */
bool selftest_has_op(const char *ops, const char *name);

#endif
