/* SPDX-License-Identifier: MIT
 *
 * An OpenCL driver that does harm when it is loaded: HARM is 1 to crash, 2 to end the process, 3 to hang.
 */
#include <stdlib.h>
#include <unistd.h>

static __attribute__((constructor)) void harm(void) {
  if (HARM == 1) abort();
  if (HARM == 2) exit(0);
  for (;;) pause();
}

void *clGetExtensionFunctionAddress(const char *name);
void *clGetExtensionFunctionAddress(const char *name) {
  (void)name;
  return NULL;
}
