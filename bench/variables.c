/* SPDX-License-Identifier: MIT */
#include "variables.h"

#include <stdlib.h>

int bench_fill_variables(const struct assay_backend *backend, struct assay_store *store, const struct assay_program_builder *program, struct assay_status *status) {
  int error = 0;
  for (uint32_t v = 0; v < assay_program_variable_count(program) && !error; v++) {
    const struct assay_variable_definition *definition = assay_program_variable(program, v);
    void *data = calloc((size_t)assay_element_count(&definition->base.type), sizeof(float));
    if (data == NULL) return ASSAY_E_MEMORY;
    error = assay_variable_initialise(definition, 1, data, status);
    if (!error) error = backend->store_write(store, v, data, status);
    free(data);
  }
  return error;
}
