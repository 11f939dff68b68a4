/* SPDX-License-Identifier: MIT
 *
 * Numbers from text: whatever is read as a number is printed and read again as the same number.
 */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *string = malloc(size + 1), printed[32];
  if (!string) return 0;
  if (size) memcpy(string, data, size);
  string[size] = '\0';

  double real, again;
  if (assay_parse_real(string, &real)) {
    assay_print_real(real, printed);
    if (!assay_parse_real(printed, &again) || again != real) abort();
  }
  int64_t integer;
  if (assay_parse_integer(string, &integer) && (!assay_parse_real(string, &real) || real != (double)integer)) abort();
  if (assay_is_name(string) && !assay_is_printable(string)) abort();

  free(string);
  return 0;
}
