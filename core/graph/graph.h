/* SPDX-License-Identifier: MIT
 *
 * Building functions, differentiating them, and making them fit a backend.
 *
 * A *program under construction* collects variables and functions in one arena. For each function: begin, emit through the builder (layers,
 * losses and optimizers do), fetch, end. Then `assay_program_finish` simplifies, removes dead nodes, and hashes.
 */
#ifndef ASSAY_GRAPH_GRAPH_H
#define ASSAY_GRAPH_GRAPH_H

#include <assay/backend.h>
#include <stdbool.h>

struct assay_arena;

/* A variable with what the core needs to know beyond what backends see: how it starts. `base` comes first. */
struct assay_variable_definition {
  struct assay_variable base;
  uint32_t initialiser; /* enum assay_initialiser */
  double argument;
};

struct assay_program_builder; /* owns its arena; everything it hands out lives as long */

struct assay_program_builder *assay_program_begin(void); /* NULL when memory is short */
void assay_program_release(struct assay_program_builder *program);
/* ASSAY_F32 (the start) or ASSAY_F64, before the first function: with F64 whatever is built as f32 (variables, feeds, constants, casts, one-hots, random
 * numbers) becomes f64, so that layers can be checked in double on `reference`. Random numbers keep their 24 bits. ASSAY_E_CONFIG otherwise. */
int assay_program_precision(struct assay_program_builder *program, int32_t dtype, struct assay_status *status);

/* Starts a function; gives its builder, with context values to be filled by `assay_function_context`. NULL when memory is short. */
struct assay_builder *assay_function_begin(struct assay_program_builder *program, const char *name);
/* What layers and optimizers will read as builder->context. Copied. */
void assay_function_context(struct assay_builder *builder, const struct assay_build_context *context);
/* A fed value; feeds are numbered in the order of calls. */
assay_value assay_function_feed(struct assay_builder *builder, int32_t dtype, int32_t rank, const int64_t *extents);
/* A result; fetches are numbered in the order of calls. */
void assay_function_fetch(struct assay_builder *builder, assay_value value);
/* The first error of the build, or 0. After it the function belongs to the program. */
int assay_function_end(struct assay_builder *builder, struct assay_status *status);

/* Names what is built from here on: put before variables' names and error messages, and kept as nodes' origin. `where` says where the
 * user wrote it ("student.ini:12, [layer.conv1]"); both copied; NULL: nothing. */
void assay_builder_scope(struct assay_builder *builder, const char *name, const char *where);
/* The options in force in this scope ("kernel = 7, stride = 2"), for error messages; copied. The next scope starts without. */
void assay_builder_options(struct assay_builder *builder, const char *text);
/* A read of variable `index` of the program (one made by another function, say). */
assay_value assay_builder_variable(struct assay_builder *builder, uint32_t index);
/* Number of the variable that a value reads; -1 when it is no VARIABLE node. */
int32_t assay_builder_variable_index(struct assay_builder *builder, assay_value value);
/* Variables that this function leaves as they are, by number: assignments to those with a 1 are left out from here on, and layers can ask. `held` outlives the build. */
void assay_function_hold(struct assay_builder *builder, const uint8_t *held, uint32_t count);
/* From here on, reads of variable `index` give `value`. */
void assay_builder_read_as(struct assay_builder *builder, uint32_t index, assay_value value);
/* How many streams of random numbers have been asked for. */
uint32_t assay_builder_streams(struct assay_builder *builder);
/* Index by full name; -1. */
int32_t assay_program_find_variable(const struct assay_program_builder *program, const char *name);
uint32_t assay_program_variable_count(const struct assay_program_builder *program);
const struct assay_variable_definition *assay_program_variable(const struct assay_program_builder *program, uint32_t index);

/* Reverse-mode differentiation of a scalar (or of the sum of `loss`) with respect to `wrt`; where nothing flows, zeros of the right type. */
void assay_builder_gradient(struct assay_builder *builder, assay_value loss, const assay_value *wrt, uint32_t count, assay_value *gradients);

/* What was built so far, where axis 0 of `samples` is the sample: the origin of the first node that mixes samples (batch norm does) or writes something
 * of theirs into a variable; NULL when every sample is looked at alone, so that gradients of pieces of a batch add up to the batch's. */
const char *assay_builder_coupling(struct assay_builder *builder, const assay_value *samples, uint32_t count);
/* 0, 1, … count - 1 of a dtype, [count]. */
assay_value assay_numbers_up_to(struct assay_builder *builder, int64_t count, int32_t dtype);

/* Simplifies and removes dead nodes of every function, computes the key. The program lives in the builder's arena. */
int assay_program_finish(struct assay_program_builder *builder, const struct assay_program **program, struct assay_status *status);

/* A copy of the program in which every composite that `takes` refuses is decomposed (again and again, until only taken nodes or primitives are
 * left), then simplified again. `arena` owns the copy. A primitive that is refused is an ASSAY_E_UNSUPPORTED that names it. */
typedef bool (*assay_takes)(void *context, const struct assay_graph *graph, uint32_t node);
int assay_program_decompose(const struct assay_program *program, assay_takes takes, void *context, struct assay_arena *arena,
                            const struct assay_program **decomposed, struct assay_status *status);

/* ---- What can be computed once; keep.c ---- */

/* A function of a program. With samples, its feeds 0 to 3 are samples, labels, row numbers and options; samples and labels are the batch's, or what its
 * row numbers are gathered from. Axis 0 of the batch's is the sample. */
struct assay_keep_function {
  bool has_samples;
  uint32_t phase; /* functions of equal number take turns: what none of them writes stays as it is */
  uint32_t kind;  /* functions of equal number are cut alike, or not at all */
};
struct assay_keep_task {
  const struct assay_keep_function *functions; /* by function */
  uint32_t like;                               /* the function whose feeds, up to the options, are those of the one that computes what is kept */
  uint32_t first_lasting, end_lasting;         /* options that stay as they are */
  uint32_t resident_rows;                      /* of what readers are fed, and gather their batch from; 0: they are fed rows and labels of their batch */
};
struct assay_keep_result {
  const struct assay_program *program; /* the one that was given, when nothing is worth keeping */
  uint64_t width;      /* numbers that are kept of a sample; 0: nothing is kept */
  uint32_t function;   /* the last one, new: it fetches f32 [samples, width] */
  const bool *reads;   /* by function: in place of samples it is fed those rows, f32 */
};
/* What the program's functions make of each sample alone, with parameters that are not trained and nothing random, is computed by one new function, and
 * the others go on from there. `owner`: its arena holds what is made. ASSAY_E_MEMORY. */
int assay_program_keep(struct assay_program_builder *owner, const struct assay_program *program, const struct assay_keep_task *task,
                       struct assay_keep_result *result, struct assay_status *status);

/* The canonical hash of a program: structure, types, attributes, roles; not names. */
void assay_program_hash(const struct assay_program *program, uint8_t key[16]);

/* Builds `function` again inside `builder` on other feeds (another batch size, say): `feeds` are values of the new function, variables are mapped by
 * `variables` (index in the old program to value in the new one). Fills `fetches`. This is how a stored inference graph comes to life. */
void assay_builder_replay(struct assay_builder *builder, const struct assay_function *function, const assay_value *feeds, const assay_value *variables,
                          assay_value *fetches);

/* The first values of a variable: outside layout, `type` of the definition. The same for a (seed, name) pair whatever else is in the
 * program. */
int assay_variable_initialise(const struct assay_variable_definition *variable, uint64_t seed, void *data, struct assay_status *status);

/* The helpers that backends get through their host table; see backend.h. */
int assay_plan_memory(const struct assay_interval *intervals, uint32_t count, uint64_t alignment, uint64_t *offsets, uint64_t *total);
int assay_fuse_elementwise(const struct assay_graph *graph, const uint8_t *stop, int32_t *groups);

/* One line a node, for tests and for people who look for a bug. */
struct assay_text;
void assay_graph_print(const struct assay_graph *graph, struct assay_text *text);

#endif
