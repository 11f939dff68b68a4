/* SPDX-License-Identifier: MIT
 *
 * A device in use by a command's own process: chosen by [backend] devices, opened, and watched over by [backend] timeout.
 */
#ifndef ASSAY_TOOLS_SESSION_H
#define ASSAY_TOOLS_SESSION_H

#include "cli.h"
#include "graph/session.h"
#include "run/device.h"

/* The first of the devices that the settings name; `picker` chooses where they say "auto", NULL: in the order GPU, cpu. A device that hangs ends the process with exit code 4 and a message. */
int session_open(struct cli *cli, const struct assay_settings *settings, const struct assay_device_picker *picker, struct assay_session **session);

#endif
