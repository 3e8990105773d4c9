/* What the power-cut test does with the objects of a build: a program around the storage library.
 *
 *   objects run DIR     works below DIR/data and says on stdout what was acknowledged: "key md5 began ended",
 *                       md5 "-" for a key that was deleted, times of CLOCK_MONOTONIC in ns; ends as kill -9
 * does objects check DIR   opens what is there and says what it holds: "key md5"; exit code 1: something is
 * wrong, and a sentence says what */
#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "services/storage/embedded/inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const vk_ob_quota quota = {
    .bytes = 1 << 30, .objects = 10000, .object_bytes = 1 << 28, .uploads = 100};
static vk_ob *s;
static pthread_mutex_t out = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    _exit(1);
}

static void need(vk_ob_err e, const char *what)
{
    if (e == VK_OB_OK)
        return;
    printf("%s: %s\n", what, vk_ob_errs[e].message);
    fflush(stdout);
    _exit(1);
}

static void open_store(int root, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/data", dir);
    if (vk_disk_mkdir(root, "data", 0700) != VK_OK)
        die("the data folder cannot be made");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(vk_ob_open(fd, path, "demo", &quota, &s), "open");
}

static void md5_hex(vk_str bytes, uint8_t md5[16], char hex[33])
{
    vk_checksum m;
    uint8_t whole[VK_CHECKSUM_MAX];
    vk_checksum_begin(&m, VK_CHECKSUM_MD5);
    vk_checksum_add(&m, bytes);
    vk_checksum_end(&m, whole);
    memcpy(md5, whole, 16);
    vk_hex(hex, md5, 16);
}

/* ---- run */

static void acknowledged(const char *key, const char *md5, int64_t began)
{
    pthread_mutex_lock(&out);
    printf("%s %s %lld %lld\n", key, md5, (long long)began, (long long)vk_clock_mono_ns());
    fflush(stdout);
    pthread_mutex_unlock(&out);
}

static char *bytes_of(size_t n, unsigned seed)
{
    char *b = malloc(n + 1);
    if (!b)
        die("no memory");
    for (size_t i = 0; i < n; i++)
        b[i] = (char)('a' + (i * 7 + seed * 31 + i / 251) % 26);
    return b;
}

static void put(const char *key, size_t n, unsigned seed)
{
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    char hex[33], *b = bytes_of(n, seed);
    md5_hex((vk_str){b, n}, c.md5, hex);
    int64_t began = vk_clock_mono_ns();
    need(vk_ob_put_begin(s, vk_str_z(key), (int64_t)n, &p), "put");
    need(vk_ob_put_write(p, (vk_str){b, n}), "write");
    need(vk_ob_put_commit(p, &c, NULL), "commit");
    acknowledged(key, hex, began);
    free(b);
}

static void del(const char *key)
{
    vk_ob_delete d = {.key = vk_str_z(key)};
    int64_t began = vk_clock_mono_ns();
    need(vk_ob_delete_keys(s, &d, 1), "delete");
    acknowledged(key, "-", began);
}

static void multipart(const char *key, size_t n, unsigned seed)
{
    uint8_t id[16];
    vk_ob_put *p;
    vk_ob_claim claim = {.number = 3};
    vk_ob_commit c = {.headers = VK_STR_NONE};
    char hex[33], *b = bytes_of(n, seed);
    md5_hex((vk_str){b, n}, c.md5, hex);
    memcpy(claim.md5, c.md5, 16);
    need(vk_ob_upload_create(s, vk_str_z(key), VK_STR_NONE, 0, 0, id), "create");
    need(vk_ob_part_begin(s, vk_str_z(key), id, 3, (int64_t)n, &p), "part");
    need(vk_ob_put_write(p, (vk_str){b, n}), "write");
    need(vk_ob_put_commit(p, &c, NULL), "commit");
    int64_t began = vk_clock_mono_ns();
    need(vk_ob_upload_complete(s, vk_str_z(key), id, &claim, 1, &c, NULL), "complete");
    acknowledged(key, hex, began);
    free(b);
}

static void copy(const char *from, const char *to)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    if (!a)
        die("no memory");
    int64_t began = vk_clock_mono_ns();
    need(vk_ob_get(s, a, vk_str_z(from), &o, &r), "get");
    need(vk_ob_put_begin(s, vk_str_z(to), o.size, &p), "copy");
    need(vk_ob_put_copy(p, r, 0, o.size, NULL, NULL), "copy");
    if (vk_hex_decode(vk_str_z(o.etag), c.md5, 16) != VK_OK)
        die("the source has no MD5");
    need(vk_ob_put_commit(p, &c, NULL), "commit");
    vk_ob_reader_close(r);
    acknowledged(to, o.etag, began);
    vk_arena_free(a);
}

/* Files, small ones, each replaced by the other kind, and deletes; keys of its own. */
static void *many(void *arg)
{
    const char *name = arg;
    char key[32];
    for (unsigned i = 0; i < 16; i++) {
        snprintf(key, sizeof key, "%s/%u", name, i % 5);
        if (i % 7 == 6)
            del(key);
        else
            put(key, i % 3 ? 9000 + 300 * i : 100 * i, i);
    }
    return NULL;
}

static void work(char *a, char *b, char *c)
{
    pthread_t t[3];
    char *names[3] = {a, b, c};
    for (int i = 0; i < 3; i++)
        if (pthread_create(&t[i], NULL, many, names[i]) != 0)
            die("no thread");
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
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
static void die_in_a_commit(const char *key, size_t n, unsigned seed)
{
    static sqlite3_io_methods io;
    sqlite3_file *f = NULL;
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    char hex[33], *b = bytes_of(n, seed);
    md5_hex((vk_str){b, n}, c.md5, hex);
    printf("%s %s %lld never\n", key, hex, (long long)vk_clock_mono_ns());
    need(vk_ob_put_begin(s, vk_str_z(key), (int64_t)n, &p), "put");
    need(vk_ob_put_write(p, (vk_str){b, n}), "write");
    if (sqlite3_file_control(s->writer->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK ||
        !f->pMethods)
        die("there is no -wal");
    io = *f->pMethods;
    io.xSync = die_instead;
    f->pMethods = &io;
    need(vk_ob_put_commit(p, &c, NULL), "commit");
    die("the commit did not sync the -wal");
}

static int run(int root, const char *dir)
{
    open_store(root, dir);
    put("first", 20000, 1);
    many("alone");
    multipart("joined", 12000, 2);
    work("a", "b", "c");
    put("last", 30000, 3);
    del("first");
    /* A clean end, after which no start sweeps: what was removed must not come back. */
    vk_ob_close(s);
    open_store(root, dir);
    put("joined", 500, 4);
    copy("last", "copied");
    multipart("last", 15000, 5);
    work("a", "b", "d");
    del("copied");
    /* Enough to have SQLite write its -wal back. */
    for (unsigned i = 0; i < 420; i++)
        put(i % 2 ? "wal/1" : "wal/0", 7000 + i % 3, i);
    put("end", 9000, 6);
    put("race", 9000, 7);
    die_in_a_commit("race", 9500, 8);
    return 1;
}

/* ---- check */

static void tell(const char *key)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    uint8_t md5[16];
    char hex[33], *b;
    if (!a)
        die("no memory");
    need(vk_ob_get(s, a, vk_str_z(key), &o, &r), key);
    b = malloc((size_t)o.size + 1);
    for (int64_t at = 0; b && at < o.size;) {
        vk_ob_piece x;
        need(vk_ob_read(r, at, &x), key);
        if (x.fd < 0)
            memcpy(b + at, x.bytes, (size_t)x.n);
        else if (pread(x.fd, b + at, (size_t)x.n, (off_t)x.at) != x.n)
            die("a file is shorter than its row says");
        at += x.n;
    }
    if (!b)
        die("no memory");
    md5_hex((vk_str){b, (size_t)o.size}, md5, hex);
    if (!o.parts && strcmp(hex, o.etag) != 0)
        die("an object's bytes are not those of its ETag");
    printf("%s %s\n", key, hex);
    free(b);
    vk_ob_reader_close(r);
    vk_arena_free(a);
}

enum { KEYS_MAX = 200, KEY_ROOM = 32 };
static char keys[KEYS_MAX][KEY_ROOM];
static size_t n_keys;

static bool note(void *arg, const vk_ob_entry *e)
{
    VK_UNUSED(arg);
    snprintf(keys[n_keys++], KEY_ROOM, VK_STR_FMT, VK_STR_ARG(e->key));
    return n_keys < KEYS_MAX;
}

static int64_t files(void)
{
    int64_t n = 0;
    for (int i = 0; i < VK_OB_FOLDERS; i++) {
        const char name[2] = {"0123456789abcdef"[i], '\0'};
        int fd = openat(s->blobs_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        for (struct dirent *x; d && (x = readdir(d));)
            n += x->d_name[0] != '.';
        if (d)
            closedir(d);
    }
    return n;
}

static int check(int root, const char *dir)
{
    vk_ob_usage now, counted;
    bool more;
    int64_t rows = 0;
    open_store(root, dir);
    vk_ob_list l = {.max = KEYS_MAX - 1, .entry = note};
    need(vk_ob_list_keys(s, &l, &more), "list");
    for (size_t i = 0; i < n_keys; i++)
        tell(keys[i]);
    vk_ob_usage_now(s, &now);
    need(vk_ob_recount(s, &counted), "recount");
    if (memcmp(&now, &counted, sizeof now) != 0)
        die("usage is not what a count gives");
    sqlite3_stmt *st = vk_ob_st(s->writer, Q_BLOBS);
    while (vk_ob_step(st) == SQLITE_ROW)
        rows++;
    sqlite3_reset(st);
    if (rows != files())
        die("there are files that no row names, or rows without a file");
    put("after", 9000, 1); /* work goes on; its line has four words */
    vk_ob_close(s);
    return 0;
}

static int again(int root, const char *dir)
{
    open_store(root, dir);
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    if (!a)
        die("no memory");
    int64_t began = vk_clock_mono_ns();
    need(vk_ob_head(s, a, VK_STR("race"), &o), "race");
    acknowledged("race", o.etag, began);
    vk_arena_free(a);
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    put("race", 300, 1);
    del("race");
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return 2;
    return strcmp(argv[1], "run") == 0     ? run(root, argv[2])
           : strcmp(argv[1], "again") == 0 ? again(root, argv[2])
                                           : check(root, argv[2]);
}
