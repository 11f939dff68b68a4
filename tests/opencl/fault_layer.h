/* SPDX-License-Identifier: MIT
 *
 * What the fault layer and its tests share: the variables that tell the layer what to do, and the table of calls that it keeps in a file.
 *
 *   ASSAY_FAULT_TABLE  a file that all processes share: how often each entry point was called so far
 *   ASSAY_FAULT_CALL   the entry point that fails, as clFinish; absent: none
 *   ASSAY_FAULT_FROM   the number of the first call that fails, from 1, counted over all processes
 *   ASSAY_FAULT_COUNT  how many calls fail from there on; 1 when absent
 *   ASSAY_FAULT_ERROR  what it gives back, as -5; 0: it never comes back
 */
#ifndef ASSAY_TESTS_FAULT_LAYER_H
#define ASSAY_TESTS_FAULT_LAYER_H

#include <stdint.h>

enum { FAULT_ENTRIES = 64 };

/* One entry of the table; the file holds FAULT_ENTRIES of them. */
struct fault_entry {
  char name[60]; /* empty behind the last */
  uint32_t calls;
};

#endif
