/* The objects of one build on disk: what the S3 front calls. Two things belong to a build,
 * builds/<id>/storage.db (SQLite: keys, metadata, uploads, usage, and the bytes of small objects) and
 * builds/<id>/blobs/ (the bytes of the others, in files with random names; no byte of a key is in a path).
 *
 * Every call may block on the disk and belongs on a pool thread; all are thread-safe on one handle, but one
 * vk_ob_put or vk_ob_reader is used by one thread at a time. A call that changes something and returns
 * VK_OB_OK has it on stable storage. Times are wall milliseconds.
 *
 * Map: scope.c keys and prefixes · meta.c headers, ETags, errors · index.c SQLite · store.c open, close,
 * usage, quota · turn.c one transaction and one sync for all that wait · blobs.c files, and who still reads
 * them · hot.c what was read lately, kept · sweep.c what a crash left · put.c (and
 * stage.c, bytes on their way into a file), get.c, delete.c, list.c, upload.c (multipart), upload_list.c,
 * cors.c the operations.
 *
 * What holds it together: a file gets its bytes, is synced, its folder is synced, and only then a transaction
 * names it; a file goes only after the transaction that stopped naming it is on stable storage and nobody
 * reads it. So whatever cuts the power or the process, each key is old or new, and all that can be left over
 * is a file that no row names: the sweep takes those. */
#ifndef VK_STORAGE_OBJECTS_H
#define VK_STORAGE_OBJECTS_H

#include "core/arena.h"
#include "core/buf.h"
#include "crypto/checksum.h"

enum {
    VK_OB_KEY_MAX = 1024,
    VK_OB_HEADERS_MAX = 16 << 10, /* packed; S3's own limit on x-amz-meta-* is the front's to check */
    VK_OB_PARTS_MAX = 10000,
    VK_OB_PARTS_NOW = 64,
    VK_OB_PART_LEAST = 5 << 20, /* every part of a completed upload but the last */
    VK_OB_DELETE_MAX = 1000,
    VK_OB_ETAG = 40, /* 32 hex digits, "-10000" */
    VK_OB_SUM_MAX = 32,
    VK_OB_INLINE_MAX = 8 << 10, /* bytes of an object that lie in the index */
    VK_OB_CORS_MAX = 64 << 10,
    VK_OB_FINISHED_MS = 3600000, /* how long the result of a completed upload can be asked for again */
};

typedef enum vk_ob_err {
    VK_OB_OK,
    VK_OB_NO_SUCH_KEY,
    VK_OB_NO_SUCH_UPLOAD,
    VK_OB_NO_SUCH_CORS,
    VK_OB_PRECONDITION,
    VK_OB_INVALID_PART,
    VK_OB_INVALID_PART_ORDER,
    VK_OB_PART_TOO_SMALL,
    VK_OB_TOO_LARGE,  /* more than one object may have */
    VK_OB_QUOTA,      /* the build would pass its quota */
    VK_OB_INCOMPLETE, /* not the number of bytes that were announced */
    VK_OB_KEY_TOO_LONG,
    VK_OB_BAD_KEY,
    VK_OB_OUTSIDE, /* a key or prefix of the reserved space that is not this build's */
    VK_OB_METADATA_TOO_LARGE,
    VK_OB_INVALID,
    VK_OB_INVALID_RANGE,
    VK_OB_BUSY,      /* too many uploads are open, or too much is under way */
    VK_OB_DISK_FULL, /* nothing was changed; reading goes on */
    VK_OB_IO,        /* the disk refused. The change may or may not be there; nothing is torn */
    VK_OB_CORRUPT,
    VK_OB_NEWER, /* written by a newer valetkey */
    VK_OB_NOMEM,
    VK_OB_ERRS,
} vk_ob_err;

/* The S3 code, HTTP status and sentence of an error; the front adds what it knows (key, quota). */
typedef struct vk_ob_err_info {
    const char *code, *message;
    int status;
} vk_ob_err_info;
extern const vk_ob_err_info vk_ob_errs[VK_OB_ERRS];

/* ---- meta.c: what is stored with an object */

/* Headers and user metadata are stored as the front gives them, packed: a 16-bit length before each name and
 * each value. Adding what does not fit sets the buffer's error. */
void vk_ob_header_add(vk_buf *packed, vk_str name, vk_str value);
/* Takes the next pair off *packed. False at its end, or where it is not well-formed. */
bool vk_ob_header_next(vk_str *packed, vk_str *name_r, vk_str *value_r);

/* A checksum as S3 names them; the store keeps it and computes none. */
typedef struct vk_ob_sum {
    uint8_t algo; /* 1 + vk_checksum_kind (crypto/checksum.h); 0: none */
    uint8_t type; /* the front's: full object or composite */
    uint8_t n;
    uint8_t value[VK_OB_SUM_MAX];
} vk_ob_sum;

/* `list` is the value of If-Match or If-None-Match: "*", or ETags with or without quotes and W/. */
bool vk_ob_etag_matches(vk_str list, vk_str etag);

typedef struct vk_ob_object {
    int64_t size, mtime_ms;
    char etag[VK_OB_ETAG + 1]; /* without quotes */
    uint32_t parts;            /* 0: not made by a multipart upload */
    vk_ob_sum sum;
    vk_str headers; /* packed; in the arena of the call */
} vk_ob_object;

/* ---- store.c: a build's handle */

typedef struct vk_ob vk_ob;

typedef struct vk_ob_quota {
    int64_t bytes;        /* of objects and parts together; of a part 4 KiB at least */
    int64_t objects;      /* keys */
    int64_t object_bytes; /* of one object, and of one part */
    int64_t uploads;      /* open at once */
} vk_ob_quota;

typedef struct vk_ob_usage {
    int64_t bytes, objects;      /* of objects */
    int64_t part_bytes, uploads; /* of uploads that are not complete; each part as 4 KiB at least */
} vk_ob_usage;

/* Makes what is missing of the build's folder, recovers what a killed process left, and sweeps after one. One
 * handle a build and process; no other process has the data folder (the supervisor's lock). The data folder's
 * path is `data_dir`, `data_fd` is open on it and must stay so. */
VK_MUSTCHECK vk_ob_err vk_ob_open(int data_fd, const char *data_dir, const char *build, const vk_ob_quota *q,
                                  vk_ob **out_r);
/* All puts and readers are closed. */
void vk_ob_close(vk_ob *s);
void vk_ob_set_quota(vk_ob *s, const vk_ob_quota *q);
/* As of the last commit; costs no I/O. */
void vk_ob_usage_now(vk_ob *s, vk_ob_usage *out_r);
/* The same, counted from every row. Equal to the above while nothing is written. */
VK_MUSTCHECK vk_ob_err vk_ob_recount(vk_ob *s, vk_ob_usage *out_r);
/* Removes files that no row names; safe while everything else goes on. *removed_r: how many. */
VK_MUSTCHECK vk_ob_err vk_ob_sweep(vk_ob *s, int64_t *removed_r);

/* ---- blobs.c, copy.c: for backups */

/* Until vk_ob_release_files, as often as it was called, no file goes away: whatever a copy of the index names
 * that is made meanwhile can be opened meanwhile. What is replaced or deleted keeps its bytes on the disk. */
void vk_ob_hold_files(vk_ob *s);
/* Removes what has become of no use. */
void vk_ob_release_files(vk_ob *s);
/* The index as it is at one moment, into the empty file `to`. Not synced. */
VK_MUSTCHECK vk_ob_err vk_ob_copy_index(vk_ob *s, const char *to);
/* vk_service.named_files: what such a copy names. */
VK_MUSTCHECK vk_err vk_ob_copied_names(const char *copy,
                                       bool (*one)(void *arg, const char *name, int64_t size), void *arg);

/* ---- put.c: writing an object, or a part of an upload */

typedef struct vk_ob_put vk_ob_put;

typedef struct vk_ob_commit {
    uint8_t md5[16]; /* of the bytes; the front hashes while it writes. Becomes the ETag */
    vk_ob_sum sum;
    vk_str headers;         /* packed; not of parts */
    vk_str if_match;        /* the header's value; empty: none. Absent key: VK_OB_NO_SUCH_KEY */
    bool if_none_match_any; /* If-None-Match: * */
} vk_ob_commit;

/* `key` is a stored key (scope.h). `size` as announced, or -1: then it is counted while it comes. Reserves it
 * against the quota: VK_OB_QUOTA, VK_OB_TOO_LARGE. An overwrite counts the difference. The put is ended by
 * commit or abort, and by nothing else. */
VK_MUSTCHECK vk_ob_err vk_ob_put_begin(vk_ob *s, vk_str key, int64_t size, vk_ob_put **out_r);
/* The same for part `number` of an open upload of that key. Committing it replaces a part of that number. */
VK_MUSTCHECK vk_ob_err vk_ob_part_begin(vk_ob *s, vk_str key, const uint8_t upload[16], int number,
                                        int64_t size, vk_ob_put **out_r);
/* The next bytes. Holds at most VK_OB_INLINE_MAX of them in memory, and 256 KiB on the way into a file, as
 * long as all puts together hold less than 16 MiB so. What the disk says of those may come with a later call,
 * at the latest with commit. After an error only abort is left. */
VK_MUSTCHECK vk_ob_err vk_ob_put_write(vk_ob_put *p, vk_str bytes);
struct vk_ob_reader;
/* `n` bytes of an object from `at` on (CopyObject, UploadPartCopy). With md5_r they pass through memory and
 * are hashed, also into `sum` (begun; NULL: none is wanted); without it the kernel copies them, and the
 * source's MD5 is the copy's when all of a one-piece object is copied. Only as the one source of a put when
 * md5_r is given. */
VK_MUSTCHECK vk_ob_err vk_ob_put_copy(vk_ob_put *p, struct vk_ob_reader *from, int64_t at, int64_t n,
                                      uint8_t md5_r[16], vk_checksum *sum);
/* Makes it the object, or the part. Ends the put, whatever it returns. *out_r (may be NULL): etag, size,
 * mtime_ms. */
VK_MUSTCHECK vk_ob_err vk_ob_put_commit(vk_ob_put *p, const vk_ob_commit *c, vk_ob_object *out_r);
void vk_ob_put_abort(vk_ob_put *p);

/* ---- get.c */

typedef struct vk_ob_reader vk_ob_reader;

/* Bytes of an object that can be sent at once. */
typedef struct vk_ob_piece {
    int fd; /* for sendfile, from `at` on; -1: they are at `bytes`. Valid until the next piece */
    int64_t at, n;
    const char *bytes; /* valid as long as the reader */
} vk_ob_piece;

VK_MUSTCHECK vk_ob_err vk_ob_head(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r);
/* Object and bytes as they were at one moment, however the key changes meanwhile. */
VK_MUSTCHECK vk_ob_err vk_ob_get(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r, vk_ob_reader **r);
/* The same without ever waiting for another thread: VK_OB_BUSY when it would have to, or when the object is
 * of more than VK_OB_PARTS_NOW pieces, whose names take their time to read. For event loops. */
VK_MUSTCHECK vk_ob_err vk_ob_get_now(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r,
                                     vk_ob_reader **r);
/* What lies from object byte `at` on, as far as one piece reaches. Opens a file at the border of two parts of
 * a multipart object only; for all others it never blocks. VK_OB_INVALID_RANGE: at or behind the end. */
VK_MUSTCHECK vk_ob_err vk_ob_read(vk_ob_reader *r, int64_t at, vk_ob_piece *out_r);
void vk_ob_reader_close(vk_ob_reader *r);
/* Closing it would remove files now: what it reads was replaced or deleted, and only it still reads it. */
bool vk_ob_reader_removes(const vk_ob_reader *r);

typedef struct vk_ob_part {
    int number;
    int64_t start; /* in the object; of completed ones */
    int64_t size, mtime_ms;
    uint8_t md5[16]; /* not of completed ones */
    vk_ob_sum sum;
} vk_ob_part;
/* Where part `number` of a multipart object lies (GET ?partNumber). False: it has no such part. */
bool vk_ob_reader_part(const vk_ob_reader *r, int number, int64_t *start_r, int64_t *size_r);
/* For GetObjectAttributes: the object, and its parts after the number `after`, at most `max` of them;
 * *more_r: there are others. */
VK_MUSTCHECK vk_ob_err vk_ob_object_parts(vk_ob *s, vk_arena *a, vk_str key, int after, size_t max,
                                          vk_ob_object *object_r, vk_ob_part *out, size_t *n_r, bool *more_r);

/* ---- delete.c */

typedef struct vk_ob_delete {
    vk_str key, if_match; /* if_match empty: whatever is there */
    vk_ob_err result;     /* absent is VK_OB_OK; with if_match VK_OB_NO_SUCH_KEY */
    bool was_there;
} vk_ob_delete;
/* At most VK_OB_DELETE_MAX in one transaction: after an error that is returned none has happened. */
VK_MUSTCHECK vk_ob_err vk_ob_delete_keys(vk_ob *s, vk_ob_delete *keys, size_t n);

/* ---- list.c */

typedef struct vk_ob_entry {
    bool prefix; /* a common prefix: only `key` counts */
    vk_str key;
    int64_t size, mtime_ms;
    vk_str etag;
    uint8_t sum_algo, sum_type;
} vk_ob_entry;

typedef struct vk_ob_list {
    vk_str prefix, delimiter;
    vk_str after; /* only what is greater, keys and common prefixes alike: marker, start-after, and the last
                   * entry of the page before. The front seals and opens the token */
    size_t max;   /* entries of both kinds */
    bool skip_empty; /* leave the key "" out (scope.h) */
    void *arg;
    /* False ends the listing as `max` does. What it is shown is valid during the call only. */
    bool (*entry)(void *arg, const vk_ob_entry *e);
} vk_ob_list;
/* In order of bytes. Costs an index seek an entry, whatever lies under a common prefix. *more_r: there are
 * entries behind the last one shown. */
VK_MUSTCHECK vk_ob_err vk_ob_list_keys(vk_ob *s, const vk_ob_list *l, bool *more_r);

/* ---- upload.c, upload_list.c: multipart */

typedef struct vk_ob_upload {
    uint8_t id[16];
    int64_t created_ms;
    uint8_t sum_algo, sum_type;
    vk_str key, headers; /* in the arena of the call; of listings valid during `entry` only */
} vk_ob_upload;

/* VK_OB_BUSY: too many are open. */
VK_MUSTCHECK vk_ob_err vk_ob_upload_create(vk_ob *s, vk_str key, vk_str headers, uint8_t sum_algo,
                                           uint8_t sum_type, uint8_t id_r[16]);
VK_MUSTCHECK vk_ob_err vk_ob_upload_get(vk_ob *s, vk_arena *a, vk_str key, const uint8_t id[16],
                                        vk_ob_upload *out_r);
typedef struct vk_ob_claim {
    int number;
    uint8_t md5[16];
    vk_ob_sum sum; /* algo 0: none was stated */
} vk_ob_claim;
/* Parts in ascending order, each there with that MD5 (and checksum), all but the last of VK_OB_PART_LEAST
 * bytes. The parts become the object's pieces: no byte is copied, one transaction does it, whatever the size.
 * Of `c`, md5 is not used: the ETag is the MD5 of the parts' MD5s. Repeated within VK_OB_FINISHED_MS it
 * answers the same again. */
VK_MUSTCHECK vk_ob_err vk_ob_upload_complete(vk_ob *s, vk_str key, const uint8_t id[16],
                                             const vk_ob_claim *parts, size_t n, const vk_ob_commit *c,
                                             vk_ob_object *out_r);
VK_MUSTCHECK vk_ob_err vk_ob_upload_abort(vk_ob *s, vk_str key, const uint8_t id[16]);
/* Aborts uploads created before that moment, and forgets old results; at most 100 a call. *n_r: how many. */
VK_MUSTCHECK vk_ob_err vk_ob_upload_expire(vk_ob *s, int64_t before_ms, size_t *n_r);
/* Parts after the number `after`, at most `max`. */
VK_MUSTCHECK vk_ob_err vk_ob_upload_parts(vk_ob *s, vk_str key, const uint8_t id[16], int after, size_t max,
                                          vk_ob_part *out, size_t *n_r, bool *more_r);
typedef struct vk_ob_upload_list {
    vk_str prefix, delimiter;
    vk_str after_key;
    const uint8_t *after_id; /* 16 bytes, or NULL: all of after_key are behind us */
    size_t max;
    void *arg;
    bool (*entry)(void *arg, const vk_ob_upload *u, vk_str common_prefix); /* u NULL: a common prefix */
} vk_ob_upload_list;
/* By key, then by id. */
VK_MUSTCHECK vk_ob_err vk_ob_upload_list_open(vk_ob *s, const vk_ob_upload_list *l, bool *more_r);

/* ---- cors.c: the bucket's CORS rules, in the front's own form */

/* *order_r: of several changes of this handle, the one with the highest is the last. At most VK_OB_CORS_MAX.
 */
VK_MUSTCHECK vk_ob_err vk_ob_cors_set(vk_ob *s, vk_str rules, uint64_t *order_r);
VK_MUSTCHECK vk_ob_err vk_ob_cors_get(vk_ob *s, vk_arena *a, vk_str *rules_r);
VK_MUSTCHECK vk_ob_err vk_ob_cors_delete(vk_ob *s, uint64_t *order_r);

#endif
