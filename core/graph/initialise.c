/* SPDX-License-Identifier: MIT
 *
 * First values of variables. Each variable has a stream of random numbers of its own, by seed and name, so that it starts alike whatever else the network has.
 */
#include "graph/graph.h"

#include "base/hash.h"
#include "base/status.h"
#include "graph/number.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>

static struct assay_random stream_of(uint64_t seed, const char *name) {
  const struct assay_hash hash = assay_hash_bytes(name, strlen(name));
  uint64_t stream = 0;
  for (int i = 0; i < 8; i++) stream = stream << 8 | hash.bytes[i];
  return assay_random_seed(seed, stream);
}

/* Of weights [out, in, …]. */
static double fan_in(const struct assay_tensor_type *type) {
  double product = 1;
  for (int32_t axis = 1; axis < type->rank; axis++) product *= (double)type->extents[axis];
  return product;
}

static double fan_out(const struct assay_tensor_type *type) {
  double product = 1;
  for (int32_t axis = 0; axis < type->rank; axis++)
    if (axis != 1) product *= (double)type->extents[axis];
  return product;
}

/* Standard deviation of the named distributions. */
static double deviation(const struct assay_variable_definition *variable) {
  const struct assay_tensor_type *type = &variable->base.type;
  const double slope = variable->argument;
  switch (variable->initialiser) {
  case ASSAY_INIT_UNIFORM: return fabs(variable->argument) / sqrt(3);
  case ASSAY_INIT_NORMAL: return variable->argument;
  case ASSAY_INIT_GLOROT_UNIFORM:
  case ASSAY_INIT_GLOROT_NORMAL: return sqrt(2 / (fan_in(type) + fan_out(type)));
  case ASSAY_INIT_HE_UNIFORM:
  case ASSAY_INIT_HE_NORMAL: return sqrt(2 / ((1 + slope * slope) * fan_in(type)));
  default: return sqrt(1 / fan_in(type)); /* LeCun */
  }
}

static bool is_normal(uint32_t initialiser) {
  return initialiser == ASSAY_INIT_NORMAL || initialiser == ASSAY_INIT_GLOROT_NORMAL || initialiser == ASSAY_INIT_HE_NORMAL ||
         initialiser == ASSAY_INIT_LECUN_NORMAL;
}

/* Within ±1 with density 1/2 times sqrt(3): mean 0, variance 1. */
static double standard_uniform(struct assay_random *random) { return (2 * assay_random_uniform(random) - 1) * sqrt(3); }

/* Box and Muller, 1958; 1 - u is in (0, 1]. */
static double standard_normal(struct assay_random *random) {
  const double radius = sqrt(-2 * log(1 - assay_random_uniform(random)));
  return radius * cos(2 * M_PI * assay_random_uniform(random));
}

int assay_variable_initialise(const struct assay_variable_definition *variable, uint64_t seed, void *data, struct assay_status *status) {
  const struct assay_tensor_type *type = &variable->base.type;
  const int64_t count = assay_element_count(type);
  const size_t size = assay_dtype_size(type->dtype);
  if (variable->initialiser < ASSAY_INIT_CONSTANT || variable->initialiser > ASSAY_INIT_LECUN_NORMAL)
    return assay_status_set(status, ASSAY_E_CONFIG, "variable %s: %u is no initialiser", variable->base.name, variable->initialiser);
  const bool is_constant = variable->initialiser == ASSAY_INIT_CONSTANT, normal = is_normal(variable->initialiser);
  const double scale = is_constant ? 0 : deviation(variable);
  struct assay_random random = stream_of(seed, variable->base.name);
  for (int64_t i = 0; i < count; i++) {
    const double number = is_constant ? variable->argument : scale * (normal ? standard_normal(&random) : standard_uniform(&random));
    assay_store_number(number, type->dtype, (unsigned char *)data + (size_t)i * size);
  }
  return 0;
}
