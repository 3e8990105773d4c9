/* What every child does alike: leave the supervisor's world after the fork, hear its notes, say that it is
 * ready or why it cannot start. keeper and courier are a handler on a socketpair and nothing else. */
#ifndef VK_DAEMON_ROLE_H
#define VK_DAEMON_ROLE_H

#include "daemon/daemon.h"
#include "daemon/note.h"
#include "http/server.h"

/* A child as it begins. */
typedef struct vk_child {
    const vk_daemon *daemon;
    vk_role role;
    pid_t parent;
    int control;        /* notes */
    int peer[VK_ROLES]; /* connections that are there from the start; -1: none */
    bool standby;       /* front: another one still serves; opens no data before VK_NOTE_GO */
} vk_child;

/* Runs the role; the process's exit code. */
int vk_child_main(const vk_child *c);
int vk_front_main(const vk_child *c);
int vk_keeper_main(const vk_child *c);

typedef struct vk_role_link {
    vk_io io;
    void *arg;
    void (*peer)(void *arg, vk_role role, int fd); /* takes over the fd */
    void (*stop)(void *arg);
    void (*file)(void *arg, vk_note_kind kind, int fd); /* takes over the fd; NULL: none is taken */
    /* The notes of a restart; takes over the fd, which may be -1. NULL: they do not concern it. */
    void (*restart)(void *arg, vk_note_kind kind, int fd);
} vk_role_link;

/* Listens to notes on the loop. When the supervisor goes the process ends. */
VK_MUSTCHECK vk_err vk_role_listen(vk_role_link *l, vk_loop *loop, const vk_child *c);
/* Closes the fences of sandbox.h around the role: once it has opened what they would keep from it, and before
 * its first thread. */
void vk_role_fence(const vk_child *c);
void vk_role_fence_at(const vk_child *c, const vk_sandbox_place *at);
/* Becomes the role's user; keeper does so itself, after it has opened what that user may not. */
void vk_role_become(const vk_child *c);
/* Serves `handler` on the connections that the supervisor gives, which bring descriptors, until told to stop;
 * the exit code. `begin` (may be NULL) is called before the first one. */
int vk_role_serve(const vk_child *c, vk_loop *loop, const vk_handler *handler, void *ctx,
                  void (*begin)(void *ctx));
void vk_role_ready(const vk_child *c);
/* Tells the supervisor the sentence and ends the process. */
void vk_role_fail(const vk_child *c, const char *fmt, ...) VK_PRINTF(2, 3) __attribute__((noreturn));

#endif
