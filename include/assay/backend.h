/* SPDX-License-Identifier: MIT
 *
 * Backends: they compile whole functions over one table of variables, and run them on a device.
 *
 * A *program* is a table of variables and a list of functions on them (a training step, an evaluation, …). All functions are compiled
 * together, so one physical layout of a parameter can serve forward, backward and update. A *store* is one set of those variables on
 * the device; one executable serves any number of stores (folds, trials, seeds). A *buffer* is plain device memory in the outside
 * layout, fed to functions or filled by them.
 *
 * A backend must take every primitive: arithmetic on f32, i32 and bool; what only moves numbers, casts and comparisons on f32, i32, u32, u8 and bool. The rest, and all composites, it
 * may leave out: see `supports`. `assay selftest` checks all of it.
 *
 * One thread drives a device. `run` and `buffer_write` submit in order and may return before the work is done; `buffer_read`,
 * `store_read` and `sync` wait.
 */
#ifndef ASSAY_BACKEND_H
#define ASSAY_BACKEND_H

#include <assay/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct assay_node {
  uint32_t struct_size;
  uint32_t op; /* enum assay_op; an unknown one is not supported */
  uint32_t input_count, output_count;
  const int32_t *inputs; /* value ids */
  int32_t first_output;  /* value id; outputs follow one another */
  uint32_t attributes_size;
  const void *attributes; /* the op's structure, aligned for any type */
  const char *origin;     /* the layer it came from, for messages and profiles; never NULL */
};

struct assay_graph {
  uint32_t struct_size;
  uint32_t node_count, value_count;
  uint32_t reserved;
  const struct assay_node *const *nodes;        /* each after its inputs */
  const struct assay_tensor_type *const *types; /* by value id */
  const int32_t *producers;                     /* by value id: number of the node */
};

struct assay_function {
  uint32_t struct_size;
  uint32_t feed_count, fetch_count;
  uint32_t reserved;
  const char *name;
  const struct assay_graph *graph;
  const int32_t *feeds;   /* value ids of the INPUT nodes, by feed number */
  const int32_t *fetches; /* value ids of the results */
};

struct assay_variable {
  uint32_t struct_size;
  uint32_t role; /* enum assay_role */
  const char *name;
  struct assay_tensor_type type;
};

struct assay_program {
  uint32_t struct_size;
  uint32_t variable_count, function_count;
  uint32_t reserved;
  const struct assay_variable *const *variables;
  const struct assay_function *const *functions;
  uint8_t key[16]; /* hash of everything above but names: equal keys, equal programs */
};

enum assay_device_kind {
  ASSAY_DEVICE_OTHER = 0,
  ASSAY_DEVICE_CPU = 1,
  ASSAY_DEVICE_GPU = 2
};

/* What `list` says of a device. The texts are the backend's, live as long as the call, and are never NULL. */
struct assay_device_info {
  uint32_t struct_size;
  uint32_t usable;        /* 0: `note` says why not, and the remedy */
  uint32_t kind;          /* enum assay_device_kind */
  uint32_t precisions;    /* bit 1 << d: the device computes in enum assay_dtype d, whether or not the backend makes use of it; 0: unknown */
  uint64_t memory;        /* bytes; 0: unknown */
  const char *id;         /* what `open` takes, e.g. "0" */
  const char *name;       /* e.g. the processor's */
  const char *vendor;     /* who made it */
  const char *driver;     /* driver or library, with its version */
  const char *extensions; /* what the device offers beyond the standard, with blanks between; "" */
  const char *note;       /* for people; "" */
};

/* A driver that a backend would enter: something that can crash or hang by itself. */
struct assay_driver_info {
  uint32_t struct_size;
  uint32_t reserved;
  const char *name;  /* what `list` and `open` take; shown to people, so best the path of a file */
  const char *stamp; /* another text when the driver, or what it stands on, may have become another one */
};

typedef void (*assay_found_device)(void *context, const struct assay_device_info *device);
typedef void (*assay_found_driver)(void *context, const struct assay_driver_info *driver);

struct assay_memory_need {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t store;     /* bytes of one store */
  uint64_t workspace; /* bytes taken once for the executable */
};

/* A stretch of a function's life in which a block of memory is needed; for plan_memory. */
struct assay_interval {
  uint64_t size;        /* bytes */
  uint32_t first, last; /* steps, both included */
};

/* Pure helpers and services of the core; every backend gets this table when it is opened. */
struct assay_backend_host {
  uint32_t struct_size;
  uint32_t reserved;
  /* 0 debug, 1 information, 2 warning. */
  void (*log)(int level, const char *message);
  /* Offsets for blocks so that no two alive at one step overlap; greedy by size (Pisarchyk and Lee, 2020). 0 or ASSAY_E_MEMORY. */
  int (*plan_memory)(const struct assay_interval *intervals, uint32_t count, uint64_t alignment, uint64_t *offsets, uint64_t *total);
  /* Which elementwise nodes can run as one loop: groups[node] gets the group's number, or -1. All nodes of a group have the same
   * extents; a group can be run as a whole at the place of its last node. Nodes for which `stop[node]` is set (may be NULL) are left out. */
  int (*fuse_elementwise)(const struct assay_graph *graph, const uint8_t *stop, int32_t *groups);
  /* Compiled things kept between runs. `load` gives malloc'ed bytes that the caller frees, or ASSAY_E_STORAGE when there is none;
   * a damaged entry is none. Keys are any bytes that say everything that the entry depends on. */
  int (*cache_load)(const void *key, size_t key_size, void **data, size_t *size);
  int (*cache_save)(const void *key, size_t key_size, const void *data, size_t size);
  /* The user's own version of one of the backend's source files ("conv2d.cl"), from ASSAY_KERNEL_PATH: `path` and `text` are malloc'ed and the caller's; NULL, and 0, when
   * there is none. An error when there is one that cannot be read, or that somebody else could have written. */
  int (*source_load)(const char *name, char **path, char **text, struct assay_status *status);
  /* What `assay tune` has found for this backend ("opencl"): lines of text, malloc'ed, the caller's; NULL, and 0, when there is nothing. docs/formats.md. */
  int (*tuned_load)(const char *backend, char **text);
  /* Says that `call` is about to wait for `device`, and with NULL for both that it has come back. One that does not come back within [backend] timeout
   * ends the worker with a message that names them. */
  void (*waiting)(const char *device, const char *call);
};

/* What `tune` talks to. */
struct assay_tuner {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t seed; /* of the numbers that candidates are tried on */
  void *context;
  /* Parameter `number` of `count` comes now; `key` is the device's name and driver as `list` gives them with ", " between, tab, name of the parameter. 0: measure it; 1: there is a
   * value, measure it only if that was not understood; 2: leave it. */
  int (*begin)(void *context, uint32_t number, uint32_t count, const char *key);
  /* The best value for the key, and what was measured, for people. Kept at once, so that nothing is lost when the process ends. */
  void (*result)(void *context, const char *key, const char *value, const char *note);
  /* A value is tried now. 1: it ended the process when it was tried before, so leave it out. What ends or hangs the process between two calls is laid to the value. Lines about
   * such values come back with the others; the name of their parameter ends with ASSAY_TUNER_WITHOUT. */
  int (*candidate)(void *context, uint32_t number, uint32_t count, const char *value);
};
#define ASSAY_TUNER_WITHOUT " without"

struct assay_device;     /* the backend's own */
struct assay_executable; /* likewise */
struct assay_store;
struct assay_buffer;

struct assay_backend {
  uint32_t struct_size;
  uint32_t reserved;

  /* Calls `found` for each device, those that cannot be used too. `drivers`: names that end with NULL, no others may be entered; NULL: all may. With a single driver, an error
   * says what is wrong with it. May hang or crash in a driver: the core calls it in a child. */
  int (*list)(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found, void *context,
              struct assay_status *status);
  /* `drivers` as for `list`; `id` as `list` with the same drivers gave it, NULL: the first that can be used. */
  int (*open)(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
              struct assay_device **device, struct assay_status *status);
  void (*close)(struct assay_device *device); /* after everything that was made on it has been released; NULL is allowed here and in every release */

  /* 1: this backend takes the node as it stands, as far as can be told from its types and attributes. */
  int (*supports)(struct assay_device *device, const struct assay_graph *graph, uint32_t node);
  /* Compiles all functions of a program. May still refuse a node: ASSAY_E_UNSUPPORTED with `refused` = {function, node}; the core decomposes it
   * and tries again. Takes no memory on the device but code. The program lives until `release`. */
  int (*compile)(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                 struct assay_status *status);
  void (*memory)(const struct assay_executable *executable, struct assay_memory_need *need); /* `need` arrives zeroed, its size set */
  void (*release)(struct assay_executable *executable);

  int (*buffer_create)(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status);
  /* The data may be reused when the call returns; runs submitted before still see the old bytes. Takes memory only for a write that is larger than all before it to this
   * buffer; two writes to a buffer may be under way, a third waits for the first. */
  int (*buffer_write)(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status);
  int (*buffer_read)(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status);
  void (*buffer_release)(struct assay_buffer *buffer);

  /* Variables start as zeros. Data of `store_write` and `store_read` is in the outside layout and has the variable's size. */
  int (*store_create)(struct assay_executable *executable, struct assay_store **store, struct assay_status *status);
  int (*store_write)(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status);
  int (*store_read)(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status);
  int (*store_copy)(struct assay_store *to, const struct assay_store *from, struct assay_status *status); /* both of one executable */
  void (*store_release)(struct assay_store *store);

  /* Submits one call. Feeds and fetches are buffers of at least the size of their values. Never allocates. */
  int (*run)(struct assay_executable *executable, uint32_t function, struct assay_store *store, struct assay_buffer *const *feeds,
             struct assay_buffer *const *fetches, struct assay_status *status);
  int (*sync)(struct assay_device *device, struct assay_status *status);

  /* May be NULL: the backend stands on nothing that could crash by itself. Calls `found` for each driver without entering any. The core then tries each one in a child, and
   * `list` and `open` are kept from those that crash, end the process or hang. */
  int (*drivers)(const struct assay_option_value *const *options, assay_found_driver found, void *context, struct assay_status *status);

  /* Optional (NULL, or a table that ends before it): measures candidates for the backend's own parameters on an open device. What it reports is handed to later `open`s by
   * the host's `tuned_load`, a line each: key, tab, value, tab, note. */
  int (*tune)(struct assay_device *device, const struct assay_tuner *tuner, struct assay_status *status);
};

#ifdef __cplusplus
}
#endif
#endif
