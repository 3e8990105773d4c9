/* Metadata: builds, bindings, valet rows, settings. One vtable for every engine; calls are synchronous and
 * belong on a lane, except the two marked INLINE, which an engine with local files answers from memory or
 * page cache. A handle is used by one thread at a time. Every call that changes something has it on stable
 * storage when it returns VK_OK. Times are wall milliseconds. */
#ifndef VK_STORE_H
#define VK_STORE_H

#include "core/arena.h"

enum {
    VK_BUILD_ID_MAX = 32,
    VK_ORIGINS_MAX = 16,
    VK_ORIGIN_MAX = 253 + 16,
    VK_FRAMEWORK_MAX = 32,
    VK_SERVICE_MAX = 16,
    VK_HASH = 32,
    VK_BINDINGS_MAX = 16,   /* of a build */
    VK_RESOURCE_MAX = 4096, /* bytes of a binding's resource */
    VK_SCHEMA_VERSION = 3,  /* of the data folder (migrate.h) */
};

typedef enum vk_build_state { VK_BUILD_ACTIVE, VK_BUILD_REVOKED, VK_BUILD_DELETING } vk_build_state;

typedef struct vk_build {
    char id[VK_BUILD_ID_MAX + 1];
    char framework[VK_FRAMEWORK_MAX + 1];
    vk_build_state state;
    uint64_t generation; /* of its valet keys; never used twice, not even by a store that was restored */
    int64_t ttl_ms, created_ms, expires_ms, touched_ms, revoked_ms;
    uint32_t n_origins;
    vk_str origins[VK_ORIGINS_MAX]; /* "scheme://host[:port]" */
} vk_build;

/* A valet key's row. The key itself is not stored: `hash` is its HMAC. */
typedef struct vk_valet_row {
    uint8_t hash[VK_HASH];
    char build[VK_BUILD_ID_MAX + 1];
    char service[VK_SERVICE_MAX + 1];
    char kind; /* 'b' secret, 'p' publishable */
    uint32_t kid;
    uint64_t generation;
    int64_t revoked_ms; /* 0: not revoked */
} vk_valet_row;

/* How a build has a service. */
typedef struct vk_binding {
    char service[VK_SERVICE_MAX + 1], driver[VK_SERVICE_MAX + 1];
    /* What it has at the vendor, without any secret: a JSON object of names and texts. "{}" with "embedded".
     */
    vk_str resource;
    uint64_t version; /* grows with each change */
} vk_binding;

/* A text value of the binding's resource, a view of it; VK_STR_NONE: it has none of that name, or the value
 * holds what JSON escapes. */
vk_str vk_binding_value(const vk_binding *b, const char *name);

typedef struct vk_store vk_store;

typedef struct vk_store_ops {
    const char *name; /* "sqlite" */
    void (*close)(vk_store *s);

    /* INLINE. The row and its build's state and expiry. VK_E_NOT_FOUND. `out` strings live as long as `a`. */
    vk_err (*valet_find)(vk_store *s, vk_arena *a, const uint8_t hash[VK_HASH], vk_valet_row *row_r,
                         vk_build *build_r);
    /* INLINE. Without an arena (NULL) the origins are left out: n_origins is 0. */
    vk_err (*build_get)(vk_store *s, vk_arena *a, vk_str id, vk_build *out_r);

    /* Inserts the build, its bindings and its valet rows in one transaction and gives it the next generation:
     * `make_rows(arg, build, rows, &n)` is called inside to derive the rows once the generation is known (at
     * most 16). A service with rows is bound as the one of `bindings` says that names it, or to "embedded".
     * VK_E_CONFLICT: the id exists; *b is then the stored build. With `idem` (may be empty) the pair idem →
     * (digest, id) is stored too; VK_E_UNPROCESSABLE: that key was used with another digest. */
    vk_err (*build_create)(vk_store *s, vk_arena *a, vk_build *b, const vk_binding *bindings,
                           size_t n_bindings, vk_str idem, const uint8_t digest[VK_HASH],
                           vk_err (*make_rows)(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r),
                           void *arg);
    /* Active builds that were made before one of `services` was there get its binding and its rows, in one
     * transaction; a note of `services` makes the next call with the same ones cost next to nothing.
     * `make_rows` as above: those of all services. *n_r: rows that were added. */
    vk_err (*services_join)(vk_store *s, const vk_str *services, size_t n,
                            vk_err (*make_rows)(void *arg, const vk_build *b, vk_valet_row *rows,
                                                size_t *n_r),
                            void *arg, size_t *n_r);
    /* The build that an idempotency key made. VK_E_NOT_FOUND; VK_E_UNPROCESSABLE for another digest. */
    vk_err (*idem_find)(vk_store *s, vk_arena *a, vk_str idem, const uint8_t digest[VK_HASH], vk_str *id_r);
    /* Builds after `after` by id, at most `limit`, into out[]; *n_r of them. */
    vk_err (*build_list)(vk_store *s, vk_arena *a, vk_str after, size_t limit, vk_build *out, size_t *n_r);
    vk_err (*build_origins)(vk_store *s, vk_str id, const vk_str *origins, size_t n);
    /* INLINE. How a build has its services, by their names: at most `room`, *n_r of them. None: there is no
     * such build. Texts live in `a`. */
    vk_err (*binding_list)(vk_store *s, vk_arena *a, vk_str build, vk_binding *out, size_t room, size_t *n_r);
    /* Binds `b->service` of the build to another driver and resource, and gives it the next version, in one
     * transaction; b->version is set. VK_E_NOT_FOUND: there is no such build; VK_E_CONFLICT: it is revoked or
     * being deleted, or with `expect` (not 0) the version that is there is another; VK_E_TOO_LARGE. */
    vk_err (*binding_set)(vk_store *s, vk_str build, uint64_t expect, vk_binding *b);
    /* Builds after `after` by id, at most `limit`, that are active and have `service` from `driver` with this
     * text in the binding's resource; *n_r of them. Reads every binding to that driver. */
    vk_err (*bound_list)(vk_store *s, const char *service, const char *driver, const char *name, vk_str value,
                         vk_str after, size_t limit, char (*ids)[VK_BUILD_ID_MAX + 1], size_t *n_r);
    /* Sliding expiry: touched = now, expires = now + ttl, for an active build only. */
    vk_err (*build_touch)(vk_store *s, vk_str id, int64_t now);
    /* Build and all its valet rows, for good. Revoking twice is VK_OK. */
    vk_err (*build_revoke)(vk_store *s, vk_str id, int64_t now);
    /* DELETING first (also revokes), gone second: removes a build in that state, and the idempotency keys
     * that made it. Any other build stays. */
    vk_err (*build_deleting)(vk_store *s, vk_str id, int64_t now);
    vk_err (*build_gone)(vk_store *s, vk_str id);
    /* Counts for the status page. */
    vk_err (*counts)(vk_store *s, int64_t now, int64_t *builds_r, int64_t *active_r);
    /* Everything, as it is at this moment, into the empty file at `path`, in one the engine opens again; for
     * backups (copy.h). Not synced. Takes as long as reading all: some 10 ms for 10,000 builds. */
    vk_err (*copy_to)(vk_store *s, const char *path);
} vk_store_ops;

struct vk_store {
    const vk_store_ops *ops;
};

/* Opens (and with `write` creates and migrates) <dir>/valetkey.db. VK_E_NEWER: written by a later valetkey;
 * VK_E_CORRUPT; VK_E_FULL. *why_r is a text for people, valid until this thread's next call. */
VK_MUSTCHECK vk_err vk_store_sqlite_open(int dirfd, const char *dir, bool write, vk_store **out_r,
                                         const char **why_r);

/* Process-wide SQLite settings; before any other use of SQLite. */
VK_MUSTCHECK vk_err vk_sqlite_init(void);
/* From now on SQLite gets no memory on this thread (SQLITE_NOMEM) while less than `spare` bytes of its stack
 * are left, so that no SQL can run over the stack's end. For threads that run SQL of others. */
VK_MUSTCHECK vk_err vk_sqlite_watch_stack(size_t spare);
/* Whether that has happened on this thread since the last such question. */
bool vk_sqlite_stack_was_short(void);
/* From here on this thread may take `limit` bytes more for SQLite than it gives back; what goes beyond is
 * SQLITE_NOMEM. So is everything once another thread has set *give_up: where SQLite asks nothing else (it
 * compiles a statement for minutes, when views are made for that), it still asks for memory. */
void vk_sqlite_memory_begin(int64_t limit, const _Atomic bool *give_up);
/* What this thread has taken through SQLite since vk_sqlite_notes_begin and not given back: the first
 * VK_SQLITE_NOTES pieces of it. vk_sqlite_notes_end gives them, until this thread begins again, and takes no
 * more; NULL: none were being taken. */
enum { VK_SQLITE_NOTES = 128 };
typedef struct vk_sqlite_notes {
    uint32_t n, size[VK_SQLITE_NOTES]; /* bytes */
    const char *at[VK_SQLITE_NOTES];
} vk_sqlite_notes;
void vk_sqlite_notes_begin(void);
const vk_sqlite_notes *vk_sqlite_notes_end(void);
/* Until vk_sqlite_memory_end, no single piece of more than `most` bytes. */
void vk_sqlite_memory_piece(int64_t most);
/* Ends that; how many bytes were taken, less those given back. */
int64_t vk_sqlite_memory_end(void);
/* The same so far, from whatever this thread counts since. */
int64_t vk_sqlite_memory_taken(void);
/* The limit of this thread's last vk_sqlite_memory_begin was met. */
bool vk_sqlite_memory_was_short(void);
/* "3.40.1", of the library in use. */
const char *vk_sqlite_version(void);

/* [a-z0-9]([a-z0-9-]{0,30}[a-z0-9])? */
bool vk_build_id_ok(vk_str id);
const char *vk_build_state_name(const vk_build *b, int64_t now);

#endif
