/* SPDX-License-Identifier: MIT
 *
 * A conformance case: an op with the operands and attributes that it is tried with.
 */
#ifndef ASSAY_CONFORMANCE_CASE_H
#define ASSAY_CONFORMANCE_CASE_H

#include <assay/graph.h>
#include <stdbool.h>

/* What an operand is filled with. */
enum assay_case_fill {
  ASSAY_FILL_NORMAL,      /* around zero, standard deviation 1 */
  ASSAY_FILL_WIDE,        /* ± 100 */
  ASSAY_FILL_POSITIVE,    /* exp(-3) to exp(1.5) */
  ASSAY_FILL_UNIT,        /* 0 to 1 */
  ASSAY_FILL_PROBABILITY, /* rows of the last axis sum to 1 */
  ASSAY_FILL_FEW,         /* whole numbers from -2 to 2 (unsigned: 0 to 4), so that many are equal */
  ASSAY_FILL_INDEX,       /* whole numbers from -2 to bound + 1 */
  ASSAY_FILL_BITS,        /* any bits; for integers */
  ASSAY_FILL_HUGE,        /* floats: ± 1e10 on a logarithmic scale, and halves; for conversions */
  ASSAY_FILL_SPECIAL,     /* floats: finite, infinite, not a number */
  ASSAY_FILL_BOOL,
  ASSAY_FILL_MAP          /* rows of nine: 3x3 maps near the identity */
};

enum { ASSAY_CASE_INPUTS = 5 };

struct assay_case_operand {
  struct assay_tensor_type type;
  enum assay_case_fill fill;
  int64_t bound; /* FILL_INDEX */
};

enum assay_case_flags {
  ASSAY_CASE_EXACT = 1 << 0,         /* every bit must agree */
  ASSAY_CASE_GRADIENT = 1 << 1,      /* differentiate as well */
  ASSAY_CASE_ELEMENTWISE = 1 << 2,   /* errors are measured element by element */
  ASSAY_CASE_OPTIONAL = 1 << 3,      /* a backend may refuse it */
  ASSAY_CASE_FIRST_OUTPUT = 1 << 4,  /* the other outputs are the backend's own affair */
  ASSAY_CASE_SUMMED = 1 << 5         /* gradients are sums: not exact, whatever the outputs are */
};

struct assay_case {
  uint32_t op;
  uint32_t flags;
  uint32_t input_count;
  uint32_t attributes_size;
  double terms; /* numbers that make up one sum, for the error bound */
  struct assay_case_operand inputs[ASSAY_CASE_INPUTS];
  union {
    struct assay_constant_attributes constant;
    struct assay_cast_attributes cast;
    struct assay_reduce_attributes reduce;
    struct assay_shape_attributes shape;
    struct assay_transpose_attributes transpose;
    struct assay_slice_attributes slice;
    struct assay_pad_attributes pad;
    struct assay_axis_attributes axis;
    struct assay_count_attributes count;
    struct assay_matmul_attributes matmul;
    struct assay_conv2d_attributes conv2d;
    struct assay_pool2d_attributes pool2d;
    struct assay_random_attributes random;
    struct assay_epsilon_attributes epsilon;
    struct assay_warp_attributes warp;
    struct assay_blur_attributes blur;
  } attributes;
};

struct assay_case_list {
  struct assay_case *cases;
  size_t count, capacity;
  bool failed; /* memory was short */
};

/* Extents are ints. */
struct assay_tensor_type case_shape(int32_t dtype, int32_t rank, ...);
struct assay_case case_new(uint32_t op, uint32_t flags);
void case_operand(struct assay_case *c, struct assay_tensor_type type, enum assay_case_fill fill);
void case_add(struct assay_case_list *list, const struct assay_case *c);

/* Inputs' extents and the attributes that tell one case of an op from another, in words. */
void assay_case_describe(const struct assay_case *c, char *text, size_t size);

#endif
