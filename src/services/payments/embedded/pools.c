#include "services/payments/embedded/pools.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "crypto/digest.h"
#include "services/export.h"
#include "services/payments/call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PATH_ROOM = PATH_MAX + VK_BUILD_ID_MAX + 32, PREFIX = 5, ACCOUNT_RANDOM = 16 };

struct vk_pay_pool {
    vk_strand strand; /* first */
    vk_pay_about about;
    /* Of the strand. */
    vk_pay_db *db;
    bool make;   /* of the job that runs */
    vk_err lost; /* the batch's transaction is gone before its end, for this reason */
};

static uint8_t account_key[VK_SHA256];

static vk_pay_pool *pool_of(vk_strand *s)
{
    return VK_CONTAINER(s, vk_pay_pool, strand);
}

/* ---- what a build's pool consists of */

/* "acct_" and characters of an HMAC: the same for ever, and nobody can tell the build from it. */
static void account_of(const char *build, char out[22])
{
    uint8_t mac[VK_SHA256];
    const vk_str bytes = {(const char *)mac, sizeof mac};
    size_t n = 0;
    vk_hmac((vk_str){(const char *)account_key, sizeof account_key}, vk_str_z(build), mac);
    for (;;) {
        n += vk_base62_fill(out + PREFIX + n, ACCOUNT_RANDOM - n, mac, sizeof mac);
        if (n == ACCOUNT_RANDOM)
            break;
        vk_sha256(bytes, mac); /* as good as never: half of the bytes did not fit */
    }
    memcpy(out, "acct_", PREFIX);
    out[PREFIX + ACCOUNT_RANDOM] = 0;
}

static vk_err init(vk_strand *s)
{
    vk_pay_pool *p = pool_of(s);
    snprintf(p->about.build, sizeof p->about.build, "%s", s->build);
    snprintf(p->about.business, sizeof p->about.business, "%s", s->build);
    account_of(s->build, p->about.account);
    return VK_OK;
}

static vk_err open_db(vk_strand *s, bool make)
{
    vk_pay_pool *p = pool_of(s);
    char path[PATH_ROOM], folder[64 + VK_BUILD_ID_MAX];
    snprintf(path, sizeof path, "%s/builds/%s/payments.db", s->owner->rt->data_dir, s->build);
    if (!make && access(path, F_OK) != 0)
        return vk_disk_err(errno);
    snprintf(folder, sizeof folder, "builds/%s", s->build);
    vk_err e = make ? vk_disk_mkdir(s->owner->rt->data_fd, folder, 0700) : VK_OK;
    return e == VK_OK ? vk_pay_db_open(path, s->build, &p->db) : e;
}

static void close_db(vk_strand *s)
{
    vk_pay_pool *p = pool_of(s);
    if (p->db)
        vk_pay_db_close(p->db);
    p->db = NULL;
}

static bool tidy(vk_strand *s)
{
    vk_pay_pool *p = pool_of(s);
    bool more = false;
    vk_err e = vk_pay_db_begin(p->db);
    if (e == VK_OK) {
        e = vk_pay_tidy(p->db, vk_clock_wall_ms(), &more);
        if (e == VK_OK)
            e = vk_pay_db_end(p->db);
        if (e != VK_OK)
            vk_pay_db_undo(p->db);
    }
    if (e != VK_OK)
        vk_log(VK_WARN, "a build's old events cannot be taken out", VK_F(build, s->build),
               VK_F(error, vk_err_name(e)));
    return e == VK_OK && more;
}

static bool in_transaction(const vk_pay_pool *p)
{
    return p->db && vk_pay_db_open_part(p->db);
}

static vk_err batch_end(vk_strand *s)
{
    vk_pay_pool *p = pool_of(s);
    vk_err e = p->lost;
    if (e == VK_OK && in_transaction(p))
        e = vk_pay_db_end(p->db);
    if (e != VK_OK && p->db)
        vk_pay_db_undo(p->db);
    if (e != VK_OK)
        vk_log(VK_ERROR, "a build's payments cannot be stored", VK_F(build, s->build),
               VK_F(error, vk_err_name(e)));
    p->lost = VK_OK;
    return e;
}

static const vk_strand_kind kind = {
    .thread = "vk-payments",
    .size = sizeof(vk_pay_pool),
    .threads = VK_PAY_THREADS,
    .cold_max = VK_PAY_THREADS / 2,
    .jobs_max = VK_PAY_JOBS_MAX,
    .batch = VK_STRAND_BATCH_MAX,
    .open_max = VK_PAY_OPEN_MAX,
    .files = VK_PAY_FILES,
    .idle_ms = VK_PAY_IDLE_MS,
    .tidy_ms = VK_PAY_TIDY_MS,
    .init = init,
    .open = open_db,
    .close = close_db,
    .batch_end = batch_end,
    .tidy = tidy,
};
static vk_strands all = VK_STRANDS(&kind);

/* ---- pools */

/* The strand is the pool's first member. */
static vk_pay_pool *or_null(vk_strand *s)
{
    return s ? pool_of(s) : NULL;
}

vk_pay_pool *vk_pay_pool_of(vk_tenant *t)
{
    return or_null(vk_strand_of(&all, t));
}

vk_pay_pool *vk_pay_pool_hold(vk_tenant *t)
{
    return or_null(vk_strand_hold(&all, t));
}

vk_pay_pool *vk_pay_pool_hold_id(const char *build)
{
    return or_null(vk_strand_hold_id(&all, build));
}

void vk_pay_pool_let_go(vk_pay_pool *p)
{
    vk_strand_let_go(&p->strand);
}

const vk_pay_about *vk_pay_pool_about(const vk_pay_pool *p)
{
    return &p->about;
}

bool vk_pay_pool_closing(const vk_pay_pool *p)
{
    return vk_strand_closing(&p->strand);
}

vk_err vk_pay_pool_db(vk_pay_pool *p, vk_pay_db **out_r)
{
    vk_err e = vk_strand_open(&p->strand, p->make);
    if (e == VK_OK)
        *out_r = p->db;
    return e;
}

const vk_runtime *vk_pay_runtime(void)
{
    return all.rt;
}

int vk_pay_index(void)
{
    return all.index;
}

void vk_pay_close_build(const char *build, void (*done)(void *arg), void *arg)
{
    vk_strands_close_build(&all, build, done, arg);
}

void vk_pay_free_tenant(vk_tenant *t)
{
    vk_strands_free_tenant(&all, t);
}

/* ---- jobs */

static vk_strand_next finished(vk_pay_job *j, vk_err e)
{
    j->done(j, e);
    return VK_STRAND_GONE;
}

/* Its part of the transaction, which is kept or dropped. */
static vk_err run_part(vk_pay_pool *p, vk_pay_job *j)
{
    vk_err e = vk_pay_db_mark(p->db);
    if (e != VK_OK)
        return e;
    e = j->run(j);
    if (e == VK_OK)
        e = vk_pay_db_keep(p->db);
    if (e != VK_OK && in_transaction(p))
        vk_pay_db_drop(p->db);
    return e;
}

static vk_strand_next run_job(vk_strand *s, vk_strand_job *sj)
{
    vk_pay_job *j = VK_CONTAINER(sj, vk_pay_job, job);
    vk_pay_pool *p = pool_of(s);
    vk_err e = VK_OK;
    p->make = j->make;
    if (!j->reads && !in_transaction(p)) {
        e = vk_strand_open(s, j->make);
        if (e == VK_E_NOT_FOUND && !j->make)
            return finished(j, j->run(j)); /* there is nothing that it could change */
        if (e == VK_OK)
            e = vk_pay_db_begin(p->db);
        if (e != VK_OK)
            return finished(j, e);
    }
    if (!in_transaction(p))
        return finished(j, j->run(j));
    e = j->reads ? j->run(j) : run_part(p, j);
    j->e = e;
    if (in_transaction(p))
        return VK_STRAND_WAITS;
    /* An error of the disk or of memory may end the whole of it: https://www.sqlite.org/lang_transaction.html
     */
    p->lost = e == VK_OK ? VK_E_IO : e;
    return VK_STRAND_ENDS;
}

static void job_done(vk_strand *s, vk_strand_job *sj, vk_err e)
{
    vk_pay_job *j = VK_CONTAINER(sj, vk_pay_job, job);
    VK_UNUSED(s);
    j->done(j, e == VK_OK ? j->e : e);
}

vk_err vk_pay_pool_submit(vk_pay_pool *p, vk_pay_job *j, bool again)
{
    j->job = (vk_strand_job){.run = run_job, .done = job_done, .alone = j->alone};
    return vk_strand_submit(&p->strand, &j->job, again);
}

/* ---- export */

static vk_err copy(vk_strand *s, const char *path)
{
    return vk_pay_db_copy(pool_of(s)->db, path);
}

void vk_pay_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                   void *arg)
{
    static const vk_strand_file file = {.name = "payments.db",
                                        .label = "payments",
                                        .none = "This build has no payments yet",
                                        .unreadable = "The build's payments cannot be read",
                                        .copy = copy};
    vk_strand_export(&all, &file, build, done, arg);
}

/* ---- which builds have one */

/* Puts a name among the least ones, in order; at most `room` of them. */
static size_t keep_least(char (*names)[VK_BUILD_ID_MAX + 1], size_t n, size_t room, const char *name)
{
    size_t at = n;
    while (at && strcmp(names[at - 1], name) > 0)
        at--;
    if (at == room)
        return n; /* there are enough before it */
    n += n < room;
    memmove(names[at + 1], names[at], (n - at - 1) * sizeof *names);
    memcpy(names[at], name, strlen(name) + 1);
    return n;
}

size_t vk_pay_builds_with_data(const char *after, char (*names)[VK_BUILD_ID_MAX + 1], size_t room)
{
    int fd = openat(all.rt->data_fd, "builds", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    size_t n = 0;
    if (!d) {
        if (errno != ENOENT)
            vk_log(VK_WARN, "the folder of the builds cannot be read",
                   VK_F(error, vk_err_name(vk_disk_err(errno))));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char path[VK_BUILD_ID_MAX + 32];
        if (entry->d_name[0] == '.' || strlen(entry->d_name) > VK_BUILD_ID_MAX ||
            strcmp(entry->d_name, after) <= 0)
            continue;
        snprintf(path, sizeof path, "%s/payments.db", entry->d_name);
        if (faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            n = keep_least(names, n, room, entry->d_name);
    }
    closedir(d);
    return n;
}

/* ---- start and stop */

vk_err vk_pay_pools_start(vk_runtime *rt, int index)
{
    vk_master_subkey(rt->master, VK_STR("valetkey/payments/account/v1"), account_key);
    return vk_strands_start(&all, rt, index);
}

void vk_pay_pools_stop(void)
{
    vk_strands_stop(&all);
    vk_wipe(account_key, sizeof account_key);
}

void vk_pay_pools_count(vk_pay_pool_counts *out_r)
{
    vk_strand_counts c;
    vk_strands_count(&all, &c);
    *out_r = (vk_pay_pool_counts){
        .open = c.open, .opened = c.opened, .jobs = c.jobs, .refused = c.refused, .commits = c.batches};
}
