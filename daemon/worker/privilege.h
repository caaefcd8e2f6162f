/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gives up for good what only the start needs: CAP_SYS_ADMIN. Returns 0 or an errno. What is left
 * is what the unit grants: see systemd/daxd-worker@.service.
 */
int privilege_drop(void);
