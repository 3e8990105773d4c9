/* Notes between the supervisor and a child, over a SOCK_SEQPACKET pair: one note a packet, a descriptor may
 * come along. */
#ifndef VK_DAEMON_NOTE_H
#define VK_DAEMON_NOTE_H

#include "daemon/config.h"

typedef enum vk_role { VK_FRONT, VK_KEEPER, VK_COURIER, VK_ROLES } vk_role;

typedef enum vk_note_kind {
    VK_NOTE_READY = 'R', /* child: it serves now */
    VK_NOTE_FATAL = 'F', /* child: it cannot start; `text` says why and what to do. It exits after that */
    VK_NOTE_LOST = 'L',  /* front: `role` does not answer */
    VK_NOTE_PEER = 'P',  /* supervisor: a fresh connection to `role`; the descriptor comes along */
    VK_NOTE_CERT = 'C',  /* supervisor: the certificate's file comes along. front: the pair is in use */
    VK_NOTE_KEY = 'K',   /* supervisor: the key's file comes along; after VK_NOTE_CERT */
    VK_NOTE_STOP = 'S',  /* supervisor: finish and exit */
    /* A restart (restart.c): the front that is to come, and the one that serves. */
    VK_NOTE_STANDBY = 'B', /* front to come: all is ready but the data, which is not its own yet */
    VK_NOTE_GO = 'G',      /* supervisor: it is now */
    VK_NOTE_YIELD = 'Y',   /* supervisor: come to rest. front: the data is nobody's now, connections wait */
    VK_NOTE_GIVE = 'V',    /* supervisor to the one that has yielded: where they go to; then exit */
    VK_NOTE_TAKE = 'T',    /* supervisor to the one that serves now: where they come from */
} vk_note_kind;

typedef struct vk_note {
    vk_note_kind kind;
    vk_role role;
    char text[VK_WHY_MAX];
} vk_note;

const char *vk_role_name(vk_role role);

/* `pass_fd` -1: none; stays the caller's. VK_E_UNAVAILABLE when the other side has gone. Never waits. */
VK_MUSTCHECK vk_err vk_note_send(int fd, vk_note_kind kind, vk_role role, const char *text, int pass_fd);
/* The descriptor that came with a message, -1: none. There is room for two where one is expected (alignment):
 * of more than one all are closed, so that nobody fills our table with them. */
struct msghdr;
int vk_note_fd(struct msghdr *m);
/* VK_AGAIN: none waits. VK_E_UNAVAILABLE: the other side has gone. *fd_r is -1, or the receiver's. */
VK_MUSTCHECK vk_err vk_note_receive(int fd, vk_note *out_r, int *fd_r);

#endif
