/* What the power-cut test does with the payments of a build: a program around payments.db.
 *
 * A call on document N makes its next version: the document with a key, an event that says what became of it,
 * the event's delivery, and the answer that a repetition would get. All of it is one part of a transaction.
 *
 *   payments run DIR     works below DIR/data and says on stdout what was acknowledged: "N version began
 * ended", version "-" for a document that was taken out, times of CLOCK_MONOTONIC in ns; ends as kill -9 does
 *   payments again DIR   opens what that left, and says what can be read then
 *   payments check DIR   opens what is there and says what it holds: "N version"; exit code 1: something is
 * wrong, and a sentence says what */
#include "core/clock.h"
#include "core/disk.h"
#include "services/payments/embedded/inside.h"
#include "store/store.h"

#include <fcntl.h>
#include <unistd.h>

enum { DOCUMENTS = 40, GONE = -1 };

static vk_pay_db *db;
static vk_arena *a;
static int made[DOCUMENTS]; /* how many events there are of each */

static void die(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    _exit(1);
}

static void need(vk_err e, const char *what)
{
    if (e == VK_OK)
        return;
    printf("%s: %s\n", what, vk_err_name(e));
    fflush(stdout);
    _exit(1);
}

static void open_db(int root, const char *dir)
{
    char path[PATH_MAX];
    if (vk_disk_mkdir(root, "data", 0700) != VK_OK)
        die("the data folder cannot be made");
    snprintf(path, sizeof path, "%s/data/payments.db", dir);
    need(vk_pay_db_open(path, "demo", &db), "open");
}

/* Bytes that say whose they are. */
static vk_str body_of(const char *what, int n, int version, size_t size)
{
    char *p = vk_arena_alloc(a, size + 64);
    if (!p)
        die("no memory");
    int at = snprintf(p, size + 64, "%s %d %d %zu ", what, n, version, size);
    for (size_t i = 0; i < size; i++)
        p[(size_t)at + i] = (char)('a' + (i * 7 + (size_t)(n + version)) % 26);
    return (vk_str){p, (size_t)at + size};
}

/* ---- run */

/* One call, as a part that is kept or dropped. `size` GONE: takes the document out. */
static void call(const char *prefix, int n, int version, int size)
{
    vk_str id = vk_arena_printf(a, "%s_%d", prefix, n),
           event = vk_arena_printf(a, "evt_%s_%d_%d", prefix, n, version);
    size_t bytes = size == GONE ? 100 : (size_t)size;
    vk_pay_row doc = {.id = id,
                      .kind = VK_STR("customer"),
                      .created = 1 + version,
                      .body = body_of("doc", n, version, bytes)},
               ev = {.id = event,
                     .kind = VK_STR("event"),
                     .created = 1 + version,
                     .body = body_of(size == GONE ? "gone" : "made", n, version, bytes)};
    vk_pay_key key = {"email", vk_arena_printf(a, "%d@%d", n, version)},
               type = {"type", VK_STR("customer.updated")};
    vk_pay_delivery d = {.event = event,
                         .endpoint = VK_STR("default"),
                         .url = VK_STR("http://127.0.0.1/"),
                         .body = ev.body,
                         .created_ms = 1,
                         .due_ms = 1};
    vk_pay_idem answer = {
        .status = 200, .body = body_of("answer", n, version, bytes / 2), .request_id = event};
    need(vk_pay_db_mark(db), "mark");
    if (size == GONE)
        need(vk_pay_doc_del(db, id), "delete");
    else
        need(vk_pay_doc_put(db, &doc, &key, 1), "put");
    need(vk_pay_doc_put(db, &ev, &type, 1), "event");
    need(vk_pay_delivery_add(db, &d, &d.id), "delivery");
    need(vk_pay_due_put(db, id, 1 + version), "due");
    need(vk_pay_idem_put(db, event, 1, &answer), "answer");
}

static void told(int n, int version, bool gone, int64_t began)
{
    if (gone)
        printf("%d - %lld %lld\n", n, (long long)began, (long long)vk_clock_mono_ns());
    else
        printf("%d %d %lld %lld\n", n, version, (long long)began, (long long)vk_clock_mono_ns());
}

/* One transaction of the calls on some documents, and of one that is refused in the middle. */
static void work(int first, int n, int size)
{
    int64_t began = vk_clock_mono_ns();
    need(vk_pay_db_begin(db), "begin");
    for (int i = first; i < first + n; i++) {
        call("cus", i, ++made[i], size);
        need(vk_pay_db_keep(db), "keep");
        if (i == first) {
            call("never", i, made[i], 300);
            vk_pay_db_drop(db);
        }
    }
    need(vk_pay_db_end(db), "commit");
    for (int i = first; i < first + n; i++)
        told(i, made[i], size == GONE, began);
    fflush(stdout);
    vk_arena_reset(a);
}

static int die_instead(sqlite3_file *f, int flags)
{
    VK_UNUSED(f);
    VK_UNUSED(flags);
    fflush(stdout);
    _exit(0);
}

/* The process ends when the frames of a transaction are in the -wal and not yet synced. Says what is coming,
 * since nobody acknowledges it. */
static void die_in_a_commit(int n)
{
    static sqlite3_io_methods io;
    sqlite3_file *f = NULL;
    printf("%d %d %lld never\n", n, ++made[n], (long long)vk_clock_mono_ns());
    need(vk_pay_db_begin(db), "begin");
    call("cus", n, made[n], 5000);
    need(vk_pay_db_keep(db), "keep");
    if (sqlite3_file_control(db->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK || !f->pMethods)
        die("there is no -wal");
    io = *f->pMethods;
    io.xSync = die_instead;
    f->pMethods = &io;
    need(vk_pay_db_end(db), "commit");
    die("the commit did not sync the -wal");
}

static int run(int root, const char *dir)
{
    open_db(root, dir);
    for (int i = 0; i < 60; i++)
        work(i % 10, 1, 200 + 40 * i);
    for (int i = 0; i < 30; i++)
        work(10 + i % 5, 1 + i % 4, 1500);
    work(12, 2, GONE);
    /* A clean end: all is in the file, and there is no -wal. */
    vk_pay_db_close(db);
    open_db(root, dir);
    for (int i = 0; i < 30; i++)
        work(12 + i % 3, 1 + i % 3, i % 7 == 6 ? 9000 : 700);
    work(3, 1, GONE);
    /* Enough to have SQLite write its -wal back, in the middle of what else is going on. */
    for (int i = 0; i < 330; i++)
        work(20 + i % 20, 1, 5000 + i);
    work(3, 1, 900);
    work(0, 2, 300);
    die_in_a_commit(0);
    return 1;
}

/* ---- check */

static vk_str next_word(vk_str *s)
{
    vk_str w;
    if (!vk_str_cut(s, ' ', &w))
        die("a body is not one of ours");
    return w;
}

/* What a body says, when it is what was written. */
static int read_body(vk_str body, const char *what, int *n_r, int *version_r)
{
    vk_str rest = body, kind = next_word(&rest);
    int64_t n, version, size;
    if (vk_str_to_i64(next_word(&rest), &n) != VK_OK || vk_str_to_i64(next_word(&rest), &version) != VK_OK ||
        vk_str_to_i64(next_word(&rest), &size) != VK_OK || n < 0 || n >= DOCUMENTS)
        die("a body is not one of ours");
    bool gone = strcmp(what, "made") == 0 && vk_str_eqz(kind, "gone");
    if (!gone && !vk_str_eqz(kind, what))
        die("a body is another one's");
    if (!vk_str_eq(body, body_of(gone ? "gone" : what, (int)n, (int)version, (size_t)size)))
        die("a body is not what was written");
    *n_r = (int)n;
    *version_r = (int)version;
    return gone;
}

static int is[DOCUMENTS]; /* the version that the last event tells of; 0: none, or it went */
static int64_t events;

static bool one_event(void *arg, const vk_pay_row *row)
{
    int n, version;
    VK_UNUSED(arg);
    bool gone = read_body(row->body, "made", &n, &version) != 0;
    char want[64];
    snprintf(want, sizeof want, "evt_cus_%d_%d", n, version);
    if (!vk_str_eqz(row->id, want))
        die("an event of a call that was refused, or another one's");
    if (version > made[n])
        made[n] = version;
    if (version == made[n])
        is[n] = gone ? 0 : version;
    events++;
    return true;
}

static bool one_delivery(void *arg, const vk_pay_delivery *d)
{
    int n, version;
    (void)read_body(d->body, "made", &n, &version);
    ++*(int *)arg;
    return true;
}

static bool found(void *arg, const vk_pay_row *row)
{
    *(int64_t *)arg = row->seq;
    return false;
}

static int documents;

static bool one_document(void *arg, const vk_pay_row *row)
{
    int n, version;
    VK_UNUSED(arg);
    (void)read_body(row->body, "doc", &n, &version);
    if (version != is[n])
        die("a document is not what its last event says");
    documents++;
    return true;
}

static int64_t count(const char *sql)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db->db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        die("it cannot be read");
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* Each event has its delivery and its answer, and there are as many as calls. */
static void whole_calls(void)
{
    for (int n = 0; n < DOCUMENTS; n++)
        for (int version = 1; version <= made[n]; version++) {
            vk_str event = vk_arena_printf(a, "evt_cus_%d_%d", n, version);
            vk_pay_row row;
            vk_pay_idem answer;
            int deliveries = 0, x, y;
            need(vk_pay_doc_get(db, a, event, &row), "an event is missing");
            need(vk_pay_idem_get(db, a, event, 2, &answer), "the answer of a call is missing");
            (void)read_body(answer.body, "answer", &x, &y);
            need(vk_pay_delivery_list(db, event, one_delivery, &deliveries), "deliveries");
            if (deliveries != 1 || x != n || y != version)
                die("a call has not one delivery and its own answer");
            events--;
            vk_arena_reset(a);
        }
    if (events != 0 || count("SELECT count(*) FROM deliveries") != count("SELECT count(*) FROM idempotent"))
        die("there is more than what calls made");
}

static int check(int root, const char *dir)
{
    int64_t seq;
    open_db(root, dir);
    if (count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") != 0)
        die("the database is damaged");
    vk_pay_ask all = {.kind = "event", .oldest_first = true}, docs = {.kind = "customer"};
    need(vk_pay_doc_list(db, &all, one_event, NULL), "events");
    vk_arena_reset(a);
    whole_calls();
    need(vk_pay_doc_list(db, &docs, one_document, NULL), "documents");
    vk_arena_reset(a);
    int left = 0;
    for (int n = 0; n < DOCUMENTS; n++) {
        if (!is[n])
            continue;
        left++;
        vk_pay_ask by = {
            .kind = "customer", .keys = {{"email", vk_arena_printf(a, "%d@%d", n, is[n])}}, .n_keys = 1};
        seq = 0;
        need(vk_pay_doc_list(db, &by, found, &seq), "by key");
        if (!seq)
            die("a document is not found by its key");
        printf("%d %d\n", n, is[n]);
    }
    if (left != documents)
        die("there are more documents than events tell of, or fewer");
    if (count("SELECT count(*) FROM keys WHERE name = 'email'") != documents)
        die("there are keys of no document");
    work(1, 1, 500); /* work goes on; its line has four words */
    vk_pay_db_close(db);
    return 0;
}

static int again(int root, const char *dir)
{
    vk_pay_row row;
    int n, version;
    open_db(root, dir);
    int64_t began = vk_clock_mono_ns();
    need(vk_pay_doc_get(db, a, VK_STR("cus_0"), &row), "cus_0");
    (void)read_body(row.body, "doc", &n, &version);
    told(n, version, false, began);
    fflush(stdout);
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    made[0] = version;
    work(0, 1, 300);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    a = vk_arena_new(8 << 20);
    if (root < 0 || !a || vk_sqlite_init() != VK_OK)
        return 2;
    return strcmp(argv[1], "run") == 0     ? run(root, argv[2])
           : strcmp(argv[1], "again") == 0 ? again(root, argv[2])
                                           : check(root, argv[2]);
}
