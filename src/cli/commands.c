/* The command table: what there is, in the order of the overview. */
#include "cli/cli.h"
#include "cli/commands.h"

static const vk_command commands[] = {
    {"serve", vk_cmd_serve, vk_help_serve, "run the daemon"},
    {"restart", vk_cmd_restart, vk_help_restart,
     "put a new program in the daemon's place, with no request lost"},
    {"build create", vk_cmd_build_create, vk_help_build_create,
     "make a build, or show the one that is there"},
    {"build list", vk_cmd_build_list, vk_help_build_list, "list the builds"},
    {"build show", vk_cmd_build_show, vk_help_build_show, "show one build"},
    {"build origins", vk_cmd_build_origins, vk_help_build_origins, "set the web origins of a build"},
    {"build ping", vk_cmd_build_ping, vk_help_build_ping, "ask whether the app of a build answers"},
    {"build revoke", vk_cmd_build_revoke, vk_help_build_revoke, "end a build's keys for good, keep its data"},
    {"build delete", vk_cmd_build_delete, vk_help_build_delete, "end a build and remove its data"},
    {"env", vk_cmd_env, vk_help_env, "print or write a build's environment"},
    {"run", vk_cmd_run, vk_help_run, "start a command with a build's environment, fenced off from our data"},
    {"auth users list", vk_cmd_auth_users_list, vk_help_auth_users_list, "list the users of a build's app"},
    {"auth users create", vk_cmd_auth_users_create, vk_help_auth_users_create, "make a user"},
    {"auth users delete", vk_cmd_auth_users_delete, vk_help_auth_users_delete, "remove a user"},
    {"auth users export", vk_cmd_auth_users_export, vk_help_auth_users_export,
     "take all users, with their passwords' digests"},
    {"auth outbox", vk_cmd_auth_outbox, vk_help_auth_outbox,
     "show the codes that users would have been sent"},
    {"db shell", vk_cmd_db_shell, vk_help_db_shell, "SQL prompt on a build's database"},
    {"db apply", vk_cmd_db_apply, vk_help_db_apply, "run a folder of Prisma or Drizzle migrations"},
    {"db snapshot", vk_cmd_db_snapshot, vk_help_db_snapshot, "keep a build's database as it is now"},
    {"db snapshots", vk_cmd_db_snapshots, vk_help_db_snapshots, "list or remove what was kept"},
    {"db restore", vk_cmd_db_restore, vk_help_db_restore, "bring a snapshot back"},
    {"db diff", vk_cmd_db_diff, vk_help_db_diff, "show what has changed since a snapshot"},
    {"db ddl", vk_cmd_db_ddl, vk_help_db_ddl, "list what was done to a build's schema"},
    {"db download", vk_cmd_db_download, vk_help_db_download, "take a build's database as one SQLite file"},
    {"storage ls", vk_cmd_storage_ls, vk_help_storage_ls, "list a build's objects"},
    {"storage get", vk_cmd_storage_get, vk_help_storage_get, "take an object, or all of them, as a file"},
    {"storage put", vk_cmd_storage_put, vk_help_storage_put, "store a file as an object"},
    {"storage rm", vk_cmd_storage_rm, vk_help_storage_rm, "remove objects"},
    {"storage usage", vk_cmd_storage_usage, vk_help_storage_usage, "show how much a build has stored"},
    {"payments events", vk_cmd_payments_events, vk_help_payments_events,
     "list the events of a build's payments, and what its app answered"},
    {"payments resend", vk_cmd_payments_resend, vk_help_payments_resend, "send an event once more"},
    {"payments webhook", vk_cmd_payments_webhook, vk_help_payments_webhook, "show or set where events go"},
    {"payments seed", vk_cmd_payments_seed, vk_help_payments_seed,
     "make products, prices and coupons of a file"},
    {"payments export", vk_cmd_payments_export, vk_help_payments_export, "take them as such a file"},
    {"validate", vk_cmd_validate, vk_help_validate, "check keys of your own by asking their vendors"},
    {"backup verify", vk_cmd_backup_verify, vk_help_backup_verify, "check that a backup is whole"},
    {"backup", vk_cmd_backup, vk_help_backup, "save a data folder in one file, also while the daemon runs"},
    {"restore", vk_cmd_restore, vk_help_restore, "make a data folder out of a backup"},
    {"doctor", vk_cmd_doctor, vk_help_doctor, "check this installation"},
    {"completion", vk_cmd_completion, vk_help_completion, "completion for bash, zsh or fish"},
    {"man", vk_cmd_man, vk_help_man, "the manual page"},
    {"version", vk_cmd_version, vk_help_version, "print versions"},
};

const vk_command *vk_commands(size_t *n_r)
{
    *n_r = VK_COUNT(commands);
    return commands;
}
