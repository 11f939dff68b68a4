/* SPDX-License-Identifier: MIT
 *
 * Runs: RUN numbers that follow one another in a row of a plane, handled by one work-item as one vector. Neighbouring items have neighbouring runs, so memory is read in whole
 * stretches by a GPU, and by the vector registers of a processor; what is divided to find a run's place is paid for once by all of it.
 */
#include "tail.cl"

/* Numbers of a run: 4, 8 or 16. 4 on a GPU; on a processor as many as fill a vector register, where rows are that long. */
#ifndef RUN
#define RUN 4
#endif
#if RUN == 4
#define RUN_PLACES (uint4)(0, 1, 2, 3)
#elif RUN == 8
#define RUN_PLACES (uint8)(0, 1, 2, 3, 4, 5, 6, 7)
#elif RUN == 16
#define RUN_PLACES (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#else
#error "RUN must be 4, 8 or 16"
#endif

#define RUN_FLOATS JOIN(float, RUN)
#define RUN_INTS JOIN(int, RUN)
#define RUN_UINTS JOIN(uint, RUN)
#define LOAD_RUN JOIN(vload, RUN)
#define STORE_RUN JOIN(vstore, RUN)

#define as_run_ints JOIN(as_int, RUN)
#define to_run_floats JOIN(convert_float, RUN)

/* The numbers of a row of `extent` at begin, begin + step, …; zero where that is outside of the row. `first` is the place of the first one in x, which has `total` numbers: what a vector
 * reads beyond the row's ends belongs to its neighbours and is thrown away, so only at the two ends of x itself, and with steps, numbers are read one by one. */
#define READ_RUN(name, type)                                                                                                                                   \
  INLINE JOIN(type, RUN) name(__global const type *x, const int total, const int first, const int begin, const int step, const int extent) {                   \
    if (step == 1 && first >= 0 && first <= total - RUN)                                                                                                       \
      return select((JOIN(type, RUN))(0), LOAD_RUN(0, x + first), (RUN_UINTS)((uint)begin) + RUN_PLACES < (RUN_UINTS)((uint)extent));                          \
    type numbers[RUN];                                                                                                                                         \
    for (int i = 0; i < RUN; i++) {                                                                                                                            \
      const bool inside = (uint)(begin + i * step) < (uint)extent;                                                                                             \
      const type number = x[inside ? first + i * step : 0];                                                                                                    \
      numbers[i] = inside ? number : 0;                                                                                                                        \
    }                                                                                                                                                          \
    return LOAD_RUN(0, numbers);                                                                                                                               \
  }
READ_RUN(read_run, float)
READ_RUN(read_run_int, int)
