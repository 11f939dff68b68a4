/* SPDX-License-Identifier: MIT
 *
 * Devices by name. A device is called BACKEND (its first one) or BACKEND:ID, as in "cpu" and "opencl:0". Listing enters drivers, which may
 * crash or hang, so it is always done by a child.
 */
#ifndef ASSAY_RUN_DEVICE_H
#define ASSAY_RUN_DEVICE_H

#include "config/plan.h"
#include "graph/session.h"
#include "run/drivers.h"

#include <jansson.h>

struct assay_listed_device {
  const char *name;    /* "opencl:0"; just the backend's name when there is a problem */
  const char *problem; /* the backend, or one of its drivers, could not be listed; NULL */
  struct assay_device_info info; /* with a problem all texts are empty */
};

/* The devices of every installed backend, memory from `arena`. Drivers are tried as `effort` says. */
int assay_devices_list(struct assay_registry *registry, const char *plugin_path, enum assay_drivers_effort effort, struct assay_arena *arena, const struct assay_listed_device **devices, uint32_t *count,
                       struct assay_status *status);
/* What the child does: lists one backend's devices as JSON; `drivers` as in assay/backend.h. */
int assay_devices_list_here(struct assay_registry *registry, const char *backend, const char *const *drivers, json_t **list, struct assay_status *status);

/* Who chooses for "auto" among the usable devices, the first being the one to take when in doubt. */
struct assay_device_picker {
  int (*pick)(void *context, const struct assay_listed_device *const *candidates, uint32_t count, const char **name, struct assay_status *status);
  void *context;
};

/* The words of `[backend] devices` as names of devices. "auto" is the first of: a GPU or the like, cpu; only without these another processor, or `reference`. "all" is every usable device
 * but `reference`. ASSAY_E_DEVICE with what there is when a word fits none or several. */
int assay_devices_choose(const struct assay_settings *settings, struct assay_registry *registry, const char *plugin_path, struct assay_arena *arena, const char *const **names,
                         uint32_t *count, struct assay_status *status);
/* The same, but where several devices suit "auto", `picker` chooses among them. */
int assay_devices_choose_by(const struct assay_device_picker *picker, const struct assay_settings *settings, struct assay_registry *registry, const char *plugin_path,
                            struct assay_arena *arena, const char *const **names, uint32_t *count, struct assay_status *status);

/* Opens a device by its name, with the [backend] options of the settings. Where `workers` of them run at the same time and the option `threads` of a backend that has one is left at 0,
 * they share the processors evenly. ASSAY_E_PLUGIN or ASSAY_E_DEVICE. */
int assay_device_open(const char *name, const struct assay_settings *settings, uint32_t workers, struct assay_registry *registry, struct assay_arena *arena,
                      struct assay_session **session,
                      struct assay_status *status);

#endif
