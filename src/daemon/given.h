/* Listening sockets that were given: by a service manager (daemon.h: vk_activate) or by the program of before
 * a restart. */
#ifndef VK_DAEMON_GIVEN_H
#define VK_DAEMON_GIVEN_H

#include "daemon/daemon.h"

/* The socket for that listener, or *fd_r stays -1: none was given. VK_E_CONFLICT: what was given under its
 * name is somewhere else than the configuration says. One without a name is taken for the listener at whose
 * address it is. */
VK_MUSTCHECK vk_err vk_given_take(vk_daemon *d, const char *listener, const vk_listen_at *at, int *fd_r,
                                  char why[VK_WHY_MAX]);
/* First: VK_E_CONFLICT when one has a name that no listener has. */
VK_MUSTCHECK vk_err vk_given_begin(const vk_daemon *d, char why[VK_WHY_MAX]);
/* Last: VK_E_CONFLICT when no listener has taken one. */
VK_MUSTCHECK vk_err vk_given_end(const vk_daemon *d, char why[VK_WHY_MAX]);

#endif
