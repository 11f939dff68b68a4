/* SPDX-License-Identifier: MIT
 *
 * The second reading: iniparser gets the same bytes, and must find the same sections, keys and values.
 */
#ifndef ASSAY_CONFIG_INI_AGREEMENT_H
#define ASSAY_CONFIG_INI_AGREEMENT_H

#include "config/ini.h"

/* 0 when both readings are the same; else ASSAY_E_CONFIG naming the first difference, or ASSAY_E_STORAGE when the bytes could not be handed over.
 * Not for two threads at once: iniparser's place for its error messages is one for the process. */
int assay_ini_agree(const struct assay_ini *ini, const char *text, size_t size, struct assay_status *status);

#endif
