/* SPDX-License-Identifier: MIT
 *
 * Random numbers: a pure function of a sample's key, the stream and the element's place.
 */
#include "reference.h"

#include <assay/random.h>

void assay_reference_random_uniform(const struct assay_node *node, const struct assay_reference_tensor *inputs, const struct assay_reference_tensor *outputs) {
  const struct assay_random_attributes *attributes = node->attributes;
  const int64_t samples = inputs[0].type->extents[0], length = outputs[0].count / samples;
  for (int64_t n = 0; n < samples; n++)
    for (int64_t e = 0; e < length; e++) {
      const uint32_t key[2] = {(uint32_t)inputs[0].numbers[2 * n], (uint32_t)inputs[0].numbers[2 * n + 1]};
      const uint32_t counter[4] = {(uint32_t)(e / 4), attributes->stream, 0, 0};
      uint32_t words[4];
      assay_philox(counter, key, words);
      outputs[0].numbers[n * length + e] = (double)(words[e % 4] >> 8) * 0x1p-24;
    }
}
