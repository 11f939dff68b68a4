/* SPDX-License-Identifier: MIT
 *
 * Memory that is freed as one: an arena a graph, a trial, a request. Also multiplication that notices overflow.
 */
#ifndef ASSAY_BASE_ARENA_H
#define ASSAY_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct assay_arena; /* not for several threads at once */

struct assay_arena *assay_arena_create(void);        /* NULL when memory is short */
void assay_arena_release(struct assay_arena *arena); /* NULL is fine */

/* Zeroed, aligned for any type; NULL when memory is short or count * size overflows. A size of 0 gives a valid pointer. */
void *assay_arena_take(struct assay_arena *arena, size_t count, size_t size);
char *assay_arena_copy(struct assay_arena *arena, const char *text);
/* With a NUL byte behind, so that a part of a text becomes a string. */
char *assay_arena_copy_bytes(struct assay_arena *arena, const void *data, size_t size);
char *assay_arena_print(struct assay_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ASSAY_NEW(arena, type) ((type *)assay_arena_take((arena), 1, sizeof(type)))
#define ASSAY_NEW_ARRAY(arena, type, count) ((type *)assay_arena_take((arena), (count), sizeof(type)))

/* *product = a * b; false on overflow. */
static inline bool assay_multiply(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }

/* Makes room for `needed` elements in a malloc'ed array, doubling; false when memory is short (the array stays as it was).
 * For growing lists outside of arenas. */
bool assay_grow(void **array, size_t *capacity, size_t needed, size_t size);

#endif
