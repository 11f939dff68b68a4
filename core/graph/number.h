/* SPDX-License-Identifier: MIT
 *
 * Single numbers of every dtype, held in doubles: rounding to what a dtype can hold, and writing them as they are stored.
 */
#ifndef ASSAY_GRAPH_NUMBER_H
#define ASSAY_GRAPH_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* The nearest number of `dtype`, ties to even; integers are cut towards zero and saturate, NaN becomes 0; a bool is 0 or 1. */
double assay_round_to_dtype(double number, int32_t dtype);
/* Writes `number`, rounded, as one element of `dtype`. */
void assay_store_number(double number, int32_t dtype, void *element);
/* `count` numbers of a float dtype, of any alignment, as f32. */
void assay_load_floats(const void *elements, int32_t dtype, size_t count, float *numbers);

#endif
