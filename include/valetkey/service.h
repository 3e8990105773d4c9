/* The contract of a service: what valetkey needs to know to hand out its valet keys and to serve them. One
 * const struct a service, registered by VK_SERVICE_REGISTER; nothing else names it. A member that may be NULL
 * says so.
 *
 * Later issues add to this contract (own keys, brokered drivers, graduate); every addition says what NULL
 * means, so that a service written today goes on compiling. */
#ifndef VALETKEY_SERVICE_H
#define VALETKEY_SERVICE_H

#include "core/arena.h"
#include "http/server.h"
#include "net/lane.h"
#include "store/store.h"
#include "valet/registry.h"
#include "valet/valet.h"

enum {
    VK_NAMES_MAX = 32,
    VK_LOOPS_MAX = 64,
    VK_URL_MAX = 300,
    VK_PORT_OFFSET_MAX = 9,       /* ports of services follow the console's */
    VK_CONSOLE = VK_SERVICES_MAX, /* the console's place where listeners are counted by service index */
};

struct vk_service;
struct vk_worker;

/* Where a listener is. */
typedef struct vk_listen_at {
    char host[46]; /* an IPv4 or IPv6 address, without brackets; empty: there is no such listener */
    int port;
    bool tls;
} vk_listen_at;

/* What the front process has and a service may use. Constant after start, except what says otherwise. */
typedef struct vk_runtime {
    int data_fd; /* the data folder */
    char data_dir[PATH_MAX];
    char share_dir[PATH_MAX]; /* of the files that come with the program; may not be there */
    vk_master *master;
    vk_registry registry; /* thread-safe */
    vk_lane *meta;        /* the lane that owns `store` */
    vk_store *store;      /* only on the lane */
    vk_lane *files;       /* for work on files that may take long and needs no metadata: removing folders */
    vk_loop *loops[VK_LOOPS_MAX];
    size_t n_loops;
    int64_t default_ttl_ms;
    /* What the organisation has chosen for new builds (--driver); a service that is not among them is
     * embedded. */
    vk_binding drivers[VK_SERVICES_MAX];
    size_t n_drivers;
    vk_limits limits;
    /* Settings of the auth service: 424242 is right for every address while only this machine can come to it;
     * an address that is not known is not told apart from one that is. */
    bool auth_fixed_code, auth_enumeration_protection;
    /* SHA-256 of the tokens for the admin API and for /metrics; they themselves stay in their files */
    uint8_t admin_hash[VK_SHA256], metrics_hash[VK_SHA256];
    uint8_t page_key[32]; /* random, of this process: seals what is given out and taken back (batons) */
    /* The other roles, for health questions; replaced on loops[0] when a role is restarted, NULL while it is
     * down. */
    struct vk_client *keeper, *courier;
    int port_base;
    vk_listen_at listen[VK_SERVICES_MAX + 1]; /* by service index, and the console's */
    vk_tls_host *tls;                         /* NULL: no listener speaks TLS. Thread-safe */
    char ca_file[PATH_MAX]; /* what clients must trust besides the usual authorities; empty: nothing */
    /* the addresses that environment variables carry, by service index */
    char url_sandbox[VK_SERVICES_MAX][VK_URL_MAX], url_browser[VK_SERVICES_MAX][VK_URL_MAX];
    const char *fences, *unfenced; /* what is around the roles, and what is not, with reasons; for people */
    int statm_fd;                  /* /proc/self/statm; -1: none */
    /* Connections to all listeners, now. Any thread; NULL: nobody counts them. */
    size_t (*clients)(void);
    int64_t started_ms;
    /* Set before services stop for a restart: a new process opens the same data at once. What only tidies up
     * is left out then. */
    _Atomic bool yielding;
    /* what each loop's listeners have done, by service; the one behind the last service is the admin's */
    const vk_traffic *traffic[VK_LOOPS_MAX][VK_SERVICES_MAX + 1];
    struct vk_worker *workers[VK_LOOPS_MAX][VK_SERVICES_MAX + 1];
} vk_runtime;

/* A token that was looked up lately and its lookup hash, so that a client's next request costs no HMAC. The
 * registry is asked all the same, so a revocation counts at once. With an id that is signed for, the secret
 * too. */
typedef struct vk_memo {
    uint64_t slot;
    uint32_t n;
    char kind; /* of the token */
    char token[VK_VALET_MAX];
    uint8_t hash[VK_HASH];
    char secret_kind; /* 0: no secret is remembered */
    uint64_t generation;
    char secret[VK_VALET_MAX];
} vk_memo;
enum { VK_MEMOS = 256 };

/* One loop's view: what a handler reaches through ex->server->ctx. */
typedef struct vk_worker {
    vk_runtime *rt;
    const struct vk_service *service; /* NULL: the admin listener */
    int index;                        /* of the service; -1 for admin */
    vk_loop *loop;
    vk_store *reader;                                        /* this thread's read-only metadata */
    vk_hmac_key *lookup;                                     /* this thread's lookup key */
    _Atomic uint64_t keys_taken, keys_refused, keys_limited; /* written by this loop, read by anybody */
    vk_memo *memos; /* VK_MEMOS of them from the first use on; wiped and freed with the worker */
} vk_worker;

/* Name and value of one environment variable. `secret` ones are never written under a public prefix. */
typedef struct vk_env_var {
    const char *name; /* canonical; NULL ends */
    vk_str value;
    bool secret;
} vk_env_var;

/* A kind of valet key that the service issues (valet/valet.h); .kind = 0 ends. */
typedef vk_valet_form vk_valet_kind;

/* A finished export in a file of its own, already unlinked. */
typedef struct vk_export {
    int fd;
    int64_t size;
    const char *content_type, *file_name;
} vk_export;

/* What can be asked about the snapshots of a build's data: copies that a service keeps beside it. */
typedef enum vk_snap_op {
    VK_SNAP_LIST,
    VK_SNAP_TAKE,
    VK_SNAP_RESTORE, /* the data becomes the snapshot's; what it was before becomes a snapshot itself */
    VK_SNAP_DIFF,    /* what has changed since the snapshot, or until the snapshot `other` */
    VK_SNAP_DELETE,
} vk_snap_op;

enum { VK_SNAP_NAME_MAX = 64, VK_SNAP_WHY_MAX = 400, VK_SNAP_ROWS_MAX = 100 };

/* The asker's memory until `done`. */
typedef struct vk_snap_ask {
    vk_job job; /* the service's, as is `task` */
    void *task;
    vk_snap_op op;
    char build[VK_BUILD_ID_MAX + 1];
    vk_str snapshot; /* RESTORE, DIFF, DELETE: an id or the name of one; of a request, so of any bytes */
    vk_str other;    /* DIFF: likewise; empty: the data as it is now */
    vk_str name;    /* TAKE: what people call it, or why it was taken; checked by the service; may be empty */
    bool automatic; /* TAKE: may be replaced by a later one when there are too many */
    int64_t rows;   /* DIFF: rows shown as examples, a table and kind of change */
    vk_buf *out;    /* a JSON object is appended on VK_OK */
    char why[VK_SNAP_WHY_MAX]; /* a sentence for people otherwise */
    void (*done)(struct vk_snap_ask *ask, vk_err e);
} vk_snap_ask;

typedef struct vk_lasting {
    size_t requests; /* that wait or run */
    size_t open;     /* things that last from one request to the next: transactions */
} vk_lasting;

/* How a backup takes a file that a service has in builds/<id>/. */
typedef enum vk_data_how {
    /* written at any time: what export_data gives is its copy. A SQLite database: when no daemon runs, the
     * backup copies it as one */
    VK_DATA_EXPORT,
    VK_DATA_FIXED,    /* complete when it gets its name, and never changed; it may go */
    VK_DATA_APPENDED, /* grows at its end, or gives its name to a new one */
    VK_DATA_BESIDE,   /* part of another file that is open: not taken */
    VK_DATA_NAMED,    /* as FIXED, and taken when the copy of the service's EXPORT file names it */
} vk_data_how;

typedef struct vk_data_file {
    const char *name; /* may lie in folders; a '*' at the end of a part stands for anything; NULL ends */
    vk_data_how how;
    int64_t most; /* bytes */
} vk_data_file;

/* What the operator asks of a build's data, through the admin API: everything below
 * /api/v1/builds/<id>/services/<service>/ that is no call of the admin API itself. As vk_handler, after the
 * token was checked; `principal` and `done` of the exchange are the service's, `ctx` is the admin API's.
 * Errors go out by vk_service_refuse, and answers carry the admin API's headers already. */
typedef struct vk_operator {
    /* `rest` is the path behind the service's name, not decoded and not empty; `build` a valid id of perhaps
     * no build (vk_service_build tells). Both live as long as the exchange. */
    vk_err (*head)(vk_exchange *ex, const char *build, vk_str rest);
    void (*request)(vk_exchange *ex);
} vk_operator;

/* Another way to provide the service than from our own files: by a vendor, with the organisation's key, which
 * keeper puts on each request (services/forward.h). A build is bound to one driver a service; "embedded" is
 * none of these. */
typedef struct vk_driver {
    const char *name; /* as keeper's vendor (keeper/vendors.h): "stripe" */
    /* What keeps builds apart there, for people, by the binding: "a database of its own", "shared user pool".
     * Begins with "shared" where that is nothing of the vendor's; such builds are labelled. */
    const char *(*isolation)(const vk_binding *b);
    /* NULL: it can be bound so. Otherwise a static sentence that says what is missing. A build that came
     * without values is bound all the same where keeper makes what is missing at the vendor
     * (keeper/provision.h); until it has, requests are refused in a way that clients try again. */
    const char *(*refused)(const vk_binding *b);
    /* As vk_service.env. `org(arg, field)`: a value of the organisation's that is no secret; VK_STR_NONE: it
     * has none. */
    vk_err (*env)(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_binding *binding,
                  const vk_secret *keys, vk_str (*org)(void *arg, const char *field), void *arg,
                  vk_env_var *out, size_t room, size_t *n_r);
    /* As `env`, of a build with delivery=direct, which gets the vendor's own credential, narrow and short of
     * life, in place of a valet key. `given(arg, name)`: what keeper delivers (vk_provisioner.direct);
     * VK_SECRET_NONE: nothing of that name. NULL: there is only the way through valetkey. */
    vk_err (*direct)(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                     const vk_binding *binding, const vk_secret *keys,
                     vk_secret (*given)(void *arg, const char *name), void *arg, vk_env_var *out, size_t room,
                     size_t *n_r);
    /* There is no way through valetkey: every binding is delivery=direct, requests to the service's port are
     * refused, and `env` may be NULL. */
    bool only_direct;
} vk_driver;

/* Whether a binding's resource says delivery=direct. */
bool vk_binding_direct(const vk_binding *b);

typedef struct vk_service {
    const char *name;   /* "database"; folder, admin path and metadata use it. [a-z][a-z0-9_]*,
                         * at most VK_SERVICE_MAX */
    const char *vendor; /* "Turso", for people */
    const char *driver; /* of new bindings: "embedded" */
    int port_offset;    /* from --port-base: 1 … VK_PORT_OFFSET_MAX, its own */
    const char
        *schemes;     /* of its addresses besides "http" and "https", with a blank after each; NULL: none */
    bool host_labels; /* clients may put one label in front of its host name ("bucket.localhost") */
    const vk_valet_kind *kinds;

    /* Once in front, before its fence closes and before it has data (in a restart the old program still
     * serves): opens what it needs of rt->share_dir, which is out of reach later. Must make no thread. What
     * is missing there is said in the log and done without; an error ends the start. NULL: it needs nothing
     * of it. */
    vk_err (*prepare)(const vk_runtime *rt);
    /* Once in front, before the listeners open. */
    vk_err (*start)(vk_runtime *rt, int index);
    /* The daemon stops, and its patience with the requests that are under way is nearly up: they are to end
     * now, with an error. NULL: they are left to themselves. */
    void (*hurry)(void);
    /* Adds what its clients would lose if the process ended now. A restart waits a while for that. Any
     * thread. NULL: there never is any. */
    void (*lasting)(vk_lasting *sum);
    /* What has come of an HTTP request so far shows that it goes on with something open: when nothing else is
     * let in, it is. Any thread. NULL: none does. */
    bool (*goes_on)(const char *in, size_t n);
    /* Stops threads; no exchange is under way any more. */
    void (*stop)(void);

    /* Traffic: head() must verify the credential (vk_service_verify; vk_service_signer and vk_service_signed;
     * vk_service_open for what everybody may see) or answer. */
    const vk_handler *handler;

    /* Appends this build's variables to out[], at most `room`; *n_r of them. `keys` are the derived valet
     * keys in the order of `kinds`, those that are never sent too. Strings live in `a`. */
    vk_err (*env)(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r);

    /* The build is revoked and no tenant of it passes verification any more: end what is open of it.
     * `done(arg)` once, from any thread or from within the call, when nothing of it runs or holds a file.
     * Called for every revocation and before a deletion, whether or not the build is in use. */
    void (*close_build)(const char *build, void (*done)(void *arg), void *arg);
    /* Frees t->service[index]; nothing of it runs. */
    void (*free_tenant)(vk_tenant *t);

    /* The build's data in the service's open format, while it is written to: of one moment, or, where it is
     * many things (objects), each of them of one. `done` from any thread; on VK_OK the fd is the receiver's.
     * *why is a static text. May be NULL: nothing to export. */
    void (*export_data)(const char *build,
                        void (*done)(void *arg, vk_err e, const vk_export *x, const char *why), void *arg);

    /* Every file that it has in builds/<id>/: a backup takes these, and a restore no others. NULL: none. */
    const vk_data_file *files;

    /* For services with files of VK_DATA_NAMED: shows what a copy of the EXPORT file names, by its path in
     * builds/<id>/, in the order of vk_backup_order, until `one` says false. Pure but for the file; in the
     * process that makes the backup. Its operator's calls then have GET copy, the file's copy, and leases,
     * which keep what is named in its place meanwhile: POST leases gives {"lease":…}, which POST leases/<it>
     * renews (to be done every few minutes) and DELETE leases/<it> ends. NULL: it has no such files. */
    vk_err (*named_files)(const char *copy, bool (*one)(void *arg, const char *name, int64_t size),
                          void *arg);

    /* NULL: nothing beyond what the admin API has for all services. */
    const vk_operator *operator_calls;

    /* Snapshots of the build's data. On the metadata lane, for a build that is not being deleted: from here
     * until `done` (any thread, perhaps inside the call) a deletion waits for it. A build's keys stay as they
     * are; while a restore takes place its requests wait, or are refused in a way that clients try again.
     * NULL: the service keeps none. */
    void (*snapshots)(vk_snap_ask *ask);

    /* Appends the service's own metrics (core/metrics.h), all named "valetkey_<service>_…". Any thread, must
     * not wait. NULL: it has none. */
    void (*metrics)(vk_buf *out);

    /* What was done to the schema of the build's data, as a JSON object into `out`. Reads a file; any thread.
     * NULL: the service has no such record. */
    vk_err (*schema_log)(const char *build, vk_buf *out);

    /* Its other drivers, NULL at the end. NULL: it is embedded only. */
    const vk_driver *const *drivers;
} vk_service;

/* Puts a pointer to the struct into a linker section; vk_services walks it. (No function may have that
 * section's name: a file that registers could not call it.) */
#define VK_SERVICE_REGISTER(s)                                                                               \
    static const vk_service *const vk_reg_##s                                                                \
        __attribute__((used, section("vk_registered"), aligned(sizeof(void *)))) = &(s)

/* Registered services ordered by port_offset; index = position. */
size_t vk_services(const vk_service *out[VK_SERVICES_MAX]);
/* Whether these services can be in one program. VK_E_CONFLICT, with a sentence in `why` (of `room` bytes):
 * there are more than VK_SERVICES_MAX; a name that is none or is another's (or the console's); a port offset
 * that is out of range or another's; a member that must not be NULL is; two kinds of keys look the same, so
 * that a key could be taken for another service's. Pure; `serve` asks it before anything is opened. */
VK_MUSTCHECK vk_err vk_services_check(const vk_service *const *s, size_t n, char *why, size_t room);
/* The same, of those that are registered. */
VK_MUSTCHECK vk_err vk_services_registered(char *why, size_t room);
/* -1 when there is none of that name. */
int vk_service_index(vk_str name);

/* Recognises `token` as a key of this worker's service and kind, counts the use (sliding expiry), and gives a
 * reference that lasts until the exchange ends (ex->principal). Errors as vk_registry_verify, told to
 * vk_fail; VK_E_BUSY too when the client's address has shown too many keys that open nothing. Retry-After is
 * set then. */
VK_MUSTCHECK vk_err vk_service_verify(vk_exchange *ex, vk_secret token, char kind);

/* A key that is in use for longer than one exchange: a WebSocket's. */
typedef struct vk_held_key {
    uint8_t hash[VK_HASH]; /* its lookup hash */
    char kind;
    vk_tenant *tenant; /* a reference */
} vk_held_key;
/* As vk_service_verify, without an exchange; on the worker's loop, as the other two. Owner of the reference:
 * the caller, until vk_service_let_go. *why_r is a static text. VK_E_BUSY: it is used too often, for another
 * *wait_ms_r milliseconds. */
VK_MUSTCHECK vk_err vk_service_hold(vk_worker *w, vk_secret token, char kind, vk_held_key *out_r,
                                    int64_t *wait_ms_r, const char **why_r);
/* Whether the key is still good, for the same tenant. `used`: by somebody, so it counts for the sliding
 * expiry and for the rates; VK_E_BUSY: it is good, but used too often. */
VK_MUSTCHECK vk_err vk_service_recheck(vk_worker *w, const vk_held_key *k, bool used, const char **why_r);
void vk_service_let_go(vk_worker *w, vk_held_key *k);

/* A key that is never sent: the client shows its id, and signs with its secret. */
typedef struct vk_signing_key {
    vk_err state;          /* VK_OK; VK_E_UNAUTHORIZED: no such id, or it was revoked; VK_E_EXPIRED;
                            * VK_E_FORBIDDEN: another service's or kind's; VK_E_UNAVAILABLE; VK_E_NOMEM */
    const char *why;       /* when it is not VK_OK: a sentence for people, static */
    vk_tenant *tenant;     /* with VK_OK, otherwise NULL; held until the exchange ends */
    uint64_t generation;   /* changes with the secret */
    uint8_t hash[VK_HASH]; /* the id's lookup hash, and its kind: for vk_service_signed */
    char id_kind;
    size_t n;
    char secret[VK_VALET_MAX]; /* with VK_OK, n bytes and a NUL, in the vendor's form; whoever looked wipes it
                                */
} vk_signing_key;

/* Looks up what a request with that id must be signed with. On the worker's loop, as all of these. Counts no
 * use and no refusal: one of the next two must follow, or an answer that lets nobody in. The id may be any
 * bytes. Costs no HMAC when this worker has lately seen the id, two otherwise. */
void vk_service_signer(vk_exchange *ex, vk_str id, char id_kind, char secret_kind, vk_signing_key *out_r);
/* The signature was right. Asks the registry again, since a body may have been read meanwhile; counts the
 * use, and sets ex->principal and ex->about, as vk_service_verify does. `k` must be VK_OK; its secret may be
 * wiped by now. Errors as vk_service_verify. */
VK_MUSTCHECK vk_err vk_service_signed(vk_exchange *ex, const vk_signing_key *k);
/* The signature was wrong, or nobody may sign with that id: vk_fail is told `e` and `why`, and it counts as a
 * refused key. Returns `e`, or VK_E_BUSY when the client's address has shown too many such (retry_s is set
 * then); so `e` must not be VK_OK. VK_E_UNAUTHORIZED, VK_E_EXPIRED and VK_E_FORBIDDEN count against the
 * address. */
VK_MUSTCHECK vk_err vk_service_missigned(vk_exchange *ex, vk_err e, const char *why);
/* Without a key: the build of that id, for what it shows to everybody. Sets ex->principal and ex->about;
 * counts against build_rate, but is no use that moves the expiry. VK_E_NOT_FOUND: there is none, or it is
 * revoked or expired; VK_E_BUSY (retry_s is set), VK_E_UNAVAILABLE, VK_E_NOMEM; told to vk_fail. A build that
 * is in memory costs no look at the metadata; the service's own access rules are the caller's. */
VK_MUSTCHECK vk_err vk_service_open(vk_exchange *ex, vk_str build);

/* Of an exchange whose principal is set: how its build has this service. NULL: embedded. The binding is the
 * tenant's. A build whose driver the service does not have is refused before (VK_E_UNAVAILABLE). */
const vk_driver *vk_service_driver(const vk_exchange *ex, const vk_binding **binding_r);
/* The same of a key that is held (vk_held_key.tenant). `binding_r` may be NULL; what it gets is good for as
 * long as the tenant is held, and may be followed by another one meanwhile. */
const vk_driver *vk_service_driver_of(const vk_worker *w, const vk_tenant *t, const vk_binding **binding_r);
/* The lookup hash of the key that was verified last in this exchange; NULL: none was. */
const uint8_t *vk_service_hash_of(const vk_exchange *ex);

/* For operator's calls, on the loop: the build as the metadata has it now. What the service holds of the
 * build it must hold before it asks: then a deletion that begins later waits for that, and one that has begun
 * is seen here. VK_E_NOT_FOUND, VK_E_CONFLICT (it is being deleted), VK_E_UNAVAILABLE; answered. */
VK_MUSTCHECK vk_err vk_service_build(vk_exchange *ex, const char *build, vk_build *out_r);
/* Whether the build has the service embedded, by the metadata as it is now. VK_E_CONFLICT: a vendor has its
 * data, which *why_r says (in `a`, without a full stop): nothing in our files may be shown or changed as if
 * it were the build's. What cannot be found out is no either: VK_E_UNAVAILABLE, VK_E_NOMEM. On a thread of
 * the store's. */
VK_MUSTCHECK vk_err vk_service_here(vk_store *store, vk_arena *a, const char *service, vk_str build,
                                    const char **why_r);
/* The same for operator's calls, on the loop; answered unless VK_OK. */
VK_MUSTCHECK vk_err vk_service_embedded(vk_exchange *ex, const char *service, const char *build);
/* Answers in the shape of the exchange's listener; for people, whole sentences. Returns `e`. */
vk_err vk_service_refuse(vk_exchange *ex, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

/* Wipes what vk_service_verify and vk_service_signer remember in this worker. */
void vk_service_forget(vk_worker *w);

#endif
