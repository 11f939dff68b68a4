/* SPDX-License-Identifier: MIT
 *
 * Which op is which kernel, and on what numbers. Every primitive is here and no composite: the core's decompositions are the oracle's way.
 */
#include "reference.h"

static const struct assay_reference_op ops[] = {
    {ASSAY_OP_INPUT, ASSAY_REFERENCE_ANY, 1, NULL},
    {ASSAY_OP_VARIABLE, ASSAY_REFERENCE_ANY, 1, NULL},
    {ASSAY_OP_CONSTANT, ASSAY_REFERENCE_ANY, 0, assay_reference_constant},
    {ASSAY_OP_NEGATE, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_unary},
    {ASSAY_OP_ABS, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_unary},
    {ASSAY_OP_SIGN, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_unary},
    {ASSAY_OP_EXP, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_LOG, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_LOG1P, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_SQRT, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_TANH, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_SIGMOID, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_ERF, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_FLOOR, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_RELU, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_IS_FINITE, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_NOT, ASSAY_REFERENCE_BOOL, 0, assay_reference_unary},
    {ASSAY_OP_CAST, ASSAY_REFERENCE_ANY, 0, assay_reference_cast},
    {ASSAY_OP_STOP_GRADIENT, ASSAY_REFERENCE_ANY, 1, assay_reference_copy},
    {ASSAY_OP_SIN, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_COS, ASSAY_REFERENCE_FLOATS, 0, assay_reference_unary},
    {ASSAY_OP_ADD, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_SUBTRACT, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_MULTIPLY, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_DIVIDE, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_MAXIMUM, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_MINIMUM, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_binary},
    {ASSAY_OP_POWER, ASSAY_REFERENCE_FLOATS, 0, assay_reference_binary},
    {ASSAY_OP_EQUAL, ASSAY_REFERENCE_ANY, 0, assay_reference_binary},
    {ASSAY_OP_LESS, ASSAY_REFERENCE_ANY, 0, assay_reference_binary},
    {ASSAY_OP_LESS_EQUAL, ASSAY_REFERENCE_ANY, 0, assay_reference_binary},
    {ASSAY_OP_AND, ASSAY_REFERENCE_BOOL, 0, assay_reference_binary},
    {ASSAY_OP_OR, ASSAY_REFERENCE_BOOL, 0, assay_reference_binary},
    {ASSAY_OP_SELECT, ASSAY_REFERENCE_BOOL, 0, assay_reference_select},
    {ASSAY_OP_REDUCE_SUM, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_reduce},
    {ASSAY_OP_REDUCE_MAX, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_reduce},
    {ASSAY_OP_ARGMAX, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_argmax},
    {ASSAY_OP_BROADCAST, ASSAY_REFERENCE_ANY, 1, assay_reference_broadcast},
    {ASSAY_OP_RESHAPE, ASSAY_REFERENCE_ANY, 1, assay_reference_copy},
    {ASSAY_OP_TRANSPOSE, ASSAY_REFERENCE_ANY, 1, assay_reference_transpose},
    {ASSAY_OP_SLICE, ASSAY_REFERENCE_ANY, 1, assay_reference_slice},
    {ASSAY_OP_PAD, ASSAY_REFERENCE_ANY, 1, assay_reference_pad},
    {ASSAY_OP_CONCAT, ASSAY_REFERENCE_ANY, 1, assay_reference_concat},
    {ASSAY_OP_GATHER, ASSAY_REFERENCE_ANY, 1, assay_reference_gather},
    {ASSAY_OP_SCATTER_ADD, ASSAY_REFERENCE_NUMBERS, 0, assay_reference_scatter_add},
    {ASSAY_OP_ONE_HOT, 1 << ASSAY_I32, 0, assay_reference_one_hot},
    {ASSAY_OP_MATMUL, ASSAY_REFERENCE_FLOATS, 0, assay_reference_matmul},
    {ASSAY_OP_CONV2D, ASSAY_REFERENCE_FLOATS, 0, assay_reference_conv2d},
    {ASSAY_OP_CONV2D_INPUT_GRADIENT, ASSAY_REFERENCE_FLOATS, 0, assay_reference_conv2d_input_gradient},
    {ASSAY_OP_CONV2D_WEIGHT_GRADIENT, ASSAY_REFERENCE_FLOATS, 0, assay_reference_conv2d_weight_gradient},
    {ASSAY_OP_MAX_POOL2D, ASSAY_REFERENCE_FLOATS, 0, assay_reference_max_pool2d},
    {ASSAY_OP_MAX_POOL2D_GRADIENT, ASSAY_REFERENCE_FLOATS, 0, assay_reference_max_pool2d_gradient},
    {ASSAY_OP_AVG_POOL2D, ASSAY_REFERENCE_FLOATS, 0, assay_reference_avg_pool2d},
    {ASSAY_OP_AVG_POOL2D_GRADIENT, ASSAY_REFERENCE_FLOATS, 0, assay_reference_avg_pool2d_gradient},
    {ASSAY_OP_RANDOM_UNIFORM, 1 << ASSAY_U32, 0, assay_reference_random_uniform},
    {ASSAY_OP_ASSIGN, ASSAY_REFERENCE_ANY, 1, NULL},
};

const struct assay_reference_op *assay_reference_op(uint32_t op) {
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].op == op) return &ops[i];
  return NULL;
}
