/* What this machine's disk and SQLite do without valetkey: N threads, each with a SQLite file of its own
 * (WAL, synchronous=FULL), each inserting one row of about 70 bytes, or of so many, per commit.
 *
 *   yardstick FOLDER THREADS SECONDS [BYTES]      prints commits per second */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *folder;
static _Atomic bool stop, go;
static _Atomic long commits;
static char value[1 << 20];
static int n_value = 70;

static void check(int rc, const char *what)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "yardstick: %s: %s\n", what, sqlite3_errstr(rc));
    exit(1);
}

static void *insert(void *arg)
{
    char path[4096];
    sqlite3 *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof path, "%s/yardstick-%ld.db", folder, (long)(size_t)arg);
    check(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL),
          "open");
    check(sqlite3_exec(db,
                       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE n (id INTEGER PRIMARY "
                       "KEY, v TEXT)",
                       NULL, NULL, NULL),
          "set up");
    check(sqlite3_prepare_v2(db, "INSERT INTO n (v) VALUES (?1)", -1, &st, NULL), "prepare");
    while (!atomic_load(&go))
        usleep(1000);
    while (!atomic_load(&stop)) {
        sqlite3_bind_text(st, 1, value, n_value, SQLITE_STATIC);
        check(sqlite3_step(st), "insert");
        sqlite3_reset(st);
        atomic_fetch_add(&commits, 1);
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: yardstick FOLDER THREADS SECONDS [BYTES]\n");
        return 2;
    }
    folder = argv[1];
    long n = strtol(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    if (argc == 5)
        n_value = (int)strtol(argv[4], NULL, 10);
    pthread_t threads[256];
    if (n < 1 || n > 256 || n_value < 1 || n_value > (int)sizeof value)
        return 2;
    for (int i = 0; i < n_value; i++)
        value[i] = (char)('0' + i % 10);
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    for (long i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, insert, (void *)(size_t)i) != 0)
            return 1;
    usleep(500000);
    struct timespec a, b;
    atomic_store(&go, true);
    clock_gettime(CLOCK_MONOTONIC, &a);
    usleep((useconds_t)(seconds * 1e6));
    long done = atomic_load(&commits);
    clock_gettime(CLOCK_MONOTONIC, &b);
    atomic_store(&stop, true);
    printf("%.0f\n", (double)done / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
    for (long i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
