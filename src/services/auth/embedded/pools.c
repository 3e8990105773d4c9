#include "services/auth/embedded/pools.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"
#include "crypto/keypool.h"
#include "services/auth/call.h"
#include "services/auth/embedded/inside.h"
#include "services/export.h"
#include "store/copy.h"

#include <errno.h>
#include <unistd.h>

enum {
    KEYS_AHEAD = 4,
    KEY = 32,
    COLD_MAX = VK_AUTH_THREADS / 4, /* a first use computes a key: many of them hold up nobody who has one */
    PATH_ROOM = PATH_MAX + VK_BUILD_ID_MAX + 32,
};

struct vk_auth_pool {
    vk_strand strand; /* first */
    vk_auth_about about;
    vk_auth_origin_list *origins; /* under origins_mu */

    /* Of the strand. */
    vk_auth_db *db;
    vk_rsa *rsa;
    struct vk_auth_tokens *tokens;

    uint8_t code_key[KEY], lookup_key[KEY];
};

static vk_keypool *keys;
static uint8_t seal_key[VK_SEAL_KEY];
static pthread_mutex_t origins_mu = PTHREAD_MUTEX_INITIALIZER;

static vk_auth_pool *pool_of(vk_strand *s)
{
    return VK_CONTAINER(s, vk_auth_pool, strand);
}

/* ---- what a build's pool consists of */

/* A key of this build for one purpose. */
static void build_key(const vk_strand *s, const char *purpose, uint8_t out[KEY])
{
    char label[64 + VK_BUILD_ID_MAX];
    snprintf(label, sizeof label, "valetkey/auth/%s/v1/%s", purpose, s->build);
    vk_master_subkey(s->owner->rt->master, vk_str_z(label), out);
}

static vk_err about_of(const char *id, vk_auth_about *a)
{
    vk_str build = vk_str_z(id);
    snprintf(a->build, sizeof a->build, "%s", id);
    vk_err e = vk_auth_instance_id(build, a->instance);
    if (e == VK_OK)
        e = vk_auth_host(build, VK_AUTH_DOMAIN_USUAL, a->host);
    if (e == VK_OK)
        e = vk_auth_pk_make(vk_str_z(a->host), a->key);
    if (e != VK_OK)
        return e;
    snprintf(a->issuer, sizeof a->issuer, "https://%s", a->host);
    vk_auth_cookie_suffix(vk_str_z(a->key), a->suffix);
    return VK_OK;
}

static vk_err init(vk_strand *s)
{
    vk_auth_pool *p = pool_of(s);
    vk_err e = about_of(s->build, &p->about);
    if (e != VK_OK)
        return e;
    build_key(s, "code", p->code_key);
    build_key(s, "lookup", p->lookup_key);
    return VK_OK;
}

static void fini(vk_strand *s)
{
    vk_auth_origin_list_unref(pool_of(s)->origins);
}

static vk_err open_db(vk_strand *s, bool make)
{
    vk_auth_pool *p = pool_of(s);
    char path[PATH_ROOM], folder[64 + VK_BUILD_ID_MAX];
    snprintf(path, sizeof path, "%s/builds/%s/auth.db", s->owner->rt->data_dir, s->build);
    if (!make && access(path, F_OK) != 0)
        return vk_disk_err(errno);
    snprintf(folder, sizeof folder, "builds/%s", s->build);
    vk_err e = make ? vk_disk_mkdir(s->owner->rt->data_fd, folder, 0700) : VK_OK;
    return e == VK_OK ? vk_auth_db_open(path, s->build, &p->db) : e;
}

static void close_files(vk_strand *s)
{
    vk_auth_pool *p = pool_of(s);
    vk_auth_db_close(p->db);
    vk_rsa_free(p->rsa);
    vk_auth_tokens_free(p->tokens);
    p->db = NULL;
    p->rsa = NULL;
    p->tokens = NULL;
}

/* A job needs neither opening a file nor a new key. */
static bool warm(vk_strand *s)
{
    return pool_of(s)->rsa != NULL;
}

/* What fails here fails for whoever needs it, too. */
static bool tidy(vk_strand *s)
{
    vk_auth_pool *p = pool_of(s);
    bool more = false;
    vk_err e = vk_auth_db_begin(p->db);
    if (e == VK_OK)
        e = vk_auth_tidy(p->db, vk_clock_wall_ms(), &more);
    if (e == VK_OK)
        e = vk_auth_db_end(p->db);
    else
        vk_auth_db_undo(p->db);
    if (e != VK_OK)
        vk_log(VK_WARN, "a build's old sessions cannot be taken out", VK_F(build, s->build),
               VK_F(error, vk_err_name(e)));
    return more;
}

static bool tidy_due(vk_strand *s)
{
    return vk_auth_tidy_due(pool_of(s)->db);
}

static const vk_strand_kind kind = {
    .thread = "vk-auth",
    .size = sizeof(vk_auth_pool),
    .threads = VK_AUTH_THREADS,
    .cold_max = COLD_MAX,
    .jobs_max = VK_AUTH_JOBS_MAX,
    .batch = 1, /* a call's own transaction is its job */
    .open_max = VK_AUTH_OPEN_MAX,
    .files = VK_AUTH_FILES,
    .idle_ms = VK_AUTH_IDLE_MS,
    .tidy_ms = VK_AUTH_TIDY_MS,
    .init = init,
    .fini = fini,
    .open = open_db,
    .close = close_files,
    .warm = warm,
    .tidy = tidy,
    .tidy_due = tidy_due,
};
static vk_strands all = VK_STRANDS(&kind);

/* ---- pools */

static vk_auth_pool *or_null(vk_strand *s)
{
    return s ? pool_of(s) : NULL;
}

vk_auth_pool *vk_auth_pool_of(vk_tenant *t)
{
    return or_null(vk_strand_of(&all, t));
}

vk_auth_pool *vk_auth_pool_hold(vk_tenant *t)
{
    return or_null(vk_strand_hold(&all, t));
}

vk_auth_pool *vk_auth_pool_hold_id(const char *build)
{
    return or_null(vk_strand_hold_id(&all, build));
}

void vk_auth_pool_let_go(vk_auth_pool *p)
{
    vk_strand_let_go(&p->strand);
}

const vk_auth_about *vk_auth_pool_about(const vk_auth_pool *p)
{
    return &p->about;
}

bool vk_auth_pool_closing(const vk_auth_pool *p)
{
    return vk_strand_closing(&p->strand);
}

vk_secret vk_auth_pool_code_key(const vk_auth_pool *p)
{
    return vk_secret_of((vk_str){(const char *)p->code_key, KEY});
}

vk_secret vk_auth_pool_lookup_key(const vk_auth_pool *p)
{
    return vk_secret_of((vk_str){(const char *)p->lookup_key, KEY});
}

void vk_auth_origin_list_unref(vk_auth_origin_list *l)
{
    if (l && atomic_fetch_sub(&l->refs, 1) == 1)
        free(l);
}

vk_auth_origin_list *vk_auth_pool_origins(vk_auth_pool *p)
{
    pthread_mutex_lock(&origins_mu);
    vk_auth_origin_list *l = p->origins;
    if (l)
        atomic_fetch_add(&l->refs, 1);
    pthread_mutex_unlock(&origins_mu);
    return l;
}

void vk_auth_pool_keep_origins(vk_auth_pool *p, vk_auth_origin_list *l)
{
    pthread_mutex_lock(&origins_mu);
    vk_auth_origin_list *old = p->origins;
    p->origins = l;
    pthread_mutex_unlock(&origins_mu);
    vk_auth_origin_list_unref(old);
}

const vk_runtime *vk_auth_runtime(void)
{
    return all.rt;
}

int vk_auth_index(void)
{
    return all.index;
}

void vk_auth_close_build(const char *build, void (*done)(void *arg), void *arg)
{
    vk_strands_close_build(&all, build, done, arg);
}

void vk_auth_free_tenant(vk_tenant *t)
{
    vk_strands_free_tenant(&all, t);
}

/* ---- jobs */

static vk_strand_next run_job(vk_strand *s, vk_strand_job *sj)
{
    vk_auth_job *j = VK_CONTAINER(sj, vk_auth_job, job);
    VK_UNUSED(s);
    j->run(j);
    return VK_STRAND_GONE;
}

vk_err vk_auth_pool_submit(vk_auth_pool *p, vk_auth_job *j, bool again)
{
    j->job.run = run_job;
    return vk_strand_submit(&p->strand, &j->job, again);
}

/* The key of the build's tokens: read, or made at first use. Not inside of a transaction, whose end could
 * take it away again. */
static vk_err open_key(vk_auth_pool *p)
{
    vk_str instance = vk_str_z(p->about.instance), sealed;
    const vk_seal_place at = {.table = VK_STR("auth_keys"),
                              .record = instance,
                              .org = VK_STR(""),
                              .build = vk_str_z(p->about.build),
                              .version = 1,
                              .key_id = vk_master_kid(all.rt->master)};
    vk_rsa *key = NULL;
    vk_buf out;
    vk_arena *a = vk_arena_new(16384);
    if (!a)
        return VK_E_NOMEM;
    vk_buf_init(&out, 8192);
    vk_err e = vk_auth_key_get(p->db, a, instance, &sealed);
    if (e == VK_OK) {
        e = vk_rsa_open(seal_key, &at, sealed, &key);
        if (e == VK_E_CORRUPT)
            vk_log(VK_ERROR, "the key of a build's session tokens does not open with this master key",
                   VK_F(build, p->about.build));
    } else if (e == VK_E_NOT_FOUND) {
        e = vk_keypool_take(keys, &key);
        if (e == VK_OK)
            e = vk_rsa_seal(key, seal_key, &at, &out);
        if (e == VK_OK)
            e = vk_auth_key_add(p->db, instance, vk_buf_view(&out), vk_clock_wall_ms());
    }
    if (e == VK_OK)
        p->rsa = key;
    else
        vk_rsa_free(key);
    vk_buf_free(&out);
    vk_arena_free(a);
    return e;
}

vk_err vk_auth_pool_db(vk_auth_pool *p, bool make, vk_auth_db **out_r)
{
    vk_err e = vk_strand_open(&p->strand, make);
    if (e != VK_OK)
        return e;
    if (make && !p->rsa)
        e = open_key(p);
    *out_r = p->db;
    return e;
}

const vk_rsa *vk_auth_pool_rsa(const vk_auth_pool *p)
{
    return p->rsa;
}

struct vk_auth_tokens **vk_auth_pool_tokens(vk_auth_pool *p)
{
    return &p->tokens;
}

/* ---- export */

static vk_err copy(vk_strand *s, const char *path)
{
    int rc = vk_sqlite_copy_pages(pool_of(s)->db->db, path);
    return rc == SQLITE_OK ? VK_OK : (rc & 0xff) == SQLITE_FULL ? VK_E_FULL : VK_E_IO;
}

void vk_auth_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                    void *arg)
{
    static const vk_strand_file file = {.name = "auth.db",
                                        .label = "auth",
                                        .none = "This build has no users yet",
                                        .unreadable = "The build's users cannot be read",
                                        .copy = copy};
    vk_strand_export(&all, &file, build, done, arg);
}

/* ---- start and stop */

vk_err vk_auth_pools_start(vk_runtime *rt, int index)
{
    vk_master_subkey(rt->master, VK_STR("valetkey/auth/rsa/v1"), seal_key);
    vk_err e = vk_keypool_new(KEYS_AHEAD, true, &keys);
    if (e == VK_OK && (e = vk_strands_start(&all, rt, index)) != VK_OK) {
        vk_keypool_free(keys);
        keys = NULL;
    }
    return e;
}

void vk_auth_pools_stop(void)
{
    vk_strands_stop(&all);
    vk_keypool_free(keys);
    keys = NULL;
    vk_wipe(seal_key, sizeof seal_key);
}

void vk_auth_pools_count(vk_auth_pool_counts *out_r)
{
    vk_strand_counts c;
    vk_strands_count(&all, &c);
    *out_r = (vk_auth_pool_counts){.open = c.open, .opened = c.opened, .jobs = c.jobs, .refused = c.refused};
}
