/* What the supervisor opens once and every child inherits: the data folder with its lock, the listeners, the
 * configuration. */
#ifndef VK_DAEMON_H
#define VK_DAEMON_H

#include "daemon/sandbox.h"

typedef struct vk_listener {
    int fd;
    int service; /* index; -1: console and admin API */
    int port;
} vk_listener;

/* A listening socket that somebody else has opened. `name` is what they call it; empty: nothing. */
typedef struct vk_given {
    char name[32];
    int fd; /* -1: taken */
} vk_given;
enum {
    VK_GIVEN_MAX = 2 * (VK_SERVICES_MAX + 1),
    /* Bytes that the kernel takes of an answer before its peer takes any, instead of some megabytes. */
    VK_NOT_SENT_MAX = 256 * 1024,
};

typedef struct vk_daemon {
    const vk_config *config;
    int argc; /* of `serve`; a restart uses them again */
    char **argv;
    struct vk_resume *resume; /* NULL: the program was started, not restarted */
    vk_given given[VK_GIVEN_MAX];
    size_t n_given;
    char data_dir[PATH_MAX]; /* absolute */
    int data_fd, lock_fd;    /* every child holds the lock too: it is free only when all of them are gone */
    bool had_to_wait;        /* for the lock: an earlier daemon was just ending */
    uint8_t admin_hash[VK_SHA256], metrics_hash[VK_SHA256]; /* of the tokens */
    vk_listener listeners[VK_SERVICES_MAX + 1];
    size_t n_listeners;
    int admin_fd;       /* listening on <data>/admin.sock */
    vk_owners owners;   /* who the roles are */
    vk_sandbox sandbox; /* and what is around them */
    int tls_fds[2];     /* copies of certificate and key, to be read; -1: no listener has TLS */
} vk_daemon;

/* Makes or opens the folder, takes the lock, makes or reads the tokens (kept as their hashes only). Not
 * VK_OK: `why` is the sentence; nothing that was there has been changed. */
VK_MUSTCHECK vk_err vk_datadir_open(vk_daemon *d, char why[VK_WHY_MAX]);
/* The part of it that is about admin.token and metrics.token. */
VK_MUSTCHECK vk_err vk_tokens_open(vk_daemon *d, char why[VK_WHY_MAX]);
/* Socket activation: the sockets that a service manager has opened ($LISTEN_PID, $LISTEN_FDS,
 * $LISTEN_FDNAMES, sd_listen_fds(3)) into d->given, each checked to be one that can be used; the variables
 * are removed. */
VK_MUSTCHECK vk_err vk_activate(vk_daemon *d, char why[VK_WHY_MAX]);
/* The ports: those that were given, which must be where the configuration says, and the others opened. Then
 * admin.sock (a stale one is removed: we hold the lock). After a restart all must have been given. */
VK_MUSTCHECK vk_err vk_listen_all(vk_daemon *d, char why[VK_WHY_MAX]);
/* Checks and copies the files of certificate and key (-1 when no listener has TLS); a self-signed one is made
 * first where it is needed. The descriptors are the caller's. */
VK_MUSTCHECK vk_err vk_certificate_open(const vk_daemon *d, int fds[2], char why[VK_WHY_MAX]);
/* All of these, as far as this process needs them. */
VK_MUSTCHECK vk_err vk_daemon_open(vk_daemon *d, char why[VK_WHY_MAX]);
/* Removes admin.sock. */
void vk_listen_end(const vk_daemon *d);

/* Runs the role that this program was started for in a restart (d->resume says which); its exit code. */
int vk_resume_role(vk_daemon *d);

/* sd_notify(3): one datagram to $NOTIFY_SOCKET, if that is set. */
void vk_notify(const char *state);

/* Runs the daemon until it is told to stop. The program's exit code. */
int vk_supervise(vk_daemon *d);

#endif
