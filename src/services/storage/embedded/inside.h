/* Inside the storage library only: what its files share. `mu` guards everything in vk_ob that does not say
 * otherwise, and is never held during SQL or file work. */
#ifndef VK_STORAGE_INSIDE_H
#define VK_STORAGE_INSIDE_H

#include "core/list.h"
#include "core/map.h"
#include "crypto/checksum.h"
#include "services/storage/embedded/objects.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum {
    VK_OB_SCHEMA = 1,
    VK_OB_BLOB = 16,        /* bytes of a file's random name */
    VK_OB_BLOB_PATH = 40,   /* "a/" and 32 hex digits */
    VK_OB_FOLDERS = 16,     /* of blobs/, by the first digit: few, so that syncs of folders are shared */
    VK_OB_BATCH = 64,       /* turns in one transaction */
    VK_OB_READERS = 16,     /* connections that read at once; then reads wait for each other */
    VK_OB_READERS_IDLE = 4, /* kept open */
    VK_OB_LANES = 64,       /* of hot.c */
};

/* What a part of an unfinished upload counts against the quota: as much as its file takes at least, so that
 * no number of empty ones is free. */
enum { VK_OB_PART_CHARGE = 4096 };
static inline int64_t vk_ob_part_charge(int64_t size)
{
    return size > VK_OB_PART_CHARGE ? size : VK_OB_PART_CHARGE;
}

/* ---- index.c: SQLite */

typedef enum vk_ob_q {
    Q_OBJECT,
    Q_GET,
    Q_PUT_OBJECT,
    Q_DROP_OBJECT,
    Q_LIST,
    Q_PUT_INLINE,
    Q_SET_INLINE,
    Q_DROP_INLINE,
    Q_EXTENTS,
    Q_PUT_EXTENT,
    Q_DROP_EXTENTS,
    Q_UPLOAD,
    Q_PUT_UPLOAD,
    Q_DROP_UPLOAD,
    Q_LIST_UPLOADS,
    Q_OLD_UPLOADS,
    Q_PART,
    Q_PARTS,
    Q_PUT_PART,
    Q_DROP_PARTS,
    Q_FINISHED,
    Q_PUT_FINISHED,
    Q_PRUNE_FINISHED,
    Q_SETTING,
    Q_SET,
    Q_UNSET,
    Q_USAGE,
    Q_SET_USAGE,
    Q_RECOUNT,
    Q_BLOBS,
    Q_LAST_CONTENT,
    Q_BEGIN,
    Q_BEGIN_READ,
    Q_COMMIT,
    Q_ROLLBACK,
    Q_SAVE,
    Q_RELEASE,
    Q_UNDO,
    Q_STMTS,
} vk_ob_q;

/* A connection; used by one thread at a time. */
typedef struct vk_ob_conn {
    vk_list node; /* in idle */
    sqlite3 *db;
    sqlite3_stmt *st[Q_STMTS];
} vk_ob_conn;

struct vk_ob;
/* Opens a connection; the first one of a handle makes the file what it has to be. */
VK_MUSTCHECK vk_ob_err vk_ob_conn_open(struct vk_ob *s, bool first, vk_ob_conn **out_r);
void vk_ob_conn_close(vk_ob_conn *c);
/* After VK_OB_DISK_FULL, outside of a transaction: it is the index that may not grow, not the disk. */
bool vk_ob_index_full(vk_ob_conn *c);
/* A reading connection, and back. */
VK_MUSTCHECK vk_ob_err vk_ob_conn_get(struct vk_ob *s, vk_ob_conn **out_r);
void vk_ob_conn_put(struct vk_ob *s, vk_ob_conn *c);
/* One that is open and that nobody uses, or NULL; never waits. */
vk_ob_conn *vk_ob_conn_idle(struct vk_ob *s);
/* The statement, reset and without bindings; NULL: it cannot be prepared. The bind functions below and
 * vk_ob_step take NULL and then fail. */
sqlite3_stmt *vk_ob_st(vk_ob_conn *c, vk_ob_q q);
void vk_ob_bind(sqlite3_stmt *st, int i, vk_str blob);
void vk_ob_bind_i(sqlite3_stmt *st, int i, int64_t v);
/* SQLITE_ROW, SQLITE_DONE or an error. */
int vk_ob_step(sqlite3_stmt *st);
/* Steps to the end and resets. */
VK_MUSTCHECK vk_ob_err vk_ob_run(vk_ob_conn *c, sqlite3_stmt *st);
vk_str vk_ob_col(sqlite3_stmt *st, int i);
vk_ob_err vk_ob_sql_err(int rc);
vk_ob_err vk_ob_of(vk_err e);
/* A setting as one more text; VK_OB_NO_SUCH_KEY. In `a`. */
VK_MUSTCHECK vk_ob_err vk_ob_setting(vk_ob_conn *c, const char *name, vk_arena *a, vk_str *out_r);

/* An object's row. `headers` points into the statement. */
typedef struct vk_ob_row {
    vk_ob_object o;
    bool has_blob;
    uint8_t blob[VK_OB_BLOB];
    int64_t content; /* of rows in inline or extents; 0: none */
} vk_ob_row;
/* Columns of Q_OBJECT and Q_GET. VK_OB_CORRUPT. */
VK_MUSTCHECK vk_ob_err vk_ob_read_row(sqlite3_stmt *st, vk_ob_row *out_r);
void vk_ob_bind_sum(sqlite3_stmt *st, int i, const vk_ob_sum *sum); /* three columns from i on */
void vk_ob_read_sum(sqlite3_stmt *st, int i, vk_ob_sum *out_r);

/* ---- turn.c: writing the index */

/* A change of the index. What `run` does is in one transaction with the changes of others that wait, but is
 * undone alone when it fails. */
typedef struct vk_ob_turn {
    vk_list node;
    vk_list replacing; /* in s->replacing, while its garbage may still be a reader's */
    vk_ob_err (*run)(struct vk_ob *s, struct vk_ob_turn *t, vk_ob_conn *c);
    void *arg;
    unsigned folders;       /* of blobs/ to be synced before; a bit each */
    const uint8_t *blob;    /* the new file; NULL: none */
    uint32_t unsynced;      /* s->unsynced of its folder when the file got its name */
    int64_t bytes, objects; /* reserved; given back by the turn */
    vk_ob_usage delta;      /* by run */
    vk_buf garbage;         /* by run: vk_ob_trash of what nothing names any more */
    bool uncertain;         /* out: it failed in such a way that a killed process may find it done */
    bool done;
    vk_ob_err result;
    pthread_cond_t cond;
} vk_ob_turn;

typedef struct vk_ob_trash {
    int64_t content; /* 0, or that of an object of several files */
    uint8_t blob[VK_OB_BLOB];
} vk_ob_trash;

/* Set up by the caller: run, arg, folders, blob, bytes, objects. VK_OB_OK: on stable storage, and the garbage
 * is removed. */
vk_ob_err vk_ob_take_turn(struct vk_ob *s, vk_ob_turn *t);
/* In run, when delta is complete: whether the quota allows it. */
VK_MUSTCHECK vk_ob_err vk_ob_afford(struct vk_ob *s, vk_ob_turn *t);
/* In run: takes the content of an object that is replaced or deleted away, and its usage off. */
VK_MUSTCHECK vk_ob_err vk_ob_discard(vk_ob_turn *t, vk_ob_conn *c, const vk_ob_row *old);
void vk_ob_add_trash(vk_ob_turn *t, int64_t content, const uint8_t blob[VK_OB_BLOB]);
/* In run: the row of a key. VK_OB_NO_SUCH_KEY. `headers` is not valid. */
VK_MUSTCHECK vk_ob_err vk_ob_find(vk_ob_conn *c, vk_str key, vk_ob_row *out_r);
/* In run: conditions of a write against what is there (row NULL: nothing is). */
VK_MUSTCHECK vk_ob_err vk_ob_conditions(const vk_ob_commit *cm, const vk_ob_row *row);
/* In run: writes the row of an object, or deletes it. Nothing else writes `objects`. */
VK_MUSTCHECK vk_ob_err vk_ob_write_row(struct vk_ob *s, vk_ob_conn *c, vk_str key, const vk_ob_row *row);
VK_MUSTCHECK vk_ob_err vk_ob_drop_row(struct vk_ob *s, vk_ob_conn *c, vk_str key);

/* ---- store.c: quota */

/* Takes room for so much more; VK_OB_QUOTA. */
VK_MUSTCHECK vk_ob_err vk_ob_reserve(struct vk_ob *s, int64_t bytes, int64_t objects);
void vk_ob_release(struct vk_ob *s, int64_t bytes, int64_t objects);

/* ---- blobs.c: files */

typedef struct vk_ob_live { /* a file that is not to be swept, though no row names it */
    vk_list node;
    uint8_t blob[VK_OB_BLOB];
    uint32_t unsynced; /* as in vk_ob_turn */
} vk_ob_live;

typedef struct vk_ob_pin { /* an object of several files that somebody reads */
    vk_list node;
    int64_t content;
    uint32_t readers;
    vk_buf doomed; /* vk_ob_trash: to be removed after the last of them */
} vk_ob_pin;

void vk_ob_blob_path(const uint8_t blob[VK_OB_BLOB], char out[VK_OB_BLOB_PATH]);
static inline unsigned vk_ob_folder(const uint8_t blob[VK_OB_BLOB])
{
    return 1U << (blob[0] >> 4);
}
/* A new file; `live` is linked in until vk_ob_blob_settled. */
VK_MUSTCHECK vk_ob_err vk_ob_blob_create(struct vk_ob *s, vk_ob_live *live, int *fd_r);
void vk_ob_blob_settled(struct vk_ob *s, vk_ob_live *live);
VK_MUSTCHECK vk_ob_err vk_ob_blob_open(struct vk_ob *s, const uint8_t blob[VK_OB_BLOB], int *fd_r);
void vk_ob_blob_remove(struct vk_ob *s, const uint8_t blob[VK_OB_BLOB]);
/* Removes, or leaves to the last reader, what no row names any more (vk_ob_trash). */
void vk_ob_collect(struct vk_ob *s, const vk_buf *garbage);
/* Under a reading lock of `names`. NULL: no memory. */
vk_ob_pin *vk_ob_pin_content(struct vk_ob *s, int64_t content);
void vk_ob_unpin(struct vk_ob *s, vk_ob_pin *p);

/* ---- stage.c: bytes on their way into a new file */

/* The kernel keeps in one run of memory what one write brings, as far as its place in the file is aligned,
 * and what lies in long runs is sent with less work: of 1 MiB a client's processor spends a fifth less if it
 * was written by 256 KiB instead of 16. So what comes is gathered up to borders of that size. All stages
 * together have 16 MiB; without room bytes are written as they come. */
typedef struct vk_ob_stage { /* zeroed: nothing is gathered */
    char *p;
    size_t n, room;
} vk_ob_stage;

/* `bytes` follow, at byte `at` of the file; `more` come behind them, -1: who knows. */
VK_MUSTCHECK vk_ob_err vk_ob_stage_add(vk_ob_stage *g, int fd, int64_t at, vk_str bytes, int64_t more);
/* Writes what is gathered. */
VK_MUSTCHECK vk_ob_err vk_ob_stage_write(vk_ob_stage *g, int fd);
/* Drops what is gathered, and gives its memory back. */
void vk_ob_stage_free(vk_ob_stage *g);

/* ---- hot.c: objects of one piece that were read lately */

typedef struct vk_ob_hot { /* shared and constant, but for its place in a store */
    vk_map_node node;
    vk_list recent;
    _Atomic uint32_t refs;
    int fd; /* -1: it is `bytes` */
    vk_ob_object o;
    vk_str key, bytes;
    size_t n_room;
    char room[]; /* what the views above show */
} vk_ob_hot;

typedef struct vk_ob_hots { /* a store's; under a mutex of its own, which is the last to be taken */
    pthread_mutex_t mu;
    vk_map map;
    vk_list recent; /* the latest at the end */
    size_t bytes;
    uint64_t shut; /* lanes with a key that the transaction under way changes */
    uint64_t changes[VK_OB_LANES];
} vk_ob_hots;

/* From before a search in the index: whether what it found may be kept. */
typedef struct vk_ob_ticket {
    uint64_t hash, changes;
    bool good;
} vk_ob_ticket;

void vk_ob_hot_init(struct vk_ob *s);
void vk_ob_hot_free(struct vk_ob *s);
/* A reference; NULL: look in the index, and put it in with the ticket. */
vk_ob_hot *vk_ob_hot_find(struct vk_ob *s, vk_str key, vk_ob_ticket *ticket_r);
/* Copies all but `fd`, which is its own then. One reference. NULL: no memory. */
VK_MUSTCHECK vk_ob_hot *vk_ob_hot_new(vk_str key, const vk_ob_object *o, vk_str bytes, int fd);
/* Keeps it, if it is still what a reader would find and there is room. */
void vk_ob_hot_add(struct vk_ob *s, vk_ob_hot *h, const vk_ob_ticket *t);
void vk_ob_hot_unref(vk_ob_hot *h);
/* Whoever leads: before the transaction that changes the key commits, and when it has ended either way. */
void vk_ob_hot_forget(struct vk_ob *s, vk_str key);
void vk_ob_hot_settle(struct vk_ob *s);

struct vk_ob {
    int data_fd, blobs_fd; /* constant */
    char build[VK_BUILD_ID_MAX + 1];
    char path[PATH_MAX + 64 + VK_BUILD_ID_MAX];
    pthread_mutex_t mu;
    /* Held for reading between looking up a row and holding its files; for writing where it is decided which
     * files go. Before mu. */
    pthread_rwlock_t names;

    vk_list queue;         /* of turns */
    bool leading;          /* somebody makes a transaction */
    vk_ob_conn *writer;    /* whoever leads */
    int64_t last_content;  /* whoever leads */
    uint64_t cors_changes; /* whoever leads */

    vk_ob_quota quota;
    vk_ob_usage used;
    int64_t opening; /* uploads that are being made */
    int64_t reserved_bytes, reserved_objects;

    vk_list idle;
    size_t n_readers;
    pthread_cond_t reader_free;

    vk_list live, pins;
    vk_list replacing; /* turns, from before their transaction until their garbage is removed */
    vk_buf uncertain;  /* names of files whose transaction failed in its last step; they go after the next
                        * one that does not, which has taken its place in the log */
    vk_buf held;       /* names of files that would be gone by now, were it not for vk_ob_hold_files */
    uint32_t holds;
    bool forgets; /* there was no memory to note one: the next start sweeps */
    bool marked;  /* the index says that a start sweeps */
    /* How often the sync of each folder failed. What got its name before that may be lost, although the next
     * sync says nothing of it: the kernel tells an error once. */
    uint32_t unsynced[VK_OB_FOLDERS];
    unsigned folders, touched; /* of blobs/: made; with removals that are not synced. A bit each */
    _Atomic uint32_t users;    /* puts and readers; none are left at close. Without mu */

    vk_ob_hots hot;
};

#endif
