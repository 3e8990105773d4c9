/* The fences around the roles. What can be had on this machine is found out once, before any role is started;
 * each role then gets exactly that, or does not start. So the ready line, `doctor` and the roles never
 * differ.
 *
 *   no_new_privs, not dumpable, no core files, die with the supervisor    always, role.c
 *   a user of its own                 when started as root, owners.h; without one all capabilities are given
 * up Landlock                          the table in sandbox.c: which role may do what, where seccomp the
 * table in calls.c: which role may make which system call
 *
 * A role that opens a new path after its start needs a row in sandbox.c, one that makes a new system call a
 * row in calls.c; tests/fence shows what is missing. What is open before the fence stays usable. */
#ifndef VK_DAEMON_SANDBOX_H
#define VK_DAEMON_SANDBOX_H

#include "daemon/owners.h"

enum { VK_FENCES_TEXT = 400 };

typedef struct vk_sandbox {
    bool enabled;                 /* not switched off */
    int landlock;                 /* its version; 0: none */
    bool seccomp;                 /* filters can be had */
    bool dumpable;                /* by VALETKEY_DEBUG_DUMPABLE */
    char active[VK_FENCES_TEXT];  /* "no_new_privs, Landlock 7 (files, TCP, signals), seccomp" */
    char missing[VK_FENCES_TEXT]; /* each with its reason, separated by "; "; empty: nothing is */
} vk_sandbox;

/* Finds out what there is. VK_E_FORBIDDEN: `wanted` is VK_FENCE_REQUIRED and something is missing. */
VK_MUSTCHECK vk_err vk_sandbox_probe(vk_fencing wanted, const vk_owners *owners, vk_sandbox *out_r,
                                     char why[VK_WHY_MAX]);

/* Where a role's rows are. */
typedef struct vk_sandbox_place {
    int data_fd;
    const char *data_dir;
    /* Folders of it that the role has open already: of another user than the data folder, they cannot be
     * reached through it. NULL ends. */
    struct {
        const char *path;
        int fd;
    } open[3];
} vk_sandbox_place;

/* Closes the fences around this process, which must have one thread yet. What the table names and is not
 * there is left out. Not VK_OK: `why` is the sentence; the process must end. */
VK_MUSTCHECK vk_err vk_sandbox_enter(const vk_sandbox *s, vk_role role, const vk_sandbox_place *at,
                                     char why[VK_WHY_MAX]);

#endif
