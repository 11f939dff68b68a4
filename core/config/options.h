/* SPDX-License-Identifier: MIT
 *
 * Options live on the ground floor, where the descriptor check needs them too.
 */
#ifndef ASSAY_CONFIG_OPTIONS_H
#define ASSAY_CONFIG_OPTIONS_H

#include "base/options.h"

#endif
