/* The supervisor between its own files: supervisor.c, which keeps the roles alive, and restart.c, which puts
 * a new program in the place of the running one. */
#ifndef VK_DAEMON_SUPERVISOR_H
#define VK_DAEMON_SUPERVISOR_H

#include "daemon/resume.h"

#include <poll.h>

enum {
    VK_FAST_DEATHS = 5,
    VK_STOP_OTHERS_MS = 2000, /* for keeper and courier to end */
    /* Notes of one child that are read in one turn: more than a socket holds, so that the last word of one
     * that has died is among them, and bounded, so that one that never stops keeps nobody else waiting. */
    VK_NOTES_TURN = 1024,
};

typedef struct vk_process {
    pid_t pid; /* 0: not running */
    int control;
    bool ready, was_ready;
    int64_t born_ms, again_ms;    /* again_ms: when to start it (pid is 0) */
    int64_t fast[VK_FAST_DEATHS]; /* times of the last fast deaths, oldest first; 0: none */
    char why[VK_WHY_MAX];         /* what it said before it died */
} vk_process;

/* One that is about to end, and is no role's process any more. */
typedef struct vk_leaving {
    vk_process p;
    int64_t kill_ms; /* when patience ends */
} vk_leaving;

typedef enum vk_restart_phase {
    VK_RESTART_NONE,
    VK_RESTART_PREPARE, /* the new roles start; the old ones serve */
    VK_RESTART_YIELD,   /* the new ones are there; the old front comes to rest */
    VK_RESTART_TAKE,    /* it has; the new front opens the data */
    VK_RESTART_BACK,    /* it could not: the old program's front, started again, does */
} vk_restart_phase;

typedef struct vk_restart {
    vk_restart_phase phase;
    int64_t due_ms; /* when patience with the phase ends */
    char program[PATH_MAX];
    int program_fd;            /* of the new program, so that all its processes run the same file */
    vk_process next[VK_ROLES]; /* the new program's */
    vk_leaving leaving[VK_RESUME_LEFT_MAX];
    vk_process *holder; /* in leaving: the front of before, which holds connections; NULL: none */
    bool reaping;       /* one of `next` has ended, and only what it complained of is read */
    int number;         /* of restarts that were begun */
    char why[VK_WHY_MAX];
} vk_restart;

typedef struct vk_supervisor {
    vk_daemon *d;
    vk_process children[VK_ROLES];
    int signals;
    bool up; /* all were ready once */
    bool stopping, stop_others;
    int64_t kill_ms; /* while stopping: when patience ends */
    int exit_code;   /* -1: go on */
    int next_tls[2]; /* certificate and key that front has not taken yet; -1 */
    bool terminal;   /* standard input was one at the start */
    vk_restart restart;
} vk_supervisor;

/* Forks a process of `set` for that role, with connections to the others of the set; `run` is what it does.
 */
VK_MUSTCHECK vk_err vk_supervise_spawn(vk_supervisor *s, vk_process *set, vk_role role,
                                       int (*run)(const vk_child *c));

/* Of a program that has just taken another one's place, and cannot go on because of `why` (a file that is
 * being written, say): the roles serve by themselves meanwhile, so it says so, waits a moment and is to try
 * again. False: it was told to end. */
bool vk_supervise_patience(const char *why);

/* ---- restart.c */
void vk_restart_init(vk_supervisor *s);
/* This program was put in the place of another one: takes over its processes. */
void vk_restart_adopt(vk_supervisor *s);
/* Told to restart. */
void vk_restart_begin(vk_supervisor *s);
/* Told to stop: ends what a restart has begun, all of it. */
void vk_restart_abandon(vk_supervisor *s);
/* The front has yielded, or it has died. */
void vk_restart_yielded(vk_supervisor *s);
/* The front of s->children is ready. */
void vk_restart_front_ready(vk_supervisor *s);
/* The data is another front's now, or about to be: none may be started beside it. */
bool vk_restart_has_data(const vk_supervisor *s);
/* A process has ended; false: it was none of a restart's. */
bool vk_restart_reaped(vk_supervisor *s, pid_t pid, int status);
/* What is to be polled: VK_ROLES of them. Then, in each turn: notes and times. */
void vk_restart_poll(const vk_supervisor *s, struct pollfd *p);
void vk_restart_turn(vk_supervisor *s);
/* When its next time is up; 0: none runs. */
int64_t vk_restart_due(const vk_supervisor *s);

#endif
