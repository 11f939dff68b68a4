/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 16384 };

struct chunk {
  struct chunk *next;
  size_t size, used;
  alignas(max_align_t) unsigned char bytes[];
};

struct assay_arena {
  struct chunk *chunks; /* the one being filled comes first */
};

struct assay_arena *assay_arena_create(void) { return calloc(1, sizeof(struct assay_arena)); }

void assay_arena_release(struct assay_arena *arena) {
  if (arena == NULL) return;
  for (struct chunk *chunk = arena->chunks; chunk != NULL;) {
    struct chunk *next = chunk->next;
    free(chunk);
    chunk = next;
  }
  free(arena);
}

void *assay_arena_take(struct assay_arena *arena, size_t count, size_t size) {
  size_t bytes;
  if (!assay_multiply(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
  const size_t alignment = alignof(max_align_t);
  bytes = (bytes + alignment - 1) / alignment * alignment;
  struct chunk *chunk = arena->chunks;
  if (chunk == NULL || chunk->size - chunk->used < bytes) {
    const size_t capacity = bytes > CHUNK_SIZE / 4 ? bytes : CHUNK_SIZE;
    chunk = calloc(1, sizeof *chunk + capacity);
    if (chunk == NULL) return NULL;
    chunk->size = capacity;
    /* A large block goes behind the chunk that is being filled, which stays in use. */
    if (arena->chunks != NULL && capacity == bytes) {
      chunk->next = arena->chunks->next;
      arena->chunks->next = chunk;
    } else {
      chunk->next = arena->chunks;
      arena->chunks = chunk;
    }
  }
  void *block = chunk->bytes + chunk->used;
  chunk->used += bytes;
  return block;
}

char *assay_arena_copy_bytes(struct assay_arena *arena, const void *data, size_t size) {
  char *copy = size == SIZE_MAX ? NULL : assay_arena_take(arena, 1, size + 1);
  if (copy != NULL && size > 0) memcpy(copy, data, size);
  return copy;
}

char *assay_arena_copy(struct assay_arena *arena, const char *text) { return assay_arena_copy_bytes(arena, text, strlen(text) + 1); }

char *assay_arena_print(struct assay_arena *arena, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : assay_arena_take(arena, 1, (size_t)length + 1);
  if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

bool assay_grow(void **array, size_t *capacity, size_t needed, size_t size) {
  if (needed <= *capacity) return true;
  size_t wanted = *capacity < 8 ? 8 : *capacity, bytes;
  while (wanted < needed) {
    if (wanted > SIZE_MAX / 2) return false;
    wanted *= 2;
  }
  if (!assay_multiply(wanted, size, &bytes)) return false;
  void *larger = realloc(*array, bytes);
  if (larger == NULL) return false;
  *array = larger;
  *capacity = wanted;
  return true;
}
