/* SPDX-License-Identifier: MIT
 *
 * A backend in use: opened through its plugin, with programs decomposed to what it takes before they are compiled. The rest of the core
 * talks to devices only through this.
 */
#ifndef ASSAY_GRAPH_SESSION_H
#define ASSAY_GRAPH_SESSION_H

#include "graph/graph.h"

/* What every backend is given; also for `list`, which needs no session. Compiled things are kept in the cache folder's `compiled`. */
const struct assay_backend_host *assay_backend_host_table(void);

/* Where `assay tune` keeps what it finds for a backend. From the arena; NULL when there is no cache folder. */
char *assay_tuned_path(struct assay_arena *arena, const char *backend);
/* The host table's `waiting`. */
void assay_backend_wait(const char *device, const char *call);
/* Seconds for which a backend has been waiting for a device; 0: it is not. `text` gets "DEVICE: CALL". From any thread. */
double assay_backend_waiting(char *text, size_t size);

/* The table of version 1.0, the least that a backend has. */
enum { ASSAY_BACKEND_LEAST_SIZE = offsetof(struct assay_backend, drivers) + sizeof(void *) };

/* The plugin's functions, NULL where an earlier minor version had none yet. ASSAY_E_PLUGIN when one is missing that every backend must have. */
int assay_backend_table(const struct assay_plugin *plugin, struct assay_backend *table, struct assay_status *status);

struct assay_session; /* one open device of one backend; one thread at a time */

/* `values` parallel to the plugin's options; `id` as listed, NULL: the first. The plugin outlives the session. */
int assay_session_open(const struct assay_plugin *plugin, const struct assay_option_value *const *values, const char *id, struct assay_session **session,
                       struct assay_status *status);
/* The same, entering no other drivers than these: see `drivers` in assay/backend.h. */
int assay_session_open_with(const struct assay_plugin *plugin, const struct assay_option_value *const *values, const char *const *drivers, const char *id,
                            struct assay_session **session, struct assay_status *status);
void assay_session_close(struct assay_session *session);
/* The vtable, for buffers, stores and runs. */
const struct assay_backend *assay_session_backend(const struct assay_session *session);
struct assay_device *assay_session_device(const struct assay_session *session);

/* The most bytes of the device that are to be taken, 0 (the start): no limit. Whoever keeps something there says so before, and afterwards gives it back. */
void assay_session_limit(struct assay_session *session, uint64_t bytes);
/* Bytes that may still be taken. */
uint64_t assay_session_room(const struct assay_session *session);
/* ASSAY_E_MEMORY, with the numbers, when `bytes` are more than there is room for. */
int assay_session_take(struct assay_session *session, uint64_t bytes, struct assay_status *status);
/* The same for `stores` stores of an executable, its workspace and `beside` bytes; `taken` gets how many bytes that were. */
int assay_session_take_program(struct assay_session *session, const struct assay_executable *executable, uint32_t stores, uint64_t beside, uint64_t *taken,
                               struct assay_status *status);
void assay_session_give_back(struct assay_session *session, uint64_t bytes);

/* Compiles, decomposing whatever the backend refuses. Executables are kept by program key until the session is trimmed or closed, so an equal
 * program costs nothing the second time; the session owns them. */
int assay_session_compile(struct assay_session *session, const struct assay_program *program, struct assay_executable **executable,
                          struct assay_status *status);

/* The backend's own measuring of its parameters; ASSAY_E_UNSUPPORTED when it has none. */
int assay_session_tune(struct assay_session *session, const struct assay_tuner *tuner, struct assay_status *status);

/* Releases all executables but the `keep` used last, so that a long search does not fill the memory. No store of the others may be left. */
void assay_session_trim(struct assay_session *session, uint32_t keep);

#endif
