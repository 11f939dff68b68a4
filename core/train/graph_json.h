/* SPDX-License-Identifier: MIT
 *
 * A function as JSON and back: nodes by name with inputs and attributes. Values are numbered in the order in which nodes make them.
 *
 *     {"nodes": [{"op": "conv2d", "inputs": [4, 5], "attributes": {"stride": [1, 1], …}, "origin": "features"}, …], "fetches": [41, 44]}
 */
#ifndef ASSAY_TRAIN_GRAPH_JSON_H
#define ASSAY_TRAIN_GRAPH_JSON_H

#include "graph/graph.h"

#include <jansson.h>

/* NULL when memory is short. */
json_t *assay_graph_to_json(const struct assay_function *function);
/* Emits the nodes into `builder`, whose feeds and variables are given; fills `fetches` [fetch_count]. Only ops without side effects and randomness are taken. Every node goes
 * through shape inference; its errors stick to the builder. ASSAY_E_DATA for JSON that is no graph. */
int assay_graph_from_json(const json_t *json, struct assay_builder *builder, const assay_value *feeds, uint32_t feed_count, const assay_value *variables,
                          uint32_t variable_count, assay_value *fetches, uint32_t fetch_count, struct assay_status *status);

#endif
