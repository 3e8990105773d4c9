/* Which statements run on a loop, and what becomes of them there. */
#include "services/database/embedded/inline.h"

#include "core/clock.h"

enum {
    BODY_MAX = 4096,
    STATEMENTS_MAX = 4,
    OUT_MAX = 32 << 10,
    PROGRAM_OPS = 500,
    PROGRAM_BYTES = 64 << 10, /* its constants and names included */
    VALUE_MAX = 16 << 10,
    PIECE_MAX = 64 << 10,
    HEAP_MAX = 1 << 20,
    OPS_MAX = 1000,
    LOOK_OPS = 16,
    NS_MAX = 300000,
    SLOW_NS = 200000,
    QUICK_NS = 100000,
    WANTED = 3,        /* runs in the pool, all quick, before the first one here */
    WANTED_MAX = 4096, /* after many that were slow here */
    FORGIVEN = 64,     /* quick runs here, and a slow one is forgotten */
    PRICE = 100,       /* times what a slow run took is how long its build pays for it */
    PRICE_MAX_MS = 10000,
    CREDIT_MS = 2000,       /* who has more than that to pay is barred: a machine may be slow now and then */
    TURN_NS = 2000000,      /* of a loop's turn, for all */
    TURN_BUILD_NS = 500000, /* and for one build */
};

/* A machine that is slower than most (an emulated one, a sanitizer) gets more time for the same work. */
enum { PACE_BYTES = 64 << 10, PACE_NS = 14000, PACE_MAX = 20 };
static int64_t pace = 1;

void vk_inline_start(void)
{
    static char text[PACE_BYTES];
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t begun = vk_clock_mono_ns();
        atomic_signal_fence(memory_order_seq_cst);
        volatile uint64_t hash = vk_hash(text, sizeof text);
        VK_UNUSED(hash);
        int64_t took = vk_clock_mono_ns() - begun;
        best = took < best ? took : best;
    }
    pace = best / PACE_NS < 1 ? 1 : best / PACE_NS > PACE_MAX ? PACE_MAX : best / PACE_NS;
}

enum { UNKNOWN, LIGHT, HEAVY }; /* verdicts on programs */

/* Written by its loop only. */
static struct lot {
    int64_t turn, spent;
    _Atomic uint64_t answered, tripped;
} lots[VK_LOOPS_MAX];

static void count(_Atomic uint64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

void vk_inline_counts(uint64_t *answered_r, uint64_t *tripped_r)
{
    *answered_r = *tripped_r = 0;
    for (size_t i = 0; i < VK_LOOPS_MAX; i++) {
        *answered_r += atomic_load_explicit(&lots[i].answered, memory_order_relaxed);
        *tripped_r += atomic_load_explicit(&lots[i].tripped, memory_order_relaxed);
    }
}

/* ---- programs */

/* Both sorted, for bisection. An instruction that a later SQLite adds is not on the list. */
static const char *const opcodes[] = {
    "Add",        "AddImm",       "Affinity",    "AggFinal",     "AggInverse",   "AggStep",
    "AggStep1",   "AggValue",     "And",         "BeginSubrtn",  "BitAnd",       "BitNot",
    "BitOr",      "Blob",         "Cast",        "Close",        "ClrSubtype",   "CollSeq",
    "Column",     "Compare",      "Concat",      "Copy",         "DecrJumpZero", "DeferredSeek",
    "Delete",     "Divide",       "ElseEq",      "EndCoroutine", "Eq",           "Explain",
    "FinishSeek", "Found",        "Function",    "Ge",           "GetSubtype",   "Gosub",
    "Goto",       "Gt",           "Halt",        "IdxDelete",    "IdxGE",        "IdxGT",
    "IdxInsert",  "IdxLE",        "IdxLT",       "IdxRowid",     "If",           "IfNoHope",
    "IfNot",      "IfNotZero",    "IfNullRow",   "IfPos",        "Init",         "InitCoroutine",
    "Insert",     "Int64",        "Integer",     "IsNull",       "IsNullOrType", "IsTrue",
    "IsType",     "Jump",         "Last",        "Le",           "Lt",           "MakeRecord",
    "Move",       "Multiply",     "MustBeInt",   "Ne",           "NewRowid",     "Next",
    "NoConflict", "Noop",         "Not",         "NotExists",    "NotFound",     "NotNull",
    "Null",       "NullRow",      "OffsetLimit", "Once",         "OpenDup",      "OpenEphemeral",
    "OpenPseudo", "OpenRead",     "Or",          "Permutation",  "Prev",         "PureFunc",
    "Real",       "RealAffinity", "ReleaseReg",  "Remainder",    "ReopenIdx",    "ResetSorter",
    "ResultRow",  "Return",       "Rewind",      "RowData",      "RowSetAdd",    "RowSetRead",
    "RowSetTest", "Rowid",        "SCopy",       "SeekGE",       "SeekGT",       "SeekHit",
    "SeekLE",     "SeekLT",       "SeekRowid",   "SeekScan",     "Sequence",     "SequenceTest",
    "SetSubtype", "ShiftLeft",    "ShiftRight",  "SoftNull",     "Sort",         "SorterCompare",
    "SorterData", "SorterInsert", "SorterNext",  "SorterOpen",   "SorterSort",   "String",
    "String8",    "Subtract",     "Transaction", "Variable",     "Yield",        "ZeroOrNull"};
static const char *const cheap[] = {"abs(1)",        "avg(1)",    "coalesce(-1)",  "count(0)",  "count(1)",
                                    "dense_rank(0)", "ifnull(2)", "length(1)",     "lower(1)",  "max(-1)",
                                    "max(1)",        "min(-1)",   "min(1)",        "nullif(2)", "rank(0)",
                                    "round(1)",      "round(2)",  "row_number(0)", "sum(1)",    "total(1)",
                                    "typeof(1)",     "upper(1)"};

static int compare(const void *name, const void *entry)
{
    return strcmp(name, *(const char *const *)entry);
}

static bool listed(const char *const *list, size_t n, const unsigned char *name)
{
    return name && bsearch(name, list, n, sizeof *list, compare);
}

static bool calls(const char *op)
{
    return !strcmp(op, "Function") || !strcmp(op, "PureFunc") || strncmp(op, "Agg", 3) == 0;
}

/* The program is compiled once more, to be looked at: by a worker, once for each statement of a connection.
 */
static bool light(vk_run *r, const vk_cached *c)
{
    vk_str sql = vk_arena_printf(r->a, "EXPLAIN " VK_STR_FMT, VK_STR_ARG(((vk_str){c->text, c->n_text})));
    sqlite3_stmt *st;
    if (!sql.p || !sqlite3_stmt_readonly(c->st) ||
        sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_MEMUSED, 0) > PROGRAM_BYTES ||
        sqlite3_prepare_v2(r->h->db, sql.p, (int)sql.n, &st, NULL) != SQLITE_OK)
        return false;
    bool good = true;
    int rc, n = 0;
    while (good && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const unsigned char *op = sqlite3_column_text(st, 1);
        good = ++n <= PROGRAM_OPS && listed(opcodes, VK_COUNT(opcodes), op) &&
               (!calls((const char *)op) || listed(cheap, VK_COUNT(cheap), sqlite3_column_text(st, 5)));
    }
    sqlite3_finalize(st);
    return good && rc == SQLITE_DONE;
}

/* ---- what is known of a statement */

static uint32_t wanted(const vk_inline_past *p)
{
    return p->wanted ? p->wanted : WANTED;
}

void vk_inline_note(vk_run *r, vk_cached *c, int64_t ns, uint64_t schema)
{
    vk_inline_past *p = &c->past;
    int prepared = sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (c->used == 0 || r->h->dirty || !sqlite3_get_autocommit(r->h->db))
        return; /* not kept; or what it sees of the schema may not last */
    if (p->verdict != UNKNOWN && p->prepared != prepared)
        p->verdict = UNKNOWN;
    p->schema = schema;
    bool quick = ns < QUICK_NS * pace && sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_VM_STEP, 0) < OPS_MAX;
    p->quick = quick ? p->quick + 1 : 0;
    if (p->verdict != UNKNOWN || p->quick < wanted(p))
        return;
    p->verdict = light(r, c) ? LIGHT : HEAVY;
    p->prepared = prepared;
}

static bool known_short(const vk_dbt *t, const vk_cached *c)
{
    const vk_inline_past *p = &c->past;
    return p->verdict == LIGHT && p->quick >= wanted(p) && p->schema == atomic_load(&t->schema_seq) &&
           p->prepared == sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_REPREPARE, 0);
}

static void was_short(vk_inline_past *p)
{
    if (++p->good % FORGIVEN == 0 && p->wanted > WANTED)
        p->wanted /= 2;
}

static void was_not(vk_inline_past *p)
{
    p->quick = 0;
    p->wanted = wanted(p) < WANTED_MAX / 2 ? wanted(p) * 2 : WANTED_MAX;
}

/* ---- the run */

static bool may(const vk_dbt *t, const vk_tenant *tenant)
{
    return !atomic_load(&t->closed) && !atomic_load(&t->paused) && !atomic_load(&t->broken) &&
           !atomic_load(&tenant->closed) && !atomic_load(&vk_db.stopping) && atomic_load(&t->n_jobs) == 0 &&
           atomic_load_explicit(&t->answers, memory_order_relaxed) <= VK_DB_ANSWERS_MAX;
}

static bool parsed(vk_dbjob *j)
{
    vk_str why;
    size_t before = vk_arena_used(j->a);
    if (vk_hrana_parse(j->a, j->body, &j->p, &why) != VK_OK)
        return false;                                                /* a worker says why */
    j->parsed = vk_arena_used(j->a) - before < VK_DB_RECEIVED_LARGE; /* else it is to be counted */
    return j->parsed;
}

static bool simple(const vk_pipeline *p)
{
    if (p->baton.p || !p->closes || p->n > STATEMENTS_MAX + 1)
        return false;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->requests[i].type != VK_R_CLOSE &&
            (p->requests[i].type != VK_R_EXECUTE || !p->requests[i].stmt.sql.p))
            return false;
    return true;
}

static bool choose(vk_dbh *h, const vk_pipeline *p, vk_cached *found[])
{
    for (uint32_t i = 0; i < p->n; i++) {
        found[i] = NULL;
        if (p->requests[i].type == VK_R_EXECUTE &&
            (!(found[i] = vk_dbh_find(h, p->requests[i].stmt.sql)) || !known_short(h->t, found[i])))
            return false;
        else if (found[i] && found[i]->hot != h->hot_last)
            vk_hot_fetch(h->hot_last = found[i]->hot);
    }
    return true;
}

int vk_inline_look(vk_dbh *h)
{
    return ++h->looks * LOOK_OPS >= OPS_MAX || vk_clock_mono_ns() - h->loop_began > NS_MAX * pace ||
           atomic_load_explicit(&h->t->closed, memory_order_relaxed);
}

/* True: everything has run to its end without an error. */
static bool run(vk_run *r)
{
    vk_dbh *h = r->h;
    int64_t left = vk_db_heap_left(h);
    size_t most = r->out->max;
    r->out->max = OUT_MAX;
    h->on_loop = true;
    h->looks = 0;
    h->deadline_ns = INT64_MAX;
    h->timed_out = h->crowded = false;
    sqlite3_limit(h->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    vk_dbh_watch(h, LOOK_OPS);
    vk_sqlite_memory_begin(left < HEAP_MAX ? left : HEAP_MAX, NULL);
    vk_sqlite_memory_piece(PIECE_MAX);
    vk_outcome o = vk_run_requests(r);
    vk_db_heap_taken(h, vk_sqlite_memory_end());
    vk_dbh_watch(h, VK_DB_PROGRESS_OPS);
    sqlite3_limit(h->db, SQLITE_LIMIT_LENGTH, VK_DB_VALUE_MAX);
    h->on_loop = false;
    r->out->max = most;
    return o == VK_O_DONE && !r->err.code && r->out->err == VK_OK;
}

static void judge(vk_run *r, bool ended, int64_t ns)
{
    vk_dbt *t = r->h->t;
    for (uint32_t i = 0; i < r->j->p.n; i++)
        if (r->found[i])
            (ended && ns <= SLOW_NS * pace ? was_short : was_not)(&r->found[i]->past);
    if (VK_LIKELY(ns <= SLOW_NS * pace))
        return;
    int64_t now = vk_clock_mono_ms(), until = atomic_load(&t->paid_until_ms);
    int64_t price = ns * PRICE / pace / 1000000;
    atomic_store(&t->paid_until_ms,
                 (until > now ? until : now) + (price < PRICE_MAX_MS ? price : PRICE_MAX_MS));
}

static bool answered(vk_dbh *h, vk_dbjob *j, struct lot *lot)
{
    vk_cached *found[STATEMENTS_MAX + 1];
    vk_run r = {.found = found, .j = j, .h = h, .out = j->out, .a = j->a};
    if (!choose(h, &j->p, found))
        return false;
    j->t = h->t;
    j->stream = &j->local;
    h->loop_began = vk_clock_mono_ns();
    bool ended = run(&r);
    int64_t ns = vk_clock_mono_ns() - h->loop_began;
    int64_t counted = ns < NS_MAX * pace ? ns : NS_MAX * pace; /* the loop may have been disturbed */
    lot->spent += counted;
    h->loop_spent += counted;
    judge(&r, ended, ns);
    if (ended && vk_sync_durable(h->t)) {
        j->status = 200;
        j->content_type = "application/json";
        count(&lot->answered);
        return true;
    }
    count(&lot->tripped);
    vk_buf_clear(j->out);
    j->stream = NULL;
    j->touched = false;
    j->request = 0;
    j->mark = 0;
    return false;
}

bool vk_inline_run(vk_tenant *tenant, vk_dbjob *j, vk_loop *loop)
{
    vk_dbt *t = atomic_load_explicit(&tenant->service[vk_db.index], memory_order_acquire);
    struct lot *lot = &lots[loop->index];
    vk_hot_piece(t, t ? sizeof *t : 0);
    int64_t now = vk_loop_now(loop); /* the same for a whole turn */
    if (lot->turn != now) {
        lot->turn = now;
        lot->spent = 0;
    }
    if (!t || j->body.n > BODY_MAX || lot->spent > TURN_NS * pace || !may(t, tenant) ||
        !atomic_load(&t->warm) ||
        atomic_load_explicit(&t->paid_until_ms, memory_order_relaxed) - now > CREDIT_MS)
        return false;
    vk_dbh *h = atomic_exchange(&t->warm, NULL);
    if (!h)
        return false;
    vk_hot_piece(h, offsetof(vk_dbh, cache[1])); /* all this comes while the request is taken apart */
    vk_hot_fetch(h->hot);
    vk_hot_fetch(h->hot_last);
    if (!parsed(j) || !simple(&j->p)) {
        vk_db_put_warm(h);
        return false;
    }
    if (h->loop_turn != now) {
        h->loop_turn = now;
        h->loop_spent = 0;
    }
    /* Once more: who sets one of these looks at t->warm afterwards. */
    bool done = h->loop_spent <= TURN_BUILD_NS * pace && may(t, tenant) && answered(h, j, lot);
    atomic_store_explicit(&h->touched_ms, now, memory_order_relaxed); /* who closes connections looks at it */
    vk_db_put_warm(h);
    return done;
}
