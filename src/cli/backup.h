/* What `backup` is made of: where the data comes from. Either a daemon runs on the folder, then it gives
 * copies of its databases over admin.sock, consistent while apps write; or none does, then a shared lock
 * keeps one from starting and the files are read directly. Files that never change once they have their name
 * (snapshots, the sealed master, tokens) are read directly in both cases. */
#ifndef VK_CLI_BACKUP_H
#define VK_CLI_BACKUP_H

#include "backup/pack.h"
#include "cli/api.h"
#include "store/copy.h"

typedef struct vk_from {
    const char *dir; /* as given */
    int data_fd, lock_fd;
    bool running;            /* a daemon answers for it */
    vk_api api;              /* while `running` */
    char key_file[PATH_MAX]; /* where the key of the vault is; empty: not known */
    int64_t total;           /* bytes that the backup will have, more or less; for the progress shown */
    char temp[PATH_MAX];     /* a file for copies, beside the backup; empty: none yet */
} vk_from;

/* `data` as of --data. `key_file` of --key-file, or NULL. `out`: copies lie beside it. All answer an exit
 * code; when it is not VK_EXIT_OK the sentence was printed. */
VK_MUSTCHECK int vk_from_open(vk_from *s, const char *data, const char *key_file);
void vk_from_close(vk_from *s);
/* All metadata into the empty file `to`. */
VK_MUSTCHECK int vk_from_metadata(vk_from *s, const char *to);
/* The data of a build in that service as a member of the archive. *gone_r: the build, this very one, is not
 * there any more, and part of a member may have been written. */
VK_MUSTCHECK int vk_from_export(vk_from *s, const vk_copied_build *b, const char *service, vk_pack *p,
                                const char *member, bool *gone_r);
/* A lease on files that an index names, with a daemon; see vk_service.named_files. */
typedef struct vk_lease {
    char target[192]; /* of its calls */
    char id[40];      /* empty: none */
    int64_t renewed_ms;
} vk_lease;

/* The same of a file that names others: takes a lease on them, which *lease is then, and copies it into
 * s->temp. `name`: of the file in builds/<id>/. */
VK_MUSTCHECK int vk_from_copy(vk_from *s, const vk_copied_build *b, const char *service, const char *name,
                              vk_lease *lease, bool *gone_r);
/* What is in s->temp as a member. */
VK_MUSTCHECK int vk_from_temp(vk_from *s, vk_pack *p, const char *member);
/* Now and then; costs nothing when it was done lately. A lease that is over is no error: a file may be
 * missing then. */
VK_MUSTCHECK int vk_from_renew(vk_from *s, vk_lease *lease);
void vk_from_end_lease(vk_from *s, vk_lease *lease);
/* Whether this very build is still there, so that what was read of it is of no other of its name. */
VK_MUSTCHECK int vk_from_same(vk_from *s, const vk_copied_build *b, bool *gone_r);

/* How far it is, on a terminal. */
void vk_from_progress(const vk_from *s, const vk_pack *p);
/* Why the archive could not be written; prints it. */
int vk_pack_failed(const vk_pack *p, vk_err e, const char *out);

#endif
