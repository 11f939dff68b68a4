/* SPDX-License-Identifier: MIT
 *
 * assay devices: what can be used here, and what is wrong with what cannot. The hidden `list-devices BACKEND [DRIVER...]` is the child that enters the drivers.
 */
#include "cli.h"

#include "run/device.h"

int command_list_devices(struct cli *cli) {
  struct assay_registry *registry;
  json_t *list;
  /* The arguments end with the process' own NULL. */
  const char *const *drivers = cli->argument_count > 1 ? (const char *const *)cli->arguments + 1 : NULL;
  cli->json = true;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_devices_list_here(registry, cli->arguments[0], drivers, &list, cli->status);
  if (result == 0) cli_print_json(cli, json_pack("{s:o}", "devices", list));
  return result;
}

static void print_device(FILE *stream, const struct assay_listed_device *device) {
  const struct assay_device_info *info = &device->info;
  if (device->problem != NULL) {
    fprintf(stream, "%-12s cannot be used: %s\n", device->name, device->problem);
    return;
  }
  fprintf(stream, "%-12s %s\n", device->name, info->name);
  if (info->driver[0] != '\0') fprintf(stream, "%-12s driver: %s%s%s\n", "", info->driver, info->vendor[0] != '\0' ? ", " : "", info->vendor);
  if (info->memory > 0) fprintf(stream, "%-12s memory: %.1f GiB\n", "", (double)info->memory / (1 << 30));
  if (info->note[0] != '\0') fprintf(stream, "%-12s %s%s\n", "", info->usable ? "" : "cannot be used: ", info->note);
}

int command_devices(struct cli *cli) {
  struct assay_registry *registry;
  const struct assay_listed_device *devices;
  uint32_t count;
  int result = cli_registry(cli, &registry);
  if (result == 0) result = assay_devices_list(registry, cli->plugin_path, ASSAY_DRIVERS_ALL, cli->arena, &devices, &count, cli->status);
  if (result != 0) return result;
  json_t *list = json_array();
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_device_info *info = &devices[i].info;
    if (!cli->json) print_device(cli->results, &devices[i]);
    const char *problem = devices[i].problem != NULL ? devices[i].problem : info->usable ? NULL : info->note;
    json_array_append_new(list, json_pack("{s:s,s:b,s:s,s:s,s:s,s:I,s:s?}", "device", devices[i].name, "usable", problem == NULL, "name", info->name, "vendor", info->vendor, "driver",
                                          info->driver, "memory", (json_int_t)info->memory, "problem", problem));
  }
  if (cli->json) cli_print_json(cli, json_pack("{s:o}", "devices", list));
  else json_decref(list);
  return count > 0 ? 0 : assay_status_set(cli->status, ASSAY_E_DEVICE, "no backend is installed; 'assay plugins' shows where was looked");
}
