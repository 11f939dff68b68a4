/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "watch.h"

static void end_hung(void *context, const char *message) { cli_end(context, ASSAY_E_DEVICE, message); }

int session_open(struct cli *cli, const struct assay_settings *settings, const struct assay_device_picker *picker, struct assay_session **session) {
  struct assay_registry *registry;
  const char *const *devices;
  uint32_t count;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_devices_choose_by(picker, settings, registry, cli->plugin_path, cli->arena, &devices, &count, cli->status);
  if (result == 0) result = watch_device(settings->timeout, end_hung, cli, cli->status);
  return result == 0 ? assay_device_open(devices[0], settings, 1, registry, cli->arena, session, cli->status) : result;
}
