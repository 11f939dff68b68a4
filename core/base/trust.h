/* SPDX-License-Identifier: MIT
 *
 * Whose word is a module? Loading one runs its code with the user's rights, so nobody else may be able to change it, or to put another in its place.
 */
#ifndef ASSAY_BASE_TRUST_H
#define ASSAY_BASE_TRUST_H

#include <assay/types.h>
#include <stdbool.h>

/* `path`: absolute, without symbolic links. It and every folder up to the root must belong to root or to the user (the effective one), and nobody else may
 * write to them, as sshd asks of the files that it goes by. Two things that sshd refuses are allowed, because they give nobody else a way in:
 *   - a folder with the sticky bit, as /tmp: others can add to it, but not remove or rename what is not theirs, and what they add is not ours;
 *   - group-writable, when the group is root's, or the user's own with no other member (the usual private group); with `installed` also what is root's, as
 *     Debian's /usr/local may be writable to the group staff, which could replace the tool itself as well.
 * ASSAY_PLUGIN_OWNER (through secure_getenv) may hold the number of one more user to trust: for root in a container whose files are another's.
 * Access control lists are not looked at. 0, or ASSAY_E_PLUGIN with a sentence that names the place and the remedy. */
int assay_trust_check(const char *path, bool installed, struct assay_status *status);

#endif
