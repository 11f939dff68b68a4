/* SPDX-License-Identifier: MIT
 *
 * Common subexpressions: a hash table of the nodes that a function has, by what they compute.
 */
#include "graph/builder.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct assay_known_nodes {
  uint32_t *slots; /* node number + 1; 0: free */
  size_t capacity; /* a power of two */
  size_t count;
};

struct assay_known_nodes *assay_known_nodes_create(void) {
  struct assay_known_nodes *known = calloc(1, sizeof *known);
  if (known == NULL) return NULL;
  known->capacity = 64;
  known->slots = calloc(known->capacity, sizeof *known->slots);
  if (known->slots != NULL) return known;
  free(known);
  return NULL;
}

void assay_known_nodes_release(struct assay_known_nodes *known) {
  if (known == NULL) return;
  free(known->slots);
  free(known);
}

/* What a node computes; inputs of commutative ops in ascending order. */
struct identity {
  const struct assay_op_info *info;
  const int32_t *inputs;
  uint32_t input_count;
  const void *attributes;
};

static bool exchanged(const struct identity *node) { return node->info->flags & ASSAY_OP_COMMUTATIVE && node->inputs[0] > node->inputs[1]; }

static int32_t input_of(const struct identity *node, uint32_t i) { return node->inputs[exchanged(node) ? 1 - i : i]; }

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

static size_t hash_of(const struct identity *node) {
  uint64_t hash = mix(node->info->op, node->input_count), digest;
  for (uint32_t i = 0; i < node->input_count; i++) hash = mix(hash, (uint32_t)input_of(node, i));
  if (node->info->attributes_size > 0) {
    const struct assay_hash attributes = assay_hash_bytes(node->attributes, node->info->attributes_size);
    memcpy(&digest, attributes.bytes, sizeof digest);
    hash = mix(hash, digest);
  }
  return (size_t)hash;
}

static bool equal(const struct identity *a, const struct identity *b) {
  if (a->info != b->info || a->input_count != b->input_count) return false;
  for (uint32_t i = 0; i < a->input_count; i++)
    if (input_of(a, i) != input_of(b, i)) return false;
  return a->info->attributes_size == 0 || memcmp(a->attributes, b->attributes, a->info->attributes_size) == 0;
}

static struct identity identity_of(const struct assay_node *node) {
  return (struct identity){assay_op_info(node->op), node->inputs, node->input_count, node->attributes};
}

/* The slot of an equal node, or the free one where it belongs. */
static size_t find_slot(const struct assay_function_builder *builder, const struct identity *wanted) {
  const struct assay_known_nodes *known = builder->known;
  size_t slot = hash_of(wanted) & (known->capacity - 1);
  while (known->slots[slot] != 0) {
    const struct identity there = identity_of(builder->nodes[known->slots[slot] - 1]);
    if (equal(&there, wanted)) break;
    slot = (slot + 1) & (known->capacity - 1);
  }
  return slot;
}

int32_t assay_known_node(const struct assay_function_builder *builder, const struct assay_op_info *info, const int32_t *inputs, uint32_t input_count,
                         const void *attributes) {
  const struct identity wanted = {info, inputs, input_count, attributes};
  return (int32_t)builder->known->slots[find_slot(builder, &wanted)] - 1;
}

static bool make_larger(struct assay_function_builder *builder) {
  struct assay_known_nodes *known = builder->known;
  const struct assay_known_nodes old = *known;
  known->slots = calloc(old.capacity * 2, sizeof *known->slots);
  if (known->slots == NULL) {
    known->slots = old.slots;
    return false;
  }
  known->capacity = old.capacity * 2;
  for (size_t i = 0; i < old.capacity; i++) {
    if (old.slots[i] == 0) continue;
    const struct identity identity = identity_of(builder->nodes[old.slots[i] - 1]);
    known->slots[find_slot(builder, &identity)] = old.slots[i];
  }
  free(old.slots);
  return true;
}

void assay_remember_node(struct assay_function_builder *builder, uint32_t node) {
  struct assay_known_nodes *known = builder->known;
  if (builder->nodes[node]->op == ASSAY_OP_ASSIGN) return;
  if (known->count * 2 >= known->capacity && !make_larger(builder)) {
    assay_builder_out_of_memory(builder);
    return;
  }
  const struct identity identity = identity_of(builder->nodes[node]);
  known->slots[find_slot(builder, &identity)] = node + 1;
  known->count++;
}
