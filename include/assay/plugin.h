/* SPDX-License-Identifier: MIT
 *
 * The door every plugin enters by, those that ship with Assay included. A module is a shared object that exports one function,
 * `assay_plugin_query`, which does no work: it hands out one descriptor an index. A plugin links nothing of Assay's; what it may
 * call arrives as a table of functions.
 */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H

#include <assay/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_PLUGIN_MAGIC 0x59415341u /* "ASAY" read as a little-endian word */

enum assay_plugin_kind {
  ASSAY_BACKEND = 1,
  ASSAY_LAYER = 2, /* losses are layers too */
  ASSAY_OPTIMIZER = 3,
  ASSAY_SEARCH = 4,
  ASSAY_PRUNER = 5,
  ASSAY_METRIC = 6
};

/* Every kind has a version of its own. A plugin fits when its major number equals the host's and its minor is not newer. */
#define ASSAY_BACKEND_ABI_MAJOR 1
#define ASSAY_BACKEND_ABI_MINOR 0
#define ASSAY_LAYER_ABI_MAJOR 1
#define ASSAY_LAYER_ABI_MINOR 2
#define ASSAY_OPTIMIZER_ABI_MAJOR 1
#define ASSAY_OPTIMIZER_ABI_MINOR 1
#define ASSAY_SEARCH_ABI_MAJOR 1
#define ASSAY_SEARCH_ABI_MINOR 0
#define ASSAY_PRUNER_ABI_MAJOR 1
#define ASSAY_PRUNER_ABI_MINOR 0
#define ASSAY_METRIC_ABI_MAJOR 1
#define ASSAY_METRIC_ABI_MINOR 0

enum assay_option_type {
  ASSAY_OPTION_INT = 1,
  ASSAY_OPTION_REAL = 2,
  ASSAY_OPTION_BOOL = 3,   /* yes, no, true, false */
  ASSAY_OPTION_TEXT = 4,   /* anything */
  ASSAY_OPTION_CHOICE = 5, /* one of `choices` */
  ASSAY_OPTION_INTS = 6,   /* comma-separated */
  ASSAY_OPTION_REALS = 7   /* comma-separated */
};

enum assay_option_flags {
  ASSAY_OPTION_RUNTIME = 1 << 0,    /* REAL only, layers and optimizers only: changes without a new program; arrives as a graph value */
  ASSAY_OPTION_SEARCHABLE = 1 << 1, /* may carry a domain in the INI */
  ASSAY_OPTION_REQUIRED = 1 << 2    /* has no default */
};

/* One key that a user may write in the plugin's section of an INI file. This table is the single source: it validates the INI,
 * suggests spellings, fills defaults, limits domains and prints the documentation. */
struct assay_option {
  uint32_t struct_size;       /* sizeof(struct assay_option) */
  uint32_t type;              /* enum assay_option_type */
  uint32_t flags;             /* enum assay_option_flags */
  uint32_t reserved;          /* 0 */
  const char *name;           /* [a-z][a-z0-9_]*; not `type` and not `input`, which belong to the INI language */
  const char *default_text;   /* as it would stand in the INI; NULL only where REQUIRED */
  double minimum, maximum;    /* closed range of INT, REAL and the elements of INTS, REALS */
  const char *const *choices; /* NULL-terminated; CHOICE only */
  const char *help;           /* one sentence, with the unit */
};

/* A graph value: an output of a node, by number. Negative is invalid; see graph.h. */
typedef struct assay_value {
  int32_t id;
} assay_value;

/* The value of one option. A plugin receives an array of pointers parallel to its option table. Strings and arrays live as long
 * as the call. */
struct assay_option_value {
  uint32_t struct_size;
  uint32_t count;          /* of INTS and REALS */
  int64_t integer;         /* INT; BOOL: 0 or 1; CHOICE: index */
  double real;             /* REAL (structural), and the value of INT */
  const char *text;        /* as written, for every type */
  const int64_t *integers; /* INTS */
  const double *reals;     /* REALS */
  assay_value runtime;     /* RUNTIME: an f32 scalar of the graph that is being built */
};

/* What a module hands out. */
struct assay_plugin {
  uint32_t magic;                            /* ASSAY_PLUGIN_MAGIC */
  uint32_t struct_size;                      /* sizeof(struct assay_plugin) */
  uint32_t kind;                             /* enum assay_plugin_kind */
  uint16_t abi_major, abi_minor;             /* of its kind, as compiled */
  const char *name;                          /* [a-z][a-z0-9_]* */
  const char *summary;                       /* one line, no full stop */
  const char *version;                       /* of the plugin, free text */
  const struct assay_option *const *options; /* NULL-terminated; NULL: none */
  const void *vtable;                        /* struct assay_layer, …: by kind */
  uint32_t vtable_size;                      /* its sizeof */
  uint32_t reserved;                         /* 0 */
};

#if defined(_WIN32)
#define ASSAY_EXPORT __declspec(dllexport)
#else
#define ASSAY_EXPORT __attribute__((visibility("default")))
#endif

/* The module's only exported symbol: descriptor number `index`, or NULL past the last. Called before anything else and from a
 * time-limited child first; it must not start threads, touch devices or write output. */
ASSAY_EXPORT const struct assay_plugin *assay_plugin_query(unsigned index);

#ifdef __cplusplus
}
#endif
#endif
