/* One event loop: sockets, timers, tasks posted from other threads. A wrapper around libuv; nothing above
 * net/ calls libuv for I/O. Everything here runs on the loop's own thread, except vk_loop_post and
 * vk_loop_stop.
 *
 * Each socket is ours (accept4, recv, send, sendfile) and has one uv_poll_t; interest changes only when it
 * must, because a change costs two epoll_ctl calls. */
#ifndef VK_NET_LOOP_H
#define VK_NET_LOOP_H

#include "core/list.h"

#include <stdatomic.h>
#include <uv.h>

/* VK_HANGUP: the peer has ended its half of the connection, also behind input that is not read yet. */
enum { VK_READ = UV_READABLE, VK_WRITE = UV_WRITABLE, VK_HANGUP = UV_DISCONNECT };
enum { VK_TICK_MS = 50, VK_WHEEL_SLOTS = 512 };
enum { VK_IN_SIZE = 16384 + 512, VK_IN_KEEP = 64 }; /* receive buffers: size, and how many a loop keeps */

typedef struct vk_io {
    uv_poll_t poll; /* first member */
    struct vk_loop *loop;
    int fd, mask;
    void (*ready)(struct vk_io *io, int events);
    void (*closed)(struct vk_io *io);
} vk_io;

typedef struct vk_timer {
    vk_list node;
    int64_t due_ms; /* loop time; 0 = not armed */
    void (*fire)(struct vk_timer *t);
} vk_timer;

typedef struct vk_task {
    struct vk_task *next;
    void (*run)(struct vk_task *t);
} vk_task;

typedef struct vk_loop {
    uv_loop_t uv;
    uv_poll_t wake;
    int wake_fd;
    uv_timer_t tick;
    _Atomic(vk_task *) posted;
    _Atomic bool stopping;
    vk_list wheel[VK_WHEEL_SLOTS];
    int64_t wheel_at; /* tick number that was served last */
    size_t n_timers;
    int64_t skew_ms; /* tests let time leap by this; 0 otherwise */
    int64_t date_at; /* second that `date` was made for */
    char date[32];   /* "Tue, 24 Nov 2026 16:00:00 GMT" */
    char *spare_in[VK_IN_KEEP];
    size_t n_spare_in;
    void *spare_arenas; /* http/exchange keeps its free list here */
    size_t n_spare_arenas;
    void (*spare_free)(struct vk_loop *l); /* and frees it with the loop */
    int index;                             /* 0 … N-1 among the loops of a process */
} vk_loop;

/* VK_E_IO when the kernel refuses a descriptor. Owner: the caller, until vk_loop_free (after vk_loop_run
 * returned). */
VK_MUSTCHECK vk_err vk_loop_new(vk_loop **out_r);
void vk_loop_free(vk_loop *l);
/* Runs until vk_loop_stop. */
void vk_loop_run(vk_loop *l);
/* From any thread. */
void vk_loop_stop(vk_loop *l);
/* From any thread: `t->run(t)` on the loop's thread, in order of posting. The task belongs to the loop until
 * then. */
void vk_loop_post(vk_loop *l, vk_task *t);
/* Monotonic milliseconds, read once a turn. */
int64_t vk_loop_now(vk_loop *l);
/* The Date header's value, made once a second. */
const char *vk_loop_date(vk_loop *l);

/* Takes over `fd` (already non-blocking). On failure the fd stays the caller's. Wants nothing yet. */
VK_MUSTCHECK vk_err vk_io_open(vk_loop *l, vk_io *io, int fd, void (*ready)(vk_io *io, int events));
/* After vk_io_close it does nothing. */
void vk_io_want(vk_io *io, int mask);
/* Stops, closes the fd, and calls `closed` in a later turn; only then may the memory be freed. */
void vk_io_close(vk_io *io, void (*closed)(vk_io *io));

/* Arms or moves the timer to `ms` from now. Precision VK_TICK_MS; moving it later costs nothing but a store.
 */
void vk_timer_set(vk_loop *l, vk_timer *t, int64_t ms, void (*fire)(vk_timer *t));
void vk_timer_clear(vk_loop *l, vk_timer *t);

/* A VK_IN_SIZE buffer from the loop's free list, or NULL. */
VK_MUSTCHECK char *vk_loop_in_get(vk_loop *l);
/* `wipe`: so many bytes at its front may hold a secret. */
void vk_loop_in_put(vk_loop *l, char *p, size_t wipe);

#endif
