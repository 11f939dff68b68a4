/* SPDX-License-Identifier: MIT
 *
 * What every Check program shares: the main function, and skipping with a message.
 */
#ifndef ASSAY_TESTS_HARNESS_H
#define ASSAY_TESTS_HARNESS_H

#include "base/process.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#undef fail /* Check's old name for ck_abort; the graph's host table has a member of that name */

/* Leaves a test early, saying why; for tests that need something that this machine may lack. */
#define ASSAY_SKIP(...)                                                                                                                                        \
  do {                                                                                                                                                         \
    fprintf(stderr, "skipped: " __VA_ARGS__);                                                                                                                  \
    fputc('\n', stderr);                                                                                                                                       \
    return;                                                                                                                                                    \
  } while (0)

/* Runs one suite; the exit status for main. Children are run by the tool of this build, as a test program knows no subcommands. */
static inline int assay_run_suite(Suite *suite) {
  const char *tool = getenv("ASSAY_TOOL");
  assay_process_set_tool(tool != NULL ? tool : "");
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
