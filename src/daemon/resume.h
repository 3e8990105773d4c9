/* What one program tells the next in a restart, over an exec: which descriptors and processes it goes on
 * with. A file in memory, named by $VALETKEY_RESUME; text, a line each, with its version in front, so that a
 * program that does not understand it says so. It holds no secret. */
#ifndef VK_DAEMON_RESUME_H
#define VK_DAEMON_RESUME_H

#include "daemon/role.h"

enum { VK_RESUME_VERSION = 1, VK_RESUME_LEFT_MAX = 16 };

/* A process that goes on: of the daemon, or one that is about to end. */
typedef struct vk_resume_child {
    pid_t pid; /* 0: there is none */
    int control;
} vk_resume_child;

typedef struct vk_resume {
    vk_role role; /* VK_ROLES: the supervisor */
    pid_t parent; /* of a role */
    int control, peer[VK_ROLES];
    bool standby;
    int lock_fd, admin_fd;
    vk_given given[VK_SERVICES_MAX + 1]; /* the listeners, by name */
    size_t n_given;
    vk_resume_child children[VK_ROLES], left[VK_RESUME_LEFT_MAX]; /* of the supervisor */
    size_t n_left;
    int number; /* of restarts */
} vk_resume;

/* Writes *r into a file in memory, lets its descriptors stay open over an exec, and names it in the
 * environment. The file's descriptor, or -1. For the process that calls exec next. */
int vk_resume_write(const vk_resume *r);
/* Undoes that, when exec has failed. */
void vk_resume_undo(const vk_resume *r, int fd);
/* VK_E_NOT_FOUND: the program was started, not restarted. VK_E_INVALID: `why`. The variable is removed, and
 * no descriptor stays open over an exec. */
VK_MUSTCHECK vk_err vk_resume_read(vk_resume *out_r, char why[VK_WHY_MAX]);

#endif
