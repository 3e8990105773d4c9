/* One migration file on a build's database, and the ledger of those that ran: the table _valetkey_migrations
 * of the build itself. */
#ifndef VK_CLI_APPLY_H
#define VK_CLI_APPLY_H

#include "cli/endpoint.h"
#include "cli/migrations.h"

enum { VK_APPLY_SAID = 2048 };

/* What is known of a file. */
typedef enum vk_applied {
    VK_PENDING,
    VK_APPLIED,
    VK_CHANGED, /* it ran, and has another content now */
    VK_ADOPTED, /* it ran by the app's own runner: its ledger says so, ours does not yet */
} vk_applied;

typedef struct vk_apply {
    vk_endpoint at;
    char code[VK_APPLY_SAID], said[VK_APPLY_SAID]; /* of the last failure, for people */
    int line;                                      /* of the file where it happened; 0: not in a statement */
} vk_apply;

/* Reads the ledgers: ours, and those of Prisma (_prisma_migrations), drizzle-orm (__drizzle_migrations) and
 * the template (_app_migrations). state[i] belongs to m->all[i]. */
VK_MUSTCHECK vk_err vk_apply_look(vk_apply *a, const vk_migrations *m, vk_applied *state);
/* Notes in our ledger that a file ran. */
VK_MUSTCHECK vk_err vk_apply_note(vk_apply *a, const vk_migration *x);
/* Runs a file and notes it, in one transaction: after a failure nothing of it is there. VK_E_CONFLICT:
 * another apply was first, nothing was done. *n_r: statements. */
VK_MUSTCHECK vk_err vk_apply_run(vk_apply *a, vk_migration_kind kind, const vk_migration *x, size_t *n_r);

#endif
