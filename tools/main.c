/* SPDX-License-Identifier: MIT
 *
 * The `assay` tool.
 */
#include "config.h"

#include <stdio.h>

int main(void) {
  printf("assay %s\n", PACKAGE_VERSION);
  return 0;
}
