/* SPDX-License-Identifier: MIT
 *
 * A whole backend for Assay: it runs every network on the primitives alone, in plain C. Begin with plain.c.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <assay/backend.h>

/* A tensor at work: dense and row-major, as everything is in this backend. */
struct tensor {
  const struct assay_tensor_type *type;
  unsigned char *bytes;
};

/* Computes the outputs of one node from its inputs. */
typedef void (*kernel)(const struct assay_node *node, const struct tensor *in, const struct tensor *out);

kernel elementwise_kernel(uint32_t op); /* elementwise.c; NULL when it is none of these */
kernel tensor_kernel(uint32_t op);      /* tensors.c; likewise */

/* A number, whatever its type. f32, i32, u32, u8 and bool all fit into a double. */
double load(const struct tensor *tensor, int64_t i);
/* Floats are rounded to the nearest; whole numbers keep their low bits. */
void store(const struct tensor *tensor, int64_t i, double number);

static inline int64_t count_of(const struct tensor *tensor) { return assay_element_count(tensor->type); }

/* How far apart the neighbours along an axis are, in elements. */
static inline int64_t stride_of(const struct assay_tensor_type *type, int32_t axis) {
  int64_t stride = 1;
  for (int32_t i = type->rank - 1; i > axis; i--) stride *= type->extents[i];
  return stride;
}

/* The next index in row-major order; 0 after the last, when all is zero again. */
static inline int next_index(const struct assay_tensor_type *type, int64_t *index) {
  for (int32_t axis = type->rank - 1; axis >= 0; axis--) {
    if (++index[axis] < type->extents[axis]) return 1;
    index[axis] = 0;
  }
  return 0;
}

/* Where NumPy's broadcasting finds the element of `from` for an index of `to`. */
static inline int64_t broadcast_place(const struct assay_tensor_type *from, const struct assay_tensor_type *to, const int64_t *index) {
  int64_t place = 0;
  for (int32_t axis = 0; axis < from->rank; axis++)
    place = place * from->extents[axis] + (from->extents[axis] == 1 ? 0 : index[to->rank - from->rank + axis]);
  return place;
}

#endif
