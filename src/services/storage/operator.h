/* What the operator does with a build's objects through the admin API: no signature, the same limits, keys
 * and stores as the S3 front. Below /api/v1/builds/<id>/services/storage/; docs/openapi.yaml has shapes.
 *
 * Map: operator.c calls, jobs, answers · operator_put.c the body of an upload · archive.c all objects as a
 * tar file.
 *
 * The data of a revoked build can be looked at and taken away, and stays as it is. */
#ifndef VK_STORAGE_OPERATOR_H
#define VK_STORAGE_OPERATOR_H

#include "services/storage/embedded/builds.h"
#include "services/storage/embedded/scope.h"

extern const vk_operator vk_s3_operator;

/* vk_service.export_data: a tar file of all objects. */
void vk_s3_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                  void *arg);

/* A file name for a key: what a tar program makes of it lies in the folder that it is told, on every system,
 * and no two keys have the same. Bytes that could do otherwise (a first or doubled '/', '\\', ':' of a drive,
 * control characters, a segment of dots) are written as "%" and two hex digits, and so is a "%" in front of
 * two hex digits; all else stays. "%00" at the end: there are also keys "<key>/…", so that it would be file
 * and folder at once. `folder_r`: the name ends in '/' and stands for an empty folder. */
void vk_s3_archive_name(vk_buf *out, vk_str key, bool empty, bool has_children, bool *folder_r);

/* A build is closing: the operator's transfers of it on the loop of that index end now, however slow their
 * clients are. */
void vk_s3_op_end_transfers(int loop);

/* ---- between the files of the map */

/* A new empty file in <data>/tmp, which every start empties; its name in the data folder. */
VK_MUSTCHECK vk_err vk_s3_archive_file(int data_fd, char name_r[64]);

enum { VK_S3_OP_WHY = 400 };

typedef struct vk_s3_op_put vk_s3_op_put;
/* On the loop, in head: the exchange's sink takes the object. Copies key and type. False: out of memory. It
 * answers by itself, after vk_s3_op_put_end; `ex->done` is its own. */
VK_MUSTCHECK bool vk_s3_op_put_begin(vk_exchange *ex, vk_s3_build *b, vk_str key, int64_t size, vk_str type);
void vk_s3_op_put_end(vk_exchange *ex);
/* Its build is closing: answers, at once or when its thread has looked. */
void vk_s3_op_put_end_early(vk_exchange *ex);
/* As vk_s3_puts_stop. */
void vk_s3_op_puts_stop(void);

/* The kind and the sentence (without key) of an error of the store. */
vk_err vk_s3_op_err(vk_ob_err e, const char **why_r);

#endif
