/* Inside the embedded driver only: what its files share. One mutex (vk_db.mu) guards all bookkeeping: queues,
 * streams, idle connections, turns. It is never held during SQL, file work or a call out of the driver. */
#ifndef VK_DB_DB_H
#define VK_DB_DB_H

#include "core/buf.h"
#include "core/list.h"
#include "services/database/embedded/embedded.h"
#include "services/database/hrana.h"

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>

enum {
    VK_DB_THREADS_MAX = 160,      /* pool threads; they are started when needed */
    VK_DB_RUNNING = 2,            /* statements of one build under way at once */
    VK_DB_JOBS_MAX = 256,         /* requests of one build that wait or run; then 429 */
    VK_DB_JOBS_BYTES = 128 << 20, /* and their bodies */
    VK_DB_RECEIVED_MAX =
        192 << 20, /* bytes of a build's requests that are coming in or are taken apart; then 429 */
    VK_DB_RECEIVED_ALL = 1 << 30,    /* of all builds */
    VK_DB_RECEIVED_LARGE = 64 << 10, /* what is smaller is not counted */
    VK_DB_BUILD_HANDLES = 64,        /* connections of one build; then 429 */
    VK_DB_STREAMS_MAX = 32,          /* streams of one build that have something open, or a request */
    VK_DB_LIGHT_MAX = 1024,          /* and those that are nothing but a baton; the oldest goes… */
    VK_DB_LIGHT_BYTES = 1 << 20,     /* …also when they take more memory than that */
    VK_DB_STREAM_WAIT_MS = 5000,     /* for a free stream, then 429 */
    VK_DB_CURSOR_WAIT_MS = 300,      /* for a stream whose cursor is not read any more */
    VK_DB_STREAM_IDLE_MS = 10000,    /* then it is rolled back, as sqld does */
    VK_DB_EXPIRED_KEEP_MS = 300000,
    VK_DB_EXPIRED_MAX = 256,  /* of one build */
    VK_DB_TURN_MAX_MS = 5000, /* a transaction may hold the turn while others wait; then it is rolled back */
    VK_DB_TURN_WAIT_MS =
        30000, /* for the turn (those in front of it may each use theirs up), then SQLITE_BUSY */
    VK_DB_LOCK_TRIES = 5000,    /* looks at a lock of the file that is no writer's, about 1 ms apart */
    VK_DB_STATEMENT_MS = 30000, /* one request's SQL, then it is interrupted */
    VK_DB_IDLE_MAX = 4,         /* idle connections kept for one build */
    VK_DB_IDLE_MS = 30000,      /* and for how long */
    VK_DB_HANDLES_MAX = 16384,  /* connections in all; less when the process may open fewer files… */
    VK_DB_HANDLES_LEAST = 64,   /* …or has little memory */
    VK_DB_HANDLE_BYTES =
        112 << 10, /* of memory that an idle one takes, with its build; measured (bench/run growth) */
    VK_DB_HANDLE_SHARE = 4,  /* a quarter of the memory for idle ones */
    VK_DB_HANDLES_SPARE = 4, /* a quarter of them: only for requests that end, and the first few of a build */
    VK_DB_VALUE_MAX = 16 << 20,   /* bytes of one value */
    VK_DB_CACHE = 32,             /* prepared statements a connection keeps */
    VK_DB_CACHE_TEXT = 4096,      /* longer SQL is not kept */
    VK_DB_CACHE_COLS = 512,       /* nor a longer list of columns, as it stands in answers */
    VK_DB_PAGES_MAX = 262144,     /* × 4096 bytes = 1 GiB a build */
    VK_DB_JOURNAL_KEEP = 4 << 20, /* bytes of -wal kept after a checkpoint */
    VK_DB_WAL_STEP = 64 << 10,    /* by which it grows, up to there */
    VK_DB_WAL_PAGES = 65536, /* in a -wal (256 MiB): then transactions that only read are ended, since none of
                              * it can be used again before */
    VK_DB_HEAP_CONNECTION =
        64 << 20, /* bytes of SQLite's memory: temporary tables, sorting, values, page cache */
    VK_DB_HEAP_BUILD = 192 << 20,
    VK_DB_HEAP_ALL = 1 << 30,
    VK_DB_HEAP_LEAST = 4 << 20, /* what any stream gets in all, so that short ones go on beside greedy ones */
    VK_DB_HEAP_IDLE = 512 << 20, /* when all have so much, connections that nobody uses keep none of it… */
    VK_DB_HEAP_IDLE_ONE = 2 * VK_DB_HANDLE_BYTES, /* …or are closed, when they cannot give it back */
    VK_DB_ANSWERS_MAX =
        32 << 20, /* bytes of a build's large answers that clients have not taken yet; then 429 */
    VK_DB_ANSWERS_ALL = 512 << 20, /* of all builds; then 429 for those that have any */
    VK_DB_ANSWER_LARGE = 64 << 10,
    VK_DB_QUICK_MAX = 64,      /* threads that run what is not known to be long */
    VK_DB_LONG_SHARE = 32,     /* long statements at once, before builds that had one lately have to wait */
    VK_DB_SLOW_MS = 10000,     /* "lately" */
    VK_DB_QUICK_MS = 20,       /* what runs longer makes way for everybody else */
    VK_DB_KEYS_OFF_MS = 60000, /* a build's PRAGMA foreign_keys=OFF outlives its request for so long, for DROP
                                  TABLE (keys.c) */
    VK_DB_PROGRESS_OPS = 1000, /* VM steps between two looks at the clock */
    VK_DB_TOKEN = 16,
    VK_DB_PARSE_QUEUE = 64, /* large messages that wait to be parsed; others are parsed on their loop */
};

#define VK_DB_VFS "valetkey" /* walfile.c */
/* Bytes of a -wal, for a transaction that writes all pages there may be while another one reads; more is
 * SQLITE_FULL. */
#define VK_DB_WAL_MAX ((sqlite3_int64)2 << 30)

struct vk_dbt;
struct vk_alter;

/* Lines of memory (hot.c), as distances from this one. */
enum { VK_HOT_LINE = 64, VK_HOT_LINES = 96, VK_HOT_OPEN = 20 };
typedef struct vk_hot {
    uint32_t n;
    int32_t line[VK_HOT_LINES];
} vk_hot;

/* What inline.c knows of a statement that a connection keeps. */
typedef struct vk_inline_past {
    uint32_t quick; /* runs in the pool that were short, one after the other */
    uint32_t
        wanted; /* so many of them, before it runs on a loop; more with each time that it did not end there */
    uint32_t good;   /* runs on a loop that were short */
    uint8_t verdict; /* on its program; 0: none yet */
    int prepared;    /* how often SQLite had prepared it anew by then */
    uint64_t schema; /* t->schema_seq before its last run */
} vk_inline_past;

/* A statement that a connection keeps prepared. */
typedef struct vk_cached {
    sqlite3_stmt *st;
    uint64_t hash;
    uint32_t n_text, used;
    char *text;
    vk_hot *hot; /* of what may run on a loop */
    char *cols;  /* what vk_put_cols gives, once it is known */
    uint32_t n_cols;
    int cols_prepared;            /* how often SQLite had prepared it anew by then */
    bool writes;                  /* takes the write turn before its first step */
    bool saw_insert;              /* a top-level INSERT into an ordinary table */
    bool dml;                     /* changes() is another one after it */
    vk_inline_past past;          /* whether it may run on a loop */
    bool drops;                   /* a table */
    bool ddl;                     /* creates, drops or alters something: recorded (ddl.h) */
    const struct vk_alter *alter; /* to be applied before its first step (alter.h); such a one is not kept */
} vk_cached;

/* A connection. Used by one thread at a time: the worker that runs its stream's request, or a loop
 * (inline.c). */
typedef struct vk_dbh {
    sqlite3 *db;
    struct vk_dbt *t;
    struct vk_worker_slot *worker; /* who uses it now; NULL between requests */
    vk_list node;                  /* in t->idle */
    vk_list open_node;             /* in t->open */
    vk_list lru;                   /* in vk_db.lru, while nobody uses it or it is the warm one */
    int64_t idle_since;            /* under mu */
    bool warm;                     /* in t->warm, or with the loop that took it from there; under mu */
    bool written;                  /* it has committed something: closing it may cost a checkpoint */
    bool schema_touched;           /* the authorizer has seen a change of the schema since the last commit */
    bool on_loop;                  /* a loop runs a statement with it */
    uint32_t looks;                /* of the progress handler at that */
    int64_t loop_began;
    _Atomic int64_t touched_ms;    /* when a loop used it last */
    int64_t loop_turn, loop_spent; /* of the loop that used it last, and on it within that turn */
    sqlite3_io_methods io;         /* SQLite's own, but for one (handle.c) */
    int64_t turn_since_ms;         /* while it has the turn; written under mu */
    int64_t deadline_ns;           /* monotonic; of the request under way */
    bool has_turn;                 /* owns the build's write turn */
    bool kept;                     /* its stream keeps it between requests; counted in vk_db.kept */
    bool committing;               /* between SQLite's commit hook and its end */
    bool dirty;                    /* its state is not a fresh one's: not used again */
    bool opening;                  /* our own statements at open */
    bool set_keys;                 /* PRAGMA foreign_keys=… was among its stream's statements */
    bool keys_lifted;              /* foreign keys are off for the statement under way, by us */
    bool saw_insert;               /* the authorizer's notes on the statement being prepared */
    bool saw_drop;                 /* …a DROP TABLE */
    bool saw_dml;                  /* …an INSERT, UPDATE or DELETE of its own */
    enum { VK_DDL_NO, VK_DDL_PERHAPS, VK_DDL_YES } saw_ddl;
    const struct vk_alter *alter; /* of the statement being prepared; NULL: nothing to apply */
    /* SQL's changes() and total_changes() are the stream's, whichever connection serves it: those of before
     * it got this one, until a statement of its own has changed them (conns.c). */
    int64_t changes_before, changes_found, total_before;
    bool runs_dml, steps_dml, counted; /* the statement that was prepared last; the one under way; one of
                                        * this stream has ended */
    vk_buf ddl;                        /* what the open transaction did to the schema (ddl.h) */
    uint32_t ddl_omitted;
    const _Atomic bool *aborted; /* of the job under way, while there is a worker */
    bool timed_out;
    bool crowded; /* too many long statements run: this one had to end */
    const char *denied;
    int64_t heap;     /* what its requests have taken and not given back */
    int64_t heap_was; /* when its stream got it */
    vk_hot *hot;      /* what any statement needs */
    vk_hot *hot_last; /* what the statement needs that a loop ran last */
    uint32_t clock;   /* of the cache */
    vk_cached cache[VK_DB_CACHE];
} vk_dbh;

typedef struct vk_sql_text {
    int32_t id;
    vk_str text; /* malloc'ed */
} vk_sql_text;

/* What became of the transaction that a stream's client believes to be open. */
typedef enum vk_lost {
    VK_NOT_LOST,
    VK_LOST_ONCE,  /* no transaction, but temporary tables or settings: the next statement is told */
    VK_LOST,       /* rolled back by us: every statement is told, none runs outside of it… */
    VK_LOST_ENDED, /* …until the client ends it; its COMMIT was refused, its ROLLBACK will be welcome */
} vk_lost;

/* A stream of Hrana: a connection for as long as something is open on it, and the stored texts. Made by a
 * pipeline and found again by its baton, or made by a WebSocket (`socket`), which keeps the pointer. Between
 * requests one without a connection is `light`: a client that closes none of its streams takes no place. */
typedef struct vk_stream {
    vk_list node;      /* in t->streams, or t->light, while it is kept open; a WebSocket's, while it has a
                        * connection */
    vk_map_node by_id; /* in t->batons while it is kept open */
    uint64_t id;
    uint8_t token[VK_DB_TOKEN]; /* changes with every response */
    bool kept, busy;
    bool light;       /* in t->light, and not counted in n_streams */
    bool socket;      /* owned by a WebSocket: the housekeeper ends its transaction, not the stream */
    bool dropped;     /* …which has gone: the housekeeper frees it */
    bool lost_idle;   /* `lost` because nothing was asked for long, not because others waited */
    bool lost_paused; /* `lost` because the build was paused */
    uint8_t lost;     /* vk_lost */
    int64_t used_ms;
    vk_dbh *h;
    int64_t last_rowid, changes, total_changes; /* as SQL has them, while it has no connection */
    size_t bytes;                               /* while it is light */
    uint32_t n_texts;
    vk_sql_text *texts; /* room for VK_HRANA_STORED_MAX once there is one */
} vk_stream;

typedef struct vk_expired {
    bool paused; /* not for its age: the build was paused */
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
    _Atomic bool
        broken; /* a sync failed: what was answered is safe, nothing more is promised until a restart */
    _Atomic bool made;                 /* its folder and file exist */
    _Atomic int64_t keys_off_until_ms; /* monotonic (keys.c) */
    _Atomic bool paused;               /* what is queued and has not begun waits (pause.c) */
    _Atomic bool hurry;                /* and what runs is interrupted */
    _Atomic bool recovered;            /* what a killed process left in the -wal is on stable storage */
    pthread_mutex_t first;             /* held by who opens it while that is not so */
    bool in_ready;
    int64_t slow_until_ms; /* a statement of it ran long lately */
    uint32_t running, handles;
    uint32_t files;          /* of database.db, open: as many as there were connections at once (conns.c) */
    bool hoards;             /* the housekeeper closes what is idle */
    uint32_t opening;        /* downloads that open the build's files now, by name */
    vk_list ready;           /* in vk_db.ready */
    vk_list queue, urgent;   /* jobs; urgent ones hold or were granted the turn, and may run beside
                              * VK_DB_RUNNING others: those could be waiting for what they do */
    _Atomic uint32_t n_jobs; /* queued, set aside or running. Changed under mu */
    size_t n_bytes;          /* of their bodies */
    vk_list waiting_turn, waiting_stream, waiting_drain, waiting_sync; /* jobs set aside */
    bool turn_taken;
    vk_dbh *turn_owner;          /* once its first statement begins; NULL while the turn is granted only */
    uint32_t sockets;            /* WebSockets that are open */
    _Atomic size_t socket_bytes; /* of answers that their peers have not taken; VK_DB_ANSWERS_MAX */
    bool syncing;
    /* Changed under mu. Commits that are visible, and that are on stable storage; and those that may be
     * visible or not: one, and that of a PRAGMA optimize, which has no turn. */
    _Atomic uint64_t commit_seq, synced_seq;
    _Atomic uint32_t committing;
    _Atomic uint32_t wal_pages;  /* after the last commit; 0 once the housekeeper has looked at too many */
    _Atomic uint64_t schema_seq; /* goes up before a change of the schema becomes visible */
    /* A connection that loops may take without mu, and give back; NULL: one has it, or there is none. Workers
     * and the housekeeper take it under mu. */
    _Atomic(vk_dbh *) warm;
    _Atomic int64_t paid_until_ms; /* what it has taken of loops is made good for then (inline.c) */
    _Atomic int64_t heap;          /* of its connections */
    _Atomic size_t received;       /* bytes of large requests, bodies and their trees */
    _Atomic size_t answers;        /* bytes of large answers on their way */
    vk_list idle;                  /* connections */
    uint32_t n_idle;
    vk_list streams;
    uint32_t n_streams;
    vk_list light; /* streams; the one that was used last is at its end */
    uint32_t n_light;
    size_t light_bytes;
    vk_map batons; /* streams that are kept open */
    uint64_t last_stream;
    vk_expired *expired; /* VK_DB_EXPIRED_MAX in turn, once there is one */
    uint64_t n_expired;
    vk_list open;                /* every connection, for interrupting */
    struct vk_dbwaiter *waiters; /* who wants to know when it is closed */
    bool detached;               /* closed and out of the map; freed with the last reference */
} vk_dbt;

typedef enum vk_dbmode {
    VK_DB_PIPELINE, /* {"baton":…,"results":[…]} */
    VK_DB_SINGLE, /* the result of p.requests[0] alone, opened by ok_open or error_open, closed by "}}" or "}"
                   */
    VK_DB_CURSOR, /* lines; p.requests[0] is a batch */
} vk_dbmode;

/* An error of a statement: in the answer, not of it. */
typedef struct vk_sqlerr {
    const char *code; /* NULL: none */
    vk_str message;
} vk_sqlerr;

/* What running a job came to. */
typedef enum vk_outcome {
    VK_O_DONE,
    VK_O_FAILED,   /* r->err */
    VK_O_TURN,     /* needs the write turn; nothing was done or written */
    VK_O_DRAIN,    /* CURSOR: `out` is full */
    VK_O_PROTOCOL, /* r->why; ends the stream */
    VK_O_OVER,     /* the build was revoked meanwhile */
} vk_outcome;

/* A request on its way. The memory is its maker's, who gets it back in `answered`. */
typedef struct vk_dbjob {
    vk_list node;
    vk_dbt *t;
    vk_dbmode mode;
    vk_arena *a;
    vk_buf *out;
    vk_str body;                /* to be parsed; p NULL: `p` is there already */
    size_t n_bytes, tree;       /* of its body; of what that was taken apart into, when it is large */
    vk_str ok_open, error_open; /* SINGLE: with the response's type still to be written */
    void (*answered)(struct vk_dbjob *j);    /* on a worker's thread; status, content_type and out are set */
    void (*lines_ready)(struct vk_dbjob *j); /* CURSOR: `out` is full; the job waits for vk_db_resume */
    vk_pipeline p;
    vk_stream *stream; /* `local` until it is kept */
    vk_stream local;
    bool parsed, attached, has_turn, turn_timeout, stream_timeout;
    _Atomic bool aborted; /* its client has gone, nobody wants the answer */
    bool wants_place;     /* waits for one of VK_DB_STREAMS_MAX, not for its stream */
    bool ran;             /* `outcome` is there: what follows is for a thread that is not lowered */
    bool touched;         /* a statement has run: the connection has something to remember */
    bool resumed;         /* CURSOR: no longer waiting for its lines to be taken */
    bool begun;           /* CURSOR: lines were given out, so an error can no longer be a status */
    int64_t set_aside_ms, stream_since;
    int64_t left_ns; /* of VK_DB_STATEMENT_MS, while it is set aside */
    uint64_t seq;    /* the commits that the answer saw */
    vk_outcome outcome;
    vk_sqlerr err; /* FAILED */
    vk_str why;    /* PROTOCOL */
    /* where execution stands */
    uint32_t request, step;
    vk_str sequence;    /* the text of a sequence, with a NUL behind it */
    size_t sequence_at; /* bytes of it that are done */
    size_t mark;        /* of `out`, where the current request's result begins */
    uint8_t *step_state;
    vk_sqlerr *step_errors;
    struct vk_cached *active; /* CURSOR: the statement whose rows are being given out */
    int64_t active_begun, active_total;
    uint64_t active_rows;
    int status;
    const char *content_type;
} vk_dbjob;

struct vk_worker_slot {
    _Atomic bool slot;           /* counts among the running threads. Changed under mu */
    uint32_t since;              /* vk_db.beat when it got the slot */
    bool alive;                  /* a thread of the pool has it */
    bool lowered;                /* runs behind others, and ends after its job */
    struct vk_dbt *t;            /* whose request it runs; NULL: none. Under mu */
    struct vk_dbjob *job;        /* that request; may be answered and gone: only to be compared… */
    bool handed;                 /* …unless its thread has ended, and left the rest to another one */
    struct vk_worker_slot *next; /* in vk_db.handed */
    _Atomic int64_t deadline_ns; /* of that request's SQL */
    _Atomic bool give_up; /* the deadline is well past, or the build is closed: no memory for its SQL */
    /* share.c's */
    bool place;          /* computes, or could */
    int64_t place_ms;    /* since when, or when it last asked */
    vk_list in_share;    /* of those that have one, or wait for one */
    pthread_cond_t turn; /* got one */
};

struct vk_db {
    vk_runtime *rt;
    int index;
    pthread_mutex_t mu;
    pthread_cond_t work, tick;
    vk_map tenants;
    vk_list ready, ready_slow; /* builds with something to run; those of the second wait until long statements
                                  have ended */
    uint32_t active, slots, idle, threads, lowered;
    uint32_t handles, handles_max, files;
    uint64_t files_max;         /* descriptors of the process */
    _Atomic uint32_t wal_files; /* open now */
    uint32_t wal_files_max;     /* more than that are given back between requests */
    /* Connections that may be closed for others, the one used longest ago first: [0] those that have written
     * nothing, [1] the others. */
    vk_list lru[2];
    uint32_t beat; /* of the housekeeper */
    bool dozing;   /* the housekeeper sleeps for long */
    bool tidy_now; /* a build was closed, or a stream left behind: neither waits for its next round */
    _Atomic bool stopping;
    _Atomic bool ending;     /* the daemon's time to end is nearly up */
    _Atomic int64_t heap;    /* of all connections */
    _Atomic size_t received; /* of all builds */
    _Atomic size_t answers;  /* of all builds */
    _Atomic uint32_t kept;   /* connections that wait for the next request of their stream */
    /* for /metrics: commits and the syncs that made them durable, transactions that were rolled back for
     * others, statements that ran into their time */
    _Atomic uint64_t commits, syncs, takeovers, timeouts;
    pthread_cond_t gone; /* a thread of the pool has ended */
    pthread_t keeper, taker;
    _Atomic(struct vk_worker_slot *) handed; /* lowered threads that have ended, with what they ran */
    sem_t hands;
    struct vk_worker_slot worker[VK_DB_THREADS_MAX];
    vk_lane *parser; /* of large messages on WebSockets */
};
extern struct vk_db vk_db;

/* ---- sched.c */
/* The thread that takes over from lowered ones: they run SQL, and do nothing under mu when it has ended,
 * because one that was preempted there would hold up everybody for as long as anybody else wants the
 * processor. */
VK_MUSTCHECK vk_err vk_db_taker_start(void);
void vk_db_taker_stop(void);
/* The worker's thread is about to wait or to take long: another one may run in its place. */
void vk_db_give_slot(struct vk_worker_slot *w);
/* The worker's statement runs long: from here on it gets the processor only when nobody else wants it. False:
 * too many do. */
bool vk_db_lower(vk_dbt *t, struct vk_worker_slot *w);
/* Under mu. A statement can be inside one call for minutes, where nothing of ours is asked (LIKE, compiling):
 * who has held a slot for a whole beat while others wait for one loses it, and goes on without. */
void vk_db_take_slots_back(void);
/* Under mu. Statements that should have ended, and do not ask. */
void vk_db_end_overdue(int64_t now_ns);
/* Under mu. A build waits for a thread and all slots are taken. */
bool vk_db_pressed(void);
/* Under mu. A build that waits for long statements of others to end is scheduled at once (it is being
 * closed). */
void vk_db_hurry(vk_dbt *t);
/* Under mu. Gives what is ready to a thread, if one may run. */
void vk_db_wake(void);
/* Under mu. A build with something to run gets into the ready list, a thread is woken. */
void vk_db_schedule(vk_dbt *t);
/* The write turn of the job's build, for its connection. False: the job must be set aside. */
bool vk_db_take_turn(vk_dbjob *j, vk_dbh *h);
/* Gives the turn back when the connection no longer holds the write lock. */
void vk_db_settle_turn(vk_dbh *h);
/* Under mu. The turn is free: whoever waits longest gets it. */
void vk_db_pass_turn(vk_dbt *t);
/* ---- takeover.c: the end of transactions that hold the turn too long, and of those that nobody uses */
/* Under mu: the stream whose transaction has held the turn too long while others wait, if it is idle; then it
 * is marked as ours. */
vk_stream *vk_db_overdue_owner(vk_dbt *t, int64_t now);
/* The statement opens a transaction, as far as its first word tells. */
bool vk_takeover_begins(vk_str sql);
/* Rolls back what such a stream, or an idle WebSocket's, has open; it is told later. Not under mu. */
void vk_db_take_over(vk_dbt *t, vk_stream *s, bool idle);
/* SQLite's recursion: what allocates as it goes down is ended when VK_DB_STACK_SPARE is left; what does not
 * (LIKE, expressions) is bounded by the limits of handle.c to far less than that. */
enum { VK_DB_WORKER_STACK = 2 << 20, VK_DB_STACK_SPARE = 768 << 10 };

/* ---- share.c; lowered threads only */
/* Called again and again by whoever computes: returns when it may go on, or when ends(arg) says that it is to
 * end. */
void vk_db_share(struct vk_worker_slot *w, bool (*ends)(void *arg), void *arg);
/* It has ended. */
void vk_db_share_end(struct vk_worker_slot *w);

/* ---- conns.c; not under mu */
VK_MUSTCHECK vk_err vk_db_get_handle(vk_dbt *t, struct vk_worker_slot *w, vk_dbh **out_r, const char **why_r);
/* Rolls back, gives the turn back, keeps the connection for the next request or closes it. */
void vk_db_put_handle(vk_dbh *h);
/* From a loop, which never closes a file: what must not be used again is left to the housekeeper. */
void vk_db_put_warm(vk_dbh *h);
/* Under mu. The warm connection out of its place, as nobody's; NULL: a loop has it, or there is none. */
vk_dbh *vk_db_take_warm(vk_dbt *t);
/* Under mu. When it was used last. */
int64_t vk_db_last_used(const vk_dbh *h);
/* Under mu. It was used then. */
void vk_db_used(vk_dbh *h, int64_t when_ms);
/* Under mu. Takes an idle connection out of the lists of those; it is the caller's. */
void vk_db_take_idle(vk_dbh *h);
/* The connection is in no list but t->open. */
void vk_db_close_handle(vk_dbh *h);
/* What SQL can ask of a connection that has nothing open: last_insert_rowid(), changes(), total_changes().
 * The stream takes it along when it lets go of its connection, and brings it when it gets one. */
void vk_db_keep_counts(vk_stream *s);
void vk_db_bring_counts(vk_stream *s);
/* The two of them that SQLite does not let anybody set. An SQLite result code. */
int vk_db_count_functions(vk_dbh *h);
/* The request has ended and its stream keeps the connection. */
void vk_db_keep_handle(vk_dbh *h);
/* Not under mu: everything was synced, and descriptors that idle connections kept until then are free. */
void vk_db_rest_idle(vk_dbt *t);
/* Decides how many connections and how many files of -wal there may be, for a process with so many
 * descriptors and bytes of memory. */
void vk_db_room(uint64_t files, uint64_t memory, uint32_t most);
/* Under mu. A connection that nobody has used since then (vk_clock_mono_ms), out of every list; NULL: none.
 */
vk_dbh *vk_db_take_unused(int64_t since_ms);
/* Under mu. SQLite has many more files of the build open than it has connections, and nobody uses those: they
 * are to be closed, all of them. */
bool vk_db_hoards(const vk_dbt *t);
/* As many connections are kept as may be: no further transaction is begun, so that requests which are done
 * when they are answered find a connection. */
bool vk_db_keeps_enough(void);

/* ---- keys.c: PRAGMA foreign_keys=OFF in a request of its own, for the DROP TABLE in another one */
/* The connection's stream has ended, or is about to be answered for the last time. */
void vk_keys_remember(vk_dbh *h);
/* A statement was prepared and is about to run: without foreign keys if it is such a DROP TABLE. */
void vk_keys_lift(vk_dbh *h, const vk_cached *c);
/* It has ended. */
void vk_keys_settle(vk_dbh *h);

/* ---- job.c */
/* Does what can be done now. True: the job is answered and gone. False: it is set aside. */
bool vk_db_run_job(vk_dbjob *j, struct vk_worker_slot *w);
/* Ends a job of a closed build. */
void vk_db_refuse_job(vk_dbjob *j);
/* What a request with this connection may take of SQLite's memory. */
int64_t vk_db_heap_left(const vk_dbh *h);
/* What it has taken, as vk_sqlite_memory_end says. */
void vk_db_heap_taken(vk_dbh *h, int64_t taken);
/* Ends the job with what is in `out`. The job is its maker's again. */
void vk_db_answer(vk_dbjob *j, int status, const char *content_type);
/* The stream is out of its list, or marked busy, and nobody else has it. Not under mu. */
void vk_db_end_stream(vk_dbt *t, vk_stream *s);
/* Under mu: its request has ended; whoever waits for a stream looks again. */
void vk_db_stream_idle(vk_dbt *t, vk_stream *s);

/* ---- socket.c: what a WebSocket has in the driver; from its loop */
enum { VK_DB_SOCKETS_MAX = 128 }; /* of one build */
/* Counts a WebSocket; *out_r stays until vk_db_socket_close. VK_E_UNAUTHORIZED, VK_E_BUSY, VK_E_NOMEM:
 * *why_r. */
VK_MUSTCHECK vk_err vk_db_socket_open(vk_tenant *tenant, vk_dbt **out_r, const char **why_r);
void vk_db_socket_close(vk_dbt *t);
/* A stream to set in jobs, one at a time. NULL when out of memory. */
VK_MUSTCHECK vk_stream *vk_db_stream_new(void);
/* It has a connection, so that ending it is a request of its own. Not while a job of it is under way. */
bool vk_db_stream_holds(vk_stream *s);
/* The stream is the driver's to free; what is open on it is rolled back soon. Not while a job of it is under
 * way. */
void vk_db_stream_drop(vk_dbt *t, vk_stream *s);

/* ---- sync.c: one sync for all commits that wait for one. Conditions: docs/ARCHITECTURE.md, "Durable
 * answers" */
int vk_sync_commit_hook(void *h);
int vk_sync_wal_hook(void *h, sqlite3 *db, const char *name, int pages);
/* Syncs the -wal through SQLite's own handle of it: that is the file in use, and closing a descriptor of our
 * own would drop locks. False: it failed. */
bool vk_sync_wal(sqlite3 *db);
/* A statement has ended: whatever became of its commit. */
void vk_sync_settle(vk_dbh *h);
/* The commits that this thread's reads may have seen. Under mu. */
uint64_t vk_sync_seen(const vk_dbt *t);
/* Once a build, with its first connection: what an earlier process left in the -wal. */
VK_MUSTCHECK vk_err vk_sync_recover(vk_dbh *h);
/* Answers a finished job (status and content_type are set) when what it saw is on stable storage. This thread
 * syncs with the job's connection if nobody does; `give_back`: the connection is put back, else it stays its
 * stream's. True: answered. False: it will be, by whoever syncs. */
bool vk_sync_finish(vk_dbjob *j, vk_dbh *h, bool give_back);
/* Under mu. Jobs wait, and nobody is about to sync for them: the one who made their commit ended without an
 * answer. */
bool vk_sync_forgotten(const vk_dbt *t);
/* The same for what leaves in the middle of a job: waits itself. False: the build is broken. Not under mu. */
bool vk_sync_now(vk_dbt *t, vk_dbh *h);

/* A loop asks, with no lock: whether all that a read which has ended may have seen is on stable storage. */
bool vk_sync_durable(const vk_dbt *t);

/* ---- tenants.c */
/* Queues the job for the tenant's build. VK_E_UNAUTHORIZED (revoked), VK_E_BUSY, VK_E_NOMEM, VK_E_IO (a sync
 * has failed): not queued, *why_r says why. */
VK_MUSTCHECK vk_err vk_db_submit(vk_tenant *tenant, vk_dbjob *j, const char **why_r);
/* Under mu. The build's database for a tenant; it stays until vk_db_free_tenant. NULL when out of memory. */
vk_dbt *vk_db_of_tenant(vk_tenant *tenant);
/* From any thread: a cursor's lines were taken, it may go on; with `abort` it ends. */
void vk_db_resume(vk_dbjob *j, bool abort);
/* From the loop that awaits the job's answer: nobody wants it any more. It comes soon all the same, and what
 * is open on its stream ends with it; statements that have ended stay as they are. */
void vk_db_abandon(vk_dbjob *j);
/* More of the build's answers than may be are not taken yet; *why_r says so. */
bool vk_db_answers_wait(const vk_dbt *t, const char **why_r);
/* Memory for a request of `n` bytes; false: there is too much already. vk_db_unreserve gives it back. From
 * any thread that holds the build. */
VK_MUSTCHECK bool vk_db_reserve(vk_dbt *t, size_t n);
void vk_db_unreserve(vk_dbt *t, size_t n);
/* The build's files stay where they are until vk_db_let_go. NULL: it is being closed, or there is no memory.
 */
vk_dbt *vk_db_hold(const char *build);
void vk_db_let_go(vk_dbt *t);
/* Under mu, which is let go meanwhile (hold a reference): when nothing of a closed build runs or is open,
 * takes it out of the map and tells those who wait for that. */
void vk_db_closed_if_done(vk_dbt *t);
/* Under mu. */
void vk_db_unref(vk_dbt *t);
/* Under mu, let go during file work. What is due for this build; of a paused one everything that is idle. */
void vk_db_tidy(vk_dbt *t, int64_t now);

/* ---- handle.c */
/* What any connection to a build's data is bound to: limits, no extension, no schema that is trusted. An
 * SQLite result code. */
int vk_db_fence(sqlite3 *db);
/* A connection with the policy in force; VK_E_FULL, VK_E_IO, VK_E_BUSY (too many open). *why_r is a static
 * text. Not under mu. */
VK_MUSTCHECK vk_err vk_dbh_open(vk_dbt *t, vk_dbh **out_r, const char **why_r);
void vk_dbh_close(vk_dbh *h);
/* Back to what a fresh connection is; false when only closing helps. */
bool vk_dbh_reset(vk_dbh *h);
/* The first statement of `sql`. VK_E_INVALID: *err_r. The entry is valid until the next call; end its use
 * with vk_dbh_done. */
VK_MUSTCHECK vk_err vk_dbh_prepare(vk_dbh *h, vk_arena *a, vk_str sql, vk_cached **out_r, vk_sqlerr *err_r);
/* The same, if it is prepared already; NULL otherwise. */
vk_cached *vk_dbh_find(vk_dbh *h, vk_str sql);
void vk_dbh_done(vk_dbh *h, vk_cached *c);
/* Prepares without the cache. `ended`: a NUL stands behind `sql`, which spares SQLite a copy of all of it for
 * each of its statements. *tail_r is where the next statement begins. *st_r NULL: nothing but blanks was
 * left. */
VK_MUSTCHECK vk_err vk_dbh_prepare_raw(vk_dbh *h, vk_arena *a, vk_str sql, bool ended, unsigned flags,
                                       sqlite3_stmt **st_r, vk_str *tail_r, vk_sqlerr *err_r);
/* Its progress handler is asked every `ops` steps. */
void vk_dbh_watch(vk_dbh *h, int ops);
bool vk_dbh_writes(sqlite3_stmt *st);
/* The request's time is up; *err_r says so. Short statements never come to where SQLite asks. */
bool vk_dbh_late(vk_dbh *h, vk_sqlerr *err_r);
/* What SQLite says of `rc`, in Hrana's codes. */
vk_sqlerr vk_dbh_error(vk_dbh *h, vk_arena *a, int rc);

/* ---- pause.c */
/* Until vk_db_unpause no request of the build runs and no connection to its file is open. VK_E_BUSY (it did
 * not come to rest), VK_E_CONFLICT (revoked or broken): not paused. In a file job. */
VK_MUSTCHECK vk_err vk_db_pause(vk_dbt *t, const char **why_r);
void vk_db_unpause(vk_dbt *t);

/* ---- file_jobs.c: everything that works on whole files. One job of a build at a time, a few builds side by
 * side; in order of asking. VK_E_BUSY: too many wait; VK_E_NOMEM. The job stays the caller's then. */
VK_MUSTCHECK vk_err vk_db_file_job(const char *build, vk_job *j);
VK_MUSTCHECK vk_err vk_db_file_jobs_start(void);
/* Does what waits first. */
void vk_db_file_jobs_stop(void);

/* ---- export.c */
enum { VK_DB_TMP_NAME = 48 };
/* "tmp/<what>-<random>" below the data folder; the folder is there then. What is left in it goes at the next
 * start. */
VK_MUSTCHECK vk_err vk_db_tmp_name(const char *what, char out[VK_DB_TMP_NAME]);
/* The build's database as it is, in one new file of that name (relative to the data folder), not synced. A
 * build that has not used its database yet gives an empty one. On any error the name is free again. */
VK_MUSTCHECK vk_err vk_db_copy(const char *build, const char *name, const char **why_r);

/* ---- functions.c */
/* Versions of instr, replace, trim and json_patch whose time is bounded. An SQLite result code. */
int vk_db_functions(sqlite3 *db);

/* ---- hot.c */
/* Adds the first `most` of them (vk_sqlite_notes_end) to what is to be fetched; *hot is the caller's to
 * free(). Without memory nothing is added. */
struct vk_sqlite_notes;
void vk_hot_add(vk_hot **hot, const struct vk_sqlite_notes *notes, uint32_t most);
/* Asks for it, and does not wait. NULL: nothing. */
void vk_hot_fetch(const vk_hot *hot);
/* The same for what lies in one piece. */
static inline void vk_hot_piece(const void *p, size_t n)
{
    for (size_t at = 0; at < n; at += VK_HOT_LINE)
        __builtin_prefetch((const char *)p + at);
}

/* ---- walfile.c: the VFS that opens builds' files */
VK_MUSTCHECK vk_err vk_walfile_start(void);
/* The connection's request has ended: it gives the descriptor of its -wal back when there are too
 * many, and gets another one when it needs it. Not while it alone can tell that what it has written was not
 * stored; `stored`: all of that has been synced, by whomever. */
void vk_walfile_rest(sqlite3 *db, bool stored);

/* ---- policy.c */
int vk_db_authorize(void *h, int action, const char *a1, const char *a2, const char *db, const char *trigger);

/* ---- result.c */
void vk_put_value(vk_buf *out, sqlite3_stmt *st, int col);
void vk_put_cols(vk_buf *out, vk_cached *c);
void vk_put_error(vk_buf *out, const vk_sqlerr *e);

/* ---- exec.c, run.c, cursor_run.c: what a job executes */
typedef struct vk_run {
    vk_cached **found; /* the statement of each request, chosen by a loop; NULL: to be prepared */
    vk_dbjob *j;
    vk_dbh *h;
    vk_buf *out;
    vk_arena *a;
    vk_sqlerr err;
    vk_str why;
} vk_run;

/* Pipelines and single requests. DONE, TURN, PROTOCOL or OVER; FAILED: the answer does not fit into memory.
 */
vk_outcome vk_run_requests(vk_run *r);
/* Cursors: also DRAIN. */
vk_outcome vk_run_cursor(vk_run *r);

vk_outcome vk_exec_fail(vk_run *r, const char *code, vk_str message);
vk_outcome vk_exec_protocol(vk_run *r, vk_str why);
vk_outcome vk_exec_failed(vk_run *r, int rc);
vk_outcome vk_exec_text(vk_run *r, const vk_hrana_stmt *s, vk_str *sql_r);
vk_outcome vk_exec_bind(vk_run *r, sqlite3_stmt *st, const vk_hrana_stmt *s);
/* Before a statement: DONE, FAILED (no time is left) or OVER. */
vk_outcome vk_exec_may_go(vk_run *r);
/* The same before a statement is prepared; also FAILED when its transaction is gone. */
vk_outcome vk_exec_begin(vk_run *r, vk_str sql);
/* FAILED when the statement must not run, because its transaction is gone. In takeover.c. */
vk_outcome vk_takeover_begin(vk_run *r, vk_str sql);
/* Before the first step of any statement. */
vk_outcome vk_exec_turn(vk_run *r, bool writes);
/* After its last one. */
void vk_exec_end(vk_run *r);
/* Applies an ALTER COLUMN before the first step of the statement that stands for it; NULL: nothing to do. */
vk_outcome vk_exec_alter(vk_run *r, const struct vk_alter *alter);
/* A statement that changes the schema has succeeded. */
void vk_exec_note_ddl(vk_run *r, sqlite3_stmt *st, const struct vk_alter *alter);
/* `"affected_row_count":…` to the end of a result, without the brace. */
void vk_exec_counts(vk_run *r, const vk_cached *c, int64_t total_before, uint64_t rows, int64_t begun_ns);
/* Appends a StmtResult when DONE, nothing otherwise. */
vk_outcome vk_exec_stmt(vk_run *r, const vk_hrana_stmt *s);
enum { VK_STEP_SKIPPED, VK_STEP_OK, VK_STEP_ERROR };
bool vk_exec_holds(vk_run *r, const vk_hrana_cond *c);

/* ---- stream.c; all under mu */
enum { VK_BATON_MAX = 16 + 2 * VK_DB_TOKEN + 1 };
/* Also one that is busy: a cursor gives its baton out before its rows. *over_r: NULL, or why the stream,
 * which was there once, is no more. */
vk_stream *vk_stream_by_baton(vk_dbt *t, vk_str baton, const char **over_r);
const char *vk_stream_over(bool paused);
void vk_stream_baton(const vk_stream *s, char out[VK_BATON_MAX]);
void vk_stream_remember_expired(vk_dbt *t, const vk_stream *s, int64_t now);
/* A new stream that stays open, busy and with a place; NULL when out of memory. */
vk_stream *vk_stream_open(vk_dbt *t);
/* A light one gets a place, for a request. */
void vk_stream_place(vk_dbt *t, vk_stream *s);
/* One without a connection gives its place back; others may be forgotten for it. */
void vk_stream_rest(vk_dbt *t, vk_stream *s);
/* Takes an open one out of everything but memory. */
void vk_stream_out(vk_dbt *t, vk_stream *s);
/* Forgets the light ones that nobody has used for long; of a closed build all. */
void vk_stream_forget_light(vk_dbt *t, int64_t now);
void vk_stream_free_texts(vk_stream *s);
vk_sql_text *vk_stream_text(vk_stream *s, int32_t id);

#endif
