/* Inside the embedded driver only: what its files share. One mutex (vk_db.mu) guards all bookkeeping: queues,
 * streams, idle connections, turns. It is never held during SQL, file work or a call out of the driver. */
#ifndef VK_DB_DB_H
#define VK_DB_DB_H

#include "core/list.h"
#include "services/database/embedded/embedded.h"
#include "services/database/hrana.h"

#include <pthread.h>
#include <sqlite3.h>

enum {
    VK_DB_THREADS_MAX = 64,       /* pool threads; they are started when needed */
    VK_DB_RUNNING = 2,            /* statements of one build under way at once */
    VK_DB_JOBS_MAX = 256,         /* requests of one build that wait or run; then 429 */
    VK_DB_JOBS_BYTES = 128 << 20, /* and their bodies */
    VK_DB_BUILD_HANDLES = 64,     /* connections of one build; then 429 */
    VK_DB_STREAMS_MAX = 32,       /* streams of one build open between requests */
    VK_DB_STREAM_WAIT_MS = 5000,  /* for a free stream, then 429 */
    VK_DB_STREAM_IDLE_MS = 10000, /* then it is rolled back, as sqld does */
    VK_DB_EXPIRED_KEEP_MS = 300000,
    VK_DB_EXPIRED_MAX = 64,       /* of one build */
    VK_DB_TURN_WAIT_MS = 5000,    /* for the write lock, then SQLITE_BUSY */
    VK_DB_STATEMENT_MS = 30000,   /* one request's SQL, then it is interrupted */
    VK_DB_IDLE_MAX = 4,           /* idle connections kept for one build */
    VK_DB_IDLE_MS = 30000,        /* and for how long */
    VK_DB_HANDLES_MAX = 1024,     /* connections in all; less when the process may open fewer files */
    VK_DB_CACHE = 32,             /* prepared statements a connection keeps */
    VK_DB_CACHE_TEXT = 4096,      /* longer SQL is not kept */
    VK_DB_PAGES_MAX = 262144,     /* × 4096 bytes = 1 GiB a build */
    VK_DB_JOURNAL_KEEP = 4 << 20, /* bytes of -wal kept after a checkpoint */
    VK_DB_PROGRESS_OPS = 1000,    /* VM steps between two looks at the clock */
    VK_DB_TOKEN = 16,
};

struct vk_dbt;

/* A statement that a connection keeps prepared. */
typedef struct vk_cached {
    sqlite3_stmt *st;
    uint64_t hash;
    uint32_t n_text, used;
    char *text;
    bool writes;     /* takes the write turn before its first step */
    bool saw_insert; /* a top-level INSERT into an ordinary table */
} vk_cached;

/* A connection. Used by one thread at a time: the worker that runs its stream's request. */
typedef struct vk_dbh {
    sqlite3 *db;
    struct vk_dbt *t;
    struct vk_worker_slot *worker; /* who uses it now; NULL between requests */
    vk_list node;                  /* in t->idle */
    vk_list open_node;             /* in t->open */
    int64_t idle_since;
    int64_t deadline_ns; /* monotonic; of the request under way */
    bool has_turn;       /* owns the build's write turn */
    bool dirty;          /* its state is not a fresh one's: not used again */
    bool opening;        /* our own statements at open */
    bool saw_insert;     /* the authorizer's notes on the statement being prepared */
    bool timed_out;
    const char *denied;
    uint32_t clock; /* of the cache */
    vk_cached cache[VK_DB_CACHE];
} vk_dbh;

typedef struct vk_sql_text {
    int32_t id;
    vk_str text; /* malloc'ed */
} vk_sql_text;

typedef struct vk_stream {
    vk_list node; /* in t->streams while it is kept open */
    uint64_t id;
    uint8_t token[VK_DB_TOKEN]; /* changes with every response */
    bool kept, busy;
    int64_t used_ms;
    vk_dbh *h;
    uint32_t n_texts;
    vk_sql_text *texts; /* room for VK_HRANA_STORED_MAX once there is one */
} vk_stream;

typedef struct vk_expired {
    uint64_t id;
    uint8_t token[VK_DB_TOKEN];
    int64_t at;
} vk_expired;

struct vk_dbwaiter {
    struct vk_dbwaiter *next;
    void (*done)(void *arg);
    void *arg;
};

/* A build's database at run time. Stays while a tenant refers to it or anything of it is open. */
typedef struct vk_dbt {
    vk_map_node node;
    char id[VK_BUILD_ID_MAX + 1];
    uint32_t refs;       /* tenants, and who looks at it for a moment */
    _Atomic bool closed; /* revoked: no new work. Set under mu, looked at anywhere */
    _Atomic bool made;   /* its folder and file exist */
    bool in_ready;
    uint32_t running, handles;
    vk_list ready;         /* in vk_db.ready */
    vk_list queue, urgent; /* jobs; urgent ones hold or were granted the turn, and may run beside
                            * VK_DB_RUNNING others: those could be waiting for what they do */
    uint32_t n_jobs;       /* queued, set aside or running */
    size_t n_bytes;        /* of their bodies */
    vk_list waiting_turn, waiting_stream; /* jobs set aside */
    bool turn_taken;
    vk_list idle; /* connections */
    uint32_t n_idle;
    vk_list streams;
    uint32_t n_streams;
    uint64_t last_stream;
    vk_expired expired[VK_DB_EXPIRED_MAX];
    uint32_t n_expired;
    vk_list open;                /* every connection, for interrupting */
    struct vk_dbwaiter *waiters; /* who wants to know when it is closed */
    bool detached;               /* closed and out of the map; freed with the last reference */
} vk_dbt;

/* One pipeline request on its way. Lives in the exchange's arena. */
typedef struct vk_dbjob {
    vk_list node;
    vk_exchange *ex;
    vk_dbt *t;
    vk_pipeline p;
    vk_stream *stream; /* `local` until it is kept */
    vk_stream local;
    bool parsed, attached, has_turn, turn_timeout, stream_timeout;
    bool touched; /* a statement has run: the connection has something to remember */
    int64_t set_aside_ms;
    int64_t left_ns; /* of VK_DB_STATEMENT_MS, while it is set aside */
    /* where execution stands */
    uint32_t request, step;
    vk_str sequence;    /* the text of a sequence, with a NUL behind it */
    size_t sequence_at; /* bytes of it that are done */
    size_t mark;        /* of ex->out, where the current request's result begins */
    size_t step_mark;
    uint8_t *step_state;
    struct vk_sqlerr *step_errors;
    int status;
    const char *content_type;
} vk_dbjob;

/* An error of a statement: in the answer, not of it. */
typedef struct vk_sqlerr {
    const char *code; /* NULL: none */
    vk_str message;
} vk_sqlerr;

struct vk_worker_slot {
    _Atomic bool slot; /* counts among the running threads. Changed under mu */
    uint32_t since;    /* vk_db.beat when it got the slot */
};

struct vk_db {
    vk_runtime *rt;
    int index;
    pthread_mutex_t mu;
    pthread_cond_t work, tick;
    vk_map tenants;
    vk_list ready;
    uint32_t active, slots, idle, threads;
    uint32_t handles, handles_max;
    uint32_t beat; /* of the housekeeper */
    bool dozing;   /* the housekeeper sleeps for long */
    bool tidy_now; /* a build was closed: it does not wait for its next round */
    bool stopping;
    pthread_t thread[VK_DB_THREADS_MAX], keeper;
    struct vk_worker_slot worker[VK_DB_THREADS_MAX];
};
extern struct vk_db vk_db;

/* ---- sched.c */
/* The worker's thread is about to wait or to take long: another one may run in its place. */
void vk_db_give_slot(struct vk_worker_slot *w);
/* Under mu. A statement can be inside one call for minutes, where nothing of ours is asked (trim, instr,
 * compiling): who has held a slot for a whole beat while others wait for one loses it, and goes on without.
 */
void vk_db_take_slots_back(void);
/* Under mu. A build waits for a thread and all slots are taken. */
bool vk_db_pressed(void);
/* Under mu. Gives what is ready to a thread, if one may run. */
void vk_db_wake(void);
/* The write turn of the job's build, for its stream. False: the job must be set aside (vk_run answers
 * VK_AGAIN). */
bool vk_db_take_turn(vk_dbjob *j, vk_dbh *h);
/* Gives the turn back when the connection no longer holds the write lock. */
void vk_db_settle_turn(vk_dbh *h);
/* Under mu. A build with something to run gets into the ready list, a thread is woken. */
void vk_db_schedule(vk_dbt *t);
/* Under mu, which is let go meanwhile (hold a reference): when nothing of a closed build runs or is open,
 * takes it out of the map and tells those who wait for that. */
void vk_db_closed_if_done(vk_dbt *t);
/* Under mu. */
void vk_db_unref(vk_dbt *t);
/* Not under mu. The stream is out of its list, or marked busy, and nobody else has it. */
void vk_db_end_stream(vk_dbt *t, vk_stream *s);
/* Not under mu. The connection is in no list but t->open. */
void vk_db_close_handle(vk_dbh *h);
/* SQLite's recursion: what allocates as it goes down is ended when VK_DB_STACK_SPARE is left; what does not
 * (LIKE, expressions) is bounded by the limits of handle.c to far less than that. */
enum { VK_DB_WORKER_STACK = 2 << 20, VK_DB_STACK_SPARE = 768 << 10 };

/* ---- handle.c */
/* A connection with the policy in force; VK_E_FULL, VK_E_IO, VK_E_BUSY (too many open). *why_r is a static
 * text. Not under mu. */
VK_MUSTCHECK vk_err vk_dbh_open(vk_dbt *t, vk_dbh **out_r, const char **why_r);
void vk_dbh_close(vk_dbh *h);
/* Back to what a fresh connection is; false when only closing helps. */
bool vk_dbh_reset(vk_dbh *h);
/* The first statement of `sql`. VK_E_INVALID: *err_r. The entry is valid until the next call; end its use
 * with vk_dbh_done. */
VK_MUSTCHECK vk_err vk_dbh_prepare(vk_dbh *h, vk_arena *a, vk_str sql, vk_cached **out_r, vk_sqlerr *err_r);
void vk_dbh_done(vk_dbh *h, vk_cached *c);
/* Prepares without the cache. `ended`: a NUL stands behind `sql`, which spares SQLite a copy of all of it for
 * each of its statements. *tail_r is where the next statement begins. *st_r NULL: nothing but blanks was
 * left. */
VK_MUSTCHECK vk_err vk_dbh_prepare_raw(vk_dbh *h, vk_arena *a, vk_str sql, bool ended, unsigned flags,
                                       sqlite3_stmt **st_r, vk_str *tail_r, vk_sqlerr *err_r);
bool vk_dbh_writes(sqlite3_stmt *st);
/* No further statement of this request may begin: its time is up or its build was revoked; *err_r says so.
 * Short statements never come to where SQLite asks. */
bool vk_dbh_over(vk_dbh *h, vk_sqlerr *err_r);
/* What SQLite says of `rc`, in Hrana's codes. */
vk_sqlerr vk_dbh_error(vk_dbh *h, vk_arena *a, int rc);

/* ---- export.c */
VK_MUSTCHECK vk_err vk_db_export_start(void);
void vk_db_export_stop(void);

/* ---- functions.c */
/* Versions of instr, replace and trim that take time in proportion to the text. An SQLite result code. */
int vk_db_functions(sqlite3 *db);

/* ---- policy.c */
int vk_db_authorize(void *h, int action, const char *a1, const char *a2, const char *db, const char *trigger);

/* ---- result.c */
void vk_put_value(vk_buf *out, sqlite3_stmt *st, int col);
void vk_put_cols(vk_buf *out, sqlite3_stmt *st);
void vk_put_error(vk_buf *out, const vk_sqlerr *e);

/* ---- run.c */
/* Runs or goes on with the job's requests. VK_OK: the answer is in ex->out. VK_AGAIN: it needs the turn.
 * VK_E_INVALID: a protocol error; *why_r is its text. */
VK_MUSTCHECK vk_err vk_db_run(vk_dbjob *j, vk_str *why_r);

/* ---- stream.c; all under mu */
enum { VK_BATON_MAX = 16 + 2 * VK_DB_TOKEN + 1 };
vk_stream *vk_stream_by_baton(vk_dbt *t, vk_str baton, bool *expired_r);
void vk_stream_baton(const vk_stream *s, char out[VK_BATON_MAX]);
void vk_stream_remember_expired(vk_dbt *t, const vk_stream *s, int64_t now);
void vk_stream_free_texts(vk_stream *s);

#endif
