/* The subcommands. Each gets argv with argv[0] = its own name as typed ("build create") and returns the exit
 * code: 0 done, 1 refused or failed, 2 not understood. Its help is what `--help` prints. */
#ifndef VK_CLI_H
#define VK_CLI_H

#include "core/base.h"

enum { VK_EXIT_OK, VK_EXIT_FAILED, VK_EXIT_USAGE };

#define VK_COMMAND(name)                                                                                     \
    int vk_cmd_##name(int argc, char **argv);                                                                \
    extern const char vk_help_##name[]

VK_COMMAND(serve);
VK_COMMAND(restart);
VK_COMMAND(build_create);
VK_COMMAND(build_list);
VK_COMMAND(build_show);
VK_COMMAND(build_origins);
VK_COMMAND(build_ping);
VK_COMMAND(build_use);
VK_COMMAND(build_provision);
VK_COMMAND(build_resources);
VK_COMMAND(build_revoke);
VK_COMMAND(build_delete);
VK_COMMAND(env);
VK_COMMAND(run);
VK_COMMAND(db_shell);
VK_COMMAND(db_apply);
VK_COMMAND(db_download);
VK_COMMAND(db_snapshot);
VK_COMMAND(db_snapshots);
VK_COMMAND(db_restore);
VK_COMMAND(db_diff);
VK_COMMAND(db_ddl);
VK_COMMAND(auth_users_list);
VK_COMMAND(auth_users_create);
VK_COMMAND(auth_users_delete);
VK_COMMAND(auth_users_export);
VK_COMMAND(auth_outbox);
VK_COMMAND(payments_events);
VK_COMMAND(payments_resend);
VK_COMMAND(payments_webhook);
VK_COMMAND(payments_seed);
VK_COMMAND(payments_export);
VK_COMMAND(storage_ls);
VK_COMMAND(storage_get);
VK_COMMAND(storage_put);
VK_COMMAND(storage_rm);
VK_COMMAND(storage_usage);
VK_COMMAND(keys_set);
VK_COMMAND(keys_list);
VK_COMMAND(keys_check);
VK_COMMAND(keys_rotate);
VK_COMMAND(keys_remove);
VK_COMMAND(keys_seal);
VK_COMMAND(keys_rekey);
VK_COMMAND(keys_sweep);
VK_COMMAND(validate);
VK_COMMAND(audit_verify);
VK_COMMAND(audit_show);
VK_COMMAND(audit_keygen);
VK_COMMAND(backup);
VK_COMMAND(backup_verify);
VK_COMMAND(restore);
VK_COMMAND(doctor);
VK_COMMAND(completion);
VK_COMMAND(man);
VK_COMMAND(version);

#endif
