/* SPDX-License-Identifier: MIT
 *
 * The reference backend: obvious C, one loop nest an op, never made faster. It is the oracle that other backends are measured against.
 *
 * Values are stored in their own dtype. An op that computes gets its inputs as doubles, computes in double, and every result is rounded once, to
 * nearest even, into the dtype of the output. For +, -, *, / and square root in f32, f16 and bf16 that is bit for bit what IEEE 754 asks of the
 * narrower format (Figueroa, "When is double rounding innocuous?", 1995); sums and the other functions come out better than any backend could
 * compute them in f32. Integers wrap around. An op that only moves numbers copies bytes and never looks at them.
 */
#ifndef ASSAY_REFERENCE_H
#define ASSAY_REFERENCE_H

#include <assay/backend.h>
#include <stdbool.h>

/* One input or output of a node that runs. */
struct assay_reference_tensor {
  const struct assay_tensor_type *type;
  int64_t count;        /* of elements */
  unsigned char *bytes; /* in the dtype, dense and row-major */
  double *numbers;      /* the same as doubles; NULL for kernels that move bytes */
};

typedef void (*assay_reference_kernel)(const struct assay_node *node, const struct assay_reference_tensor *inputs,
                                       const struct assay_reference_tensor *outputs);

enum assay_reference_dtypes { /* bit: 1 << dtype */
  ASSAY_REFERENCE_FLOATS = 1 << ASSAY_F64 | 1 << ASSAY_F32 | 1 << ASSAY_F16 | 1 << ASSAY_BF16,
  ASSAY_REFERENCE_INTEGERS = 1 << ASSAY_I32 | 1 << ASSAY_U32 | 1 << ASSAY_U8,
  ASSAY_REFERENCE_NUMBERS = ASSAY_REFERENCE_FLOATS | ASSAY_REFERENCE_INTEGERS,
  ASSAY_REFERENCE_BOOL = 1 << ASSAY_BOOL,
  ASSAY_REFERENCE_ANY = ASSAY_REFERENCE_NUMBERS | ASSAY_REFERENCE_BOOL
};

struct assay_reference_op {
  uint32_t op;
  uint32_t dtypes;      /* that the first input may have; of the output for ops without inputs */
  uint32_t moves_bytes; /* 1: the kernel reads and writes `bytes` only */
  assay_reference_kernel run;
};

/* The op's entry, or NULL when this backend does not know it. INPUT, VARIABLE and ASSIGN have an entry without a kernel. */
const struct assay_reference_op *assay_reference_op(uint32_t op);

/* Kernels, by family. */
void assay_reference_constant(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_unary(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_cast(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_binary(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_select(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_reduce(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_argmax(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_copy(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_broadcast(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_transpose(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_slice(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_pad(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_concat(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_gather(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_scatter_add(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_one_hot(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_matmul(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_conv2d(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_conv2d_input_gradient(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_conv2d_weight_gradient(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_max_pool2d(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_max_pool2d_gradient(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_avg_pool2d(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_avg_pool2d_gradient(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);
void assay_reference_random_uniform(const struct assay_node *, const struct assay_reference_tensor *, const struct assay_reference_tensor *);

/* Numbers of `dtype` as doubles, exactly. */
void assay_reference_unpack(int32_t dtype, const void *bytes, double *numbers, int64_t count);
/* Doubles as `dtype`: floats rounded to nearest even; integers (the doubles are whole, below 2^63) keep their low bits; bool is 0 or 1. */
void assay_reference_pack(int32_t dtype, const double *numbers, void *bytes, int64_t count);

/* What CAST does to a number before it is packed: floats become integers towards zero, saturated, not-a-number 0. The rest is left to `pack`. */
double assay_reference_convert(double number, int32_t from, int32_t to);

/* The next index of a tensor in row-major order; false, and all zeros again, after the last. */
static inline bool assay_reference_next(const struct assay_tensor_type *type, int64_t *index) {
  for (int32_t axis = type->rank - 1; axis >= 0; axis--) {
    if (++index[axis] < type->extents[axis]) return true;
    index[axis] = 0;
  }
  return false;
}

/* How far apart neighbours along each axis are, in elements. */
static inline void assay_reference_strides(const struct assay_tensor_type *type, int64_t *strides) {
  int64_t stride = 1;
  for (int32_t axis = type->rank - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= type->extents[axis];
  }
}

/* Where the element lies that NumPy's broadcasting puts at `index` of `to`. */
static inline int64_t assay_reference_broadcast_offset(const struct assay_tensor_type *from, const struct assay_tensor_type *to, const int64_t *index) {
  int64_t offset = 0;
  for (int32_t axis = 0; axis < from->rank; axis++) {
    const int64_t i = from->extents[axis] == 1 ? 0 : index[to->rank - from->rank + axis];
    offset = offset * from->extents[axis] + i;
  }
  return offset;
}

#endif
