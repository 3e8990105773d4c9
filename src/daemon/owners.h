/* Who the roles are when valetkey is started as root. The supervisor stays root, since it opens ports and
 * reads the certificate's key; each role becomes the user of `--user NAME`, keeper NAME-keeper and courier
 * NAME-courier where there are such users. Without --user it is the system user "valetkey", where there is
 * one; otherwise, and with
 * --user root, the roles stay root and give up all capabilities.
 *
 * The data folder, valetkey.db, builds/ and tmp/ then belong to front's user, and vault/ and audit/ to
 * keeper's, who writes the organisation's keys there, and what was done with them. What front has no business
 * with stays root's: tls/, the tokens, the lock. keeper opens the vault before it stops being root. */
#ifndef VK_DAEMON_OWNERS_H
#define VK_DAEMON_OWNERS_H

#include "daemon/note.h"

#include <sys/types.h>

typedef struct vk_owner {
    bool other; /* than the supervisor's user */
    uid_t uid;
    gid_t gid;
    char name[VK_USER_MAX];
} vk_owner;

typedef struct vk_owners {
    bool root;  /* the supervisor is root */
    bool given; /* by --user */
    vk_owner of[VK_ROLES];
} vk_owners;

/* `user` empty: none was named. VK_E_INVALID with a sentence: there is no such user, or we may not become it.
 */
VK_MUSTCHECK vk_err vk_owners_find(const char *user, vk_owners *out_r, char why[VK_WHY_MAX]);
/* Gives front's user what is its in the data folder, if it is not yet, and looks whether it can get there.
 * `restarted`: another program still serves on it, as another user than that if it were given now:
 * VK_E_CONFLICT. */
VK_MUSTCHECK vk_err vk_owners_give(const vk_owners *o, int data_fd, const char *data_dir, bool restarted,
                                   char why[VK_WHY_MAX]);
/* Gives keeper's user a folder of the data folder and all in it; absent is VK_OK. By keeper itself, before it
 * becomes that user. */
VK_MUSTCHECK vk_err vk_owners_give_keeper(const vk_owners *o, int data_fd, const char *folder,
                                          char why[VK_WHY_MAX]);
/* Becomes the role's user, without capabilities. VK_E_FORBIDDEN: the process must end. Clears PDEATHSIG and
 * makes dumpable what is (both are the kernel's doing). */
VK_MUSTCHECK vk_err vk_owners_become(const vk_owners *o, vk_role role);

#endif
