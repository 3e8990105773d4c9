/* What the commands on the audit log share. They read its files, with or without a daemon. */
#ifndef VK_CLI_AUDIT_H
#define VK_CLI_AUDIT_H

#include "keeper/audit_read.h"

/* The folder audit/ of a data folder (vk_data_dir). An exit code; the sentence was printed. */
VK_MUSTCHECK int vk_audit_cli_open(const char *data, int *fd_r);
/* The sentence for what vk_audit_verify could not do. */
int vk_audit_cli_failed(vk_err e);
/* "2026-11-29T13:00:00.000Z" */
enum { VK_AUDIT_TIME_TEXT = 40 };
void vk_audit_cli_time(int64_t ns, char out[VK_AUDIT_TIME_TEXT]);

#endif
