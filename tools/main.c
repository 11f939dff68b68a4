/* SPDX-License-Identifier: MIT
 *
 * The `assay` tool.
 */
#include "config.h"

#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "probe-plugin") == 0) return assay_plugin_probe_main(arguments[2]); /* hidden: see core/plugin/probe.h */
  printf("assay %s\n", PACKAGE_VERSION);
  return 0;
}
