#include "services/storage/operator.h"

#include "core/clock.h"
#include "core/json_write.h"
#include "services/storage/embedded/leases.h"
#include "services/storage/s3name.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_MAX = 1000,
    KEYS_BODY_MAX = 8 << 20, /* 1,000 keys, each byte of them an escape */
    PIECE_MAX = 8 << 20,     /* so that the answer of a deleted build ends */
};

struct op;

typedef struct call {
    const char *method, *path; /* a '*' at the end stands for one more segment */
    size_t body_max;
    bool changes;
    bool (*prepare)(struct op *o); /* on the loop; false: answered. NULL: nothing to do */
    void (*run)(struct op *o);     /* on a thread. NULL: prepare has seen to all */
} call;

/* One call; in the exchange's arena. */
struct op {
    vk_s3_job job; /* first */
    vk_list node;  /* in holders */
    bool begun;    /* its body is there, and it is at work */
    vk_exchange *ex;
    const call *call;
    const char *id;
    vk_s3_build *b;
    vk_ob *store; /* on the thread; NULL: the build has stored nothing yet */
    vk_str arg;   /* what the '*' stands for */
    vk_str key, prefix, delimiter, after;
    int64_t max;
    bool recount;

    vk_err err;
    char why[VK_S3_OP_WHY];
    int status;
    vk_ob_reader *reader; /* the answer's body */
    int64_t size;
    vk_pieces pieces;
    int fd; /* the answer's body; -1: none */
};

/* ---- errors */

vk_err vk_s3_op_err(vk_ob_err e, const char **why_r)
{
    *why_r = vk_ob_errs[e].message;
    switch (e) {
    case VK_OB_OK:
        return VK_OK;
    case VK_OB_NO_SUCH_KEY:
        *why_r = "There is no such object";
        return VK_E_NOT_FOUND;
    case VK_OB_KEY_TOO_LONG:
        *why_r = "A key has at most 1,024 bytes";
        return VK_E_INVALID;
    case VK_OB_BAD_KEY:
        *why_r = "A key is UTF-8 without NUL, and none of its parts between slashes is \".\" or \"..\"";
        return VK_E_INVALID;
    case VK_OB_OUTSIDE:
        *why_r = "Keys that begin with \"builds/\" and another build's id are no keys of this build";
        return VK_E_FORBIDDEN;
    case VK_OB_TOO_LARGE:
        *why_r = "The object is larger than one object may be (--limit storage_object)";
        return VK_E_TOO_LARGE;
    case VK_OB_QUOTA:
        *why_r = "The build would have more bytes or objects than its quota allows; remove some, or raise it "
                 "(--limit storage_bytes, storage_objects)";
        return VK_E_FULL;
    case VK_OB_INCOMPLETE:
        *why_r = "Fewer bytes came than were announced; nothing was stored";
        return VK_E_INVALID;
    case VK_OB_BUSY:
        *why_r = "Too much is under way; try again in a moment";
        return VK_E_BUSY;
    case VK_OB_DISK_FULL:
        *why_r = "The disk is full; nothing was changed";
        return VK_E_FULL;
    case VK_OB_NOMEM:
        *why_r = "Out of memory; try again in a second";
        return VK_E_NOMEM;
    case VK_OB_CORRUPT:
        *why_r = "What is stored is damaged";
        return VK_E_CORRUPT;
    case VK_OB_NEWER:
        *why_r = "It was stored by a newer valetkey";
        return VK_E_INTERNAL;
    case VK_OB_IO:
        *why_r = "The disk refused (input/output error)";
        return VK_E_IO;
    default:
        return VK_E_INVALID;
    }
}

static void fail(struct op *o, vk_err e, const char *why)
{
    o->err = e;
    snprintf(o->why, sizeof o->why, "%s.", why);
}

static void fail_ob(struct op *o, vk_ob_err e)
{
    const char *why;
    vk_err kind = vk_s3_op_err(e, &why);
    fail(o, kind, why);
}

/* ---- what is asked; on the loop */

static bool refuse(struct op *o, vk_err e, const char *why)
{
    (void)vk_service_refuse(o->ex, e, "%s.", why);
    return false;
}

static bool refuse_ob(struct op *o, vk_ob_err e)
{
    const char *why;
    vk_err kind = vk_s3_op_err(e, &why);
    return refuse(o, kind, why);
}

/* A parameter of the query; empty when it is not there. */
static bool param(struct op *o, const char *name, vk_str *out_r)
{
    vk_str query = o->ex->query, pair, key;
    bool found = false;
    *out_r = VK_STR("");
    for (bool more = query.n > 0; more;) {
        more = vk_str_cut(&query, '&', &pair);
        vk_str value = more ? pair : query;
        if (!vk_str_cut(&value, '=', &key) || !vk_str_eqz(key, name))
            continue;
        if (found)
            return refuse(o, VK_E_INVALID, "A parameter of the query stands twice");
        found = true;
        if (vk_s3_decode_query(o->ex->arena, value, out_r) != VK_S3_OK)
            return refuse(o, VK_E_INVALID, "The query cannot be decoded");
    }
    return true;
}

static bool read_key(struct op *o)
{
    vk_ob_scoped s;
    vk_str key;
    if (!param(o, "key", &key))
        return false;
    if (!key.n)
        return refuse(o, VK_E_INVALID, "\"key\" is missing");
    vk_ob_err e = vk_ob_scope(o->id, key, &s);
    if (e != VK_OB_OK)
        return refuse_ob(o, e);
    o->key = s.key;
    return true;
}

static bool read_list(struct op *o)
{
    vk_str max;
    if (!param(o, "prefix", &o->prefix) || !param(o, "delimiter", &o->delimiter) ||
        !param(o, "after", &o->after) || !param(o, "max", &max))
        return false;
    o->max = PAGE_MAX;
    if (max.n && (vk_str_to_i64(max, &o->max) != VK_OK || o->max < 1 || o->max > PAGE_MAX))
        return refuse(o, VK_E_INVALID, "\"max\" must be a number from 1 to 1000");
    return true;
}

static bool read_usage(struct op *o)
{
    vk_str v;
    if (!param(o, "recount", &v))
        return false;
    o->recount = vk_str_eqz(v, "1");
    return !v.n || o->recount || refuse(o, VK_E_INVALID, "\"recount\" can only be 1");
}

static bool read_put(struct op *o)
{
    vk_exchange *ex = o->ex;
    vk_str length = vk_request_header(ex, VK_STR("Content-Length"));
    int64_t size = vk_request_header(ex, VK_STR("Transfer-Encoding")).p ? -1 : 0;
    if (!read_key(o))
        return false;
    if (length.p && vk_str_to_i64(length, &size) != VK_OK)
        return refuse_ob(o, VK_OB_TOO_LARGE);
    if (ex->content_type.n > 255)
        return refuse(o, VK_E_INVALID, "The content type is longer than 255 bytes");
    ex->body_max = SIZE_MAX; /* the store says what is too large, with a better reason */
    return vk_s3_op_put_begin(ex, o->b, o->key, size, ex->content_type) || refuse_ob(o, VK_OB_NOMEM);
}

/* ---- calls; on a thread */

struct page {
    struct op *o;
    vk_ob_scoped_list scope;
    vk_jw w;
    vk_buf prefixes; /* the second array, while the first is written */
    vk_jw p;
    vk_buf last;
    vk_buf key;
};

static vk_str shown(struct page *p, vk_str key)
{
    vk_buf_clear(&p->key);
    if (p->scope.prefixed) {
        vk_buf_lit(&p->key, "builds/");
        vk_buf_z(&p->key, p->o->id);
        vk_buf_ch(&p->key, '/');
    }
    vk_buf_str(&p->key, key);
    return vk_buf_view(&p->key);
}

static bool entry(void *arg, const vk_ob_entry *e)
{
    struct page *p = arg;
    char time[VK_CLOCK_TEXT];
    vk_str key = shown(p, e->key);
    vk_buf_clear(&p->last);
    vk_buf_str(&p->last, key);
    if (e->prefix) {
        vk_jw_str(&p->p, key);
        return true;
    }
    vk_clock_text(e->mtime_ms, time);
    vk_jw_obj(&p->w);
    vk_jw_kstr(&p->w, "key", key);
    vk_jw_ki64(&p->w, "bytes", e->size);
    vk_jw_kstr(&p->w, "modified", vk_str_z(time));
    vk_jw_kstr(&p->w, "etag", e->etag);
    vk_jw_obj_end(&p->w);
    return true;
}

static bool first_only(void *arg, const vk_ob_entry *e)
{
    VK_UNUSED(e);
    *(bool *)arg = true;
    return false;
}

static vk_ob_err read_page(struct page *p, bool *more_r)
{
    struct op *o = p->o;
    bool any = false;
    vk_ob_list l = {.prefix = p->scope.prefix,
                    .delimiter = o->delimiter,
                    .after = p->scope.after,
                    .max = (size_t)o->max,
                    .skip_empty = p->scope.skip_empty,
                    .arg = p,
                    .entry = entry};
    *more_r = false;
    if (p->scope.nothing || !o->store)
        return VK_OB_OK;
    if (!p->scope.folder.n)
        return vk_ob_list_keys(o->store, &l, more_r);
    l = (vk_ob_list){.prefix = p->scope.prefix,
                     .max = 1,
                     .skip_empty = p->scope.skip_empty,
                     .arg = &any,
                     .entry = first_only};
    vk_ob_err e = vk_ob_list_keys(o->store, &l, more_r);
    *more_r = false;
    if (any)
        vk_jw_str(&p->p, p->scope.folder);
    return e;
}

static void list(struct op *o)
{
    struct page p = {.o = o, .w = vk_jw_on(&o->ex->out)};
    bool more = false;
    vk_ob_err e = vk_ob_scope_list(o->id, o->prefix, o->delimiter, o->after, &p.scope);
    if (e != VK_OB_OK) {
        fail_ob(o, e);
        return;
    }
    vk_buf_init(&p.prefixes, VK_EX_OUT_MAX);
    vk_buf_init(&p.last, 2 * VK_OB_KEY_MAX);
    vk_buf_init(&p.key, 2 * VK_OB_KEY_MAX);
    p.p = vk_jw_on(&p.prefixes);
    vk_jw_obj(&p.w);
    vk_jw_key(&p.w, VK_STR("objects"));
    vk_jw_arr(&p.w);
    vk_jw_arr(&p.p);
    e = read_page(&p, &more);
    vk_jw_arr_end(&p.w);
    vk_jw_arr_end(&p.p);
    vk_jw_key(&p.w, VK_STR("prefixes"));
    vk_jw_raw(&p.w, vk_buf_view(&p.prefixes));
    if (more)
        vk_jw_kstr(&p.w, "next", vk_buf_view(&p.last));
    vk_jw_obj_end(&p.w);
    if (e == VK_OB_OK && (p.prefixes.err != VK_OK || p.last.err != VK_OK || p.key.err != VK_OK))
        e = VK_OB_NOMEM;
    vk_buf_free(&p.prefixes);
    vk_buf_free(&p.last);
    vk_buf_free(&p.key);
    if (e != VK_OB_OK)
        fail_ob(o, e);
}

static void get(struct op *o)
{
    vk_ob_object x;
    vk_ob_err e = o->store ? vk_ob_get(o->store, o->ex->arena, o->key, &x, &o->reader) : VK_OB_NO_SUCH_KEY;
    if (e != VK_OB_OK)
        fail_ob(o, e);
    else
        o->size = x.size;
}

static void put_usage(vk_jw *w, const vk_ob_usage *u)
{
    vk_jw_ki64(w, "bytes", u->bytes);
    vk_jw_ki64(w, "objects", u->objects);
    vk_jw_ki64(w, "upload_bytes", u->part_bytes);
    vk_jw_ki64(w, "uploads", u->uploads);
}

static void usage(struct op *o)
{
    vk_ob_usage now = {.bytes = 0}, counted = {.bytes = 0};
    vk_ob_quota q = vk_s3b_quota();
    vk_ob_err e = VK_OB_OK;
    if (o->store)
        vk_ob_usage_now(o->store, &now);
    if (o->store && o->recount)
        e = vk_ob_recount(o->store, &counted);
    if (e != VK_OB_OK) {
        fail_ob(o, e);
        return;
    }
    vk_jw w = vk_jw_on(&o->ex->out);
    vk_jw_obj(&w);
    put_usage(&w, &now);
    vk_jw_key(&w, VK_STR("quota"));
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "bytes", q.bytes);
    vk_jw_ki64(&w, "objects", q.objects);
    vk_jw_ki64(&w, "object_bytes", q.object_bytes);
    vk_jw_ki64(&w, "uploads", q.uploads);
    vk_jw_obj_end(&w);
    if (o->recount) {
        vk_jw_key(&w, VK_STR("recount"));
        vk_jw_obj(&w);
        put_usage(&w, &counted);
        vk_jw_kbool(&w, "equal", memcmp(&now, &counted, sizeof now) == 0);
        vk_jw_obj_end(&w);
    }
    vk_jw_obj_end(&w);
}

/* The keys of {"keys":[…]}. NULL: told. */
static vk_ob_delete *read_keys(struct op *o, size_t *n_r)
{
    vk_json *j;
    vk_err e = vk_json_parse(o->ex->arena, vk_buf_view(&o->ex->body), &j, NULL, NULL);
    const vk_json *keys = e == VK_OK ? vk_json_get(j, VK_STR("keys")) : NULL;
    if (!keys || keys->type != VK_JSON_ARRAY || keys->count > VK_OB_DELETE_MAX || j->count != 1) {
        fail(o, VK_E_INVALID, "The body must be {\"keys\":[…]} with at most 1,000 keys");
        return NULL;
    }
    vk_ob_delete *d = vk_arena_calloc(o->ex->arena, sizeof *d * (keys->count + 1));
    if (!d) {
        fail_ob(o, VK_OB_NOMEM);
        return NULL;
    }
    *n_r = 0;
    for (const vk_json *k = keys->u.child; k; k = k->next) {
        vk_ob_err bad = VK_OB_BAD_KEY;
        vk_ob_scoped s;
        if (k->type == VK_JSON_STRING)
            bad = vk_ob_scope(o->id, k->u.s, &s);
        if (bad != VK_OB_OK) { /* all or none */
            fail_ob(o, bad);
            return NULL;
        }
        d[(*n_r)++] = (vk_ob_delete){.key = s.key, .if_match = VK_STR("")};
    }
    return d;
}

static void delete_keys(struct op *o)
{
    size_t n = 0, removed = 0;
    vk_ob_delete *d = read_keys(o, &n);
    if (!d)
        return;
    vk_ob_err e = o->store && n ? vk_ob_delete_keys(o->store, d, n) : VK_OB_OK;
    vk_jw w = vk_jw_on(&o->ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("absent"));
    vk_jw_arr(&w);
    for (size_t i = 0; e == VK_OB_OK && i < n; i++) {
        if (d[i].result != VK_OB_OK)
            e = d[i].result;
        removed += d[i].was_there;
        if (!d[i].was_there)
            vk_jw_str(&w, d[i].key);
    }
    vk_jw_arr_end(&w);
    vk_jw_ki64(&w, "removed", (int64_t)removed);
    vk_jw_obj_end(&w);
    if (e != VK_OB_OK)
        fail_ob(o, e);
}

/* ---- for backups */

static void put_lease(struct op *o, const char *id)
{
    vk_jw w = vk_jw_on(&o->ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "lease", vk_str_z(id));
    vk_jw_ki64(&w, "seconds", VK_S3_LEASE_MS / 1000);
    vk_jw_obj_end(&w);
}

static void take_lease(struct op *o)
{
    char id[VK_S3_LEASE_ID];
    vk_ob_err e = o->store ? vk_s3_lease_take(o->b, o->store, id) : VK_OB_NO_SUCH_KEY;
    if (e == VK_OB_NO_SUCH_KEY)
        fail(o, VK_E_NOT_FOUND, "The build has stored nothing yet");
    else if (e != VK_OB_OK)
        fail_ob(o, e);
    else
        put_lease(o, id);
    o->status = 201;
}

static void renew_lease(struct op *o)
{
    char id[VK_S3_LEASE_ID];
    if (vk_s3_lease_renew(o->id, o->arg)) {
        snprintf(id, sizeof id, VK_STR_FMT, VK_STR_ARG(o->arg));
        put_lease(o, id);
    } else {
        fail(o, VK_E_NOT_FOUND, "This lease is over");
    }
}

static void end_lease(struct op *o)
{
    if (vk_s3_lease_end(o->id, o->arg))
        o->status = 204;
    else
        fail(o, VK_E_NOT_FOUND, "This lease is over");
}

static void copy(struct op *o)
{
    char name[64], path[PATH_MAX + 64];
    struct stat st;
    const vk_runtime *rt = ((const vk_worker *)o->ex->server->ctx)->rt;
    vk_err e = vk_s3_archive_file(rt->data_fd, name);
    if (e == VK_OK) {
        snprintf(path, sizeof path, "%s/%s", rt->data_dir, name);
        vk_ob_err ob = o->store ? vk_ob_copy_index(o->store, path) : VK_OB_NO_SUCH_KEY;
        if (ob == VK_OB_OK)
            o->fd = openat(rt->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        else
            fail_ob(o, ob);
        unlinkat(rt->data_fd, name, 0);
    }
    if (o->err != VK_OK)
        return;
    if (o->fd < 0 || fstat(o->fd, &st) != 0)
        fail(o, e == VK_E_FULL ? e : VK_E_IO, "The copy cannot be made in the data folder");
    else
        o->size = st.st_size;
}

static const call calls[] = {
    {"GET", "objects", 0, false, read_list, list},
    {"GET", "object", 0, false, read_key, get},
    {"PUT", "object", 0, true, read_put, NULL},
    {"POST", "objects/delete", KEYS_BODY_MAX, true, NULL, delete_keys},
    {"GET", "usage", 0, false, read_usage, usage},
    {"GET", "copy", 0, false, NULL, copy},
    {"POST", "leases", 0, false, NULL, take_lease},
    {"POST", "leases/*", 0, false, NULL, renew_lease},
    {"DELETE", "leases/*", 0, false, NULL, end_lease},
};

/* ---- the answer */

static vk_err next_piece(vk_pieces *p, int64_t at, vk_piece *out_r)
{
    const struct op *o = VK_CONTAINER(p, struct op, pieces);
    vk_ob_piece x;
    if (vk_s3b_closing(o->b))
        return VK_E_UNAVAILABLE;
    if (vk_ob_read(o->reader, at, &x) != VK_OB_OK)
        return VK_E_IO;
    *out_r = (vk_piece){.fd = x.fd, .at = x.at, .n = x.n > PIECE_MAX ? PIECE_MAX : x.n, .bytes = x.bytes};
    return VK_OK;
}

static void pieces_over(vk_pieces *p)
{
    struct op *o = VK_CONTAINER(p, struct op, pieces);
    vk_s3b_close_reader(o->b, o->reader);
    o->reader = NULL;
}

static void answer(vk_exchange *ex)
{
    struct op *o = ex->principal;
    if (o->err == VK_OK && o->reader &&
        vk_header_add(ex, "Content-Disposition", VK_STR("attachment")) != VK_OK)
        fail_ob(o, VK_OB_NOMEM);
    if (o->err != VK_OK) {
        (void)vk_service_refuse(ex, o->err, "%s", o->why);
    } else if (o->reader) {
        o->pieces = (vk_pieces){next_piece, pieces_over};
        vk_respond_pieces(ex, 200, "application/octet-stream", o->size, &o->pieces);
    } else if (o->fd >= 0) {
        int fd = o->fd;
        o->fd = -1;
        vk_respond_file(ex, 200, "application/octet-stream", fd, 0, o->size);
    } else {
        vk_respond(ex, o->status, "application/json");
    }
}

static void run(vk_s3_job *j)
{
    struct op *o = VK_CONTAINER(j, struct op, job);
    vk_ob_err e = vk_s3b_store(o->b, false, &o->store);
    if (e == VK_OB_NO_SUCH_KEY)
        o->store = NULL;
    if (e == VK_OB_OK || e == VK_OB_NO_SUCH_KEY)
        o->call->run(o);
    else
        fail_ob(o, e);
    vk_exchange_post(o->ex, answer);
}

/* Of each loop, the calls that hold a build. */
static vk_list holders[VK_LOOPS_MAX];

static void let_go(void *arg)
{
    struct op *o = arg;
    vk_list_remove(&o->node);
    if (o->b)
        vk_s3b_close_reader(o->b, o->reader);
    if (o->fd >= 0)
        close(o->fd);
    if (o->b)
        vk_s3b_let_go(o->b);
}

static bool fits(const call *c, vk_str rest, vk_str *arg_r)
{
    size_t n = strlen(c->path);
    if (c->path[n - 1] != '*')
        return vk_str_eqz(rest, c->path);
    if (rest.n < n || memcmp(rest.p, c->path, n - 1) != 0)
        return false;
    *arg_r = (vk_str){rest.p + n - 1, rest.n - n + 1};
    return !memchr(arg_r->p, '/', arg_r->n);
}

static bool find_call(struct op *o, vk_str rest)
{
    bool path = false, reads = vk_str_eq(o->ex->method, VK_STR("HEAD"));
    for (size_t i = 0; i < VK_COUNT(calls) && !o->call; i++) {
        bool fit = fits(&calls[i], rest, &o->arg);
        path = path || fit;
        if (fit && vk_str_eqz(reads ? VK_STR("GET") : o->ex->method, calls[i].method))
            o->call = &calls[i];
    }
    return o->call || refuse(o, path ? VK_E_METHOD : VK_E_NOT_FOUND,
                             path ? "This path takes other methods (docs/openapi.yaml)"
                                  : "The storage service has no such call (docs/openapi.yaml)");
}

/* What backups ask for is about our files, which are there (CORS rules) whoever has the objects. */
static bool is_backups(const call *c)
{
    return strcmp(c->path, "copy") == 0 || strncmp(c->path, "leases", 6) == 0;
}

static vk_err head(vk_exchange *ex, const char *build, vk_str rest)
{
    vk_build b;
    struct op *o = VK_NEW(ex->arena, struct op);
    if (!o)
        return vk_service_refuse(ex, VK_E_NOMEM, "Out of memory; try again in a second.");
    o->ex = ex;
    o->id = build;
    o->fd = -1;
    o->status = 200;
    ex->principal = o;
    if (!find_call(o, rest))
        return VK_E_NOT_FOUND;
    vk_list *all = &holders[ex->loop->index];
    if (!all->next)
        vk_list_init(all);
    vk_list_init(&o->node);
    o->b = vk_s3b_hold_id(build);
    if (!o->b || vk_arena_cleanup(ex->arena, let_go, o) != VK_OK) {
        if (o->b)
            vk_s3b_let_go(o->b);
        return vk_service_refuse(
            ex, VK_E_CONFLICT, "The build \"%s\" is being revoked or deleted; try again in a second.", build);
    }
    vk_list_push(all, &o->node);
    vk_err e = vk_service_build(ex, build, &b);
    if (e != VK_OK)
        return e;
    if (!is_backups(o->call) && (e = vk_service_embedded(ex, "storage", build)) != VK_OK)
        return e;
    if (o->call->changes && b.state == VK_BUILD_REVOKED)
        return vk_service_refuse(
            ex, VK_E_CONFLICT, "The build \"%s\" was revoked: its data stays as it is; it can be downloaded.",
            build);
    ex->body_max = o->call->body_max;
    return !o->call->prepare || o->call->prepare(o) ? VK_OK : VK_E_INVALID;
}

static void request(vk_exchange *ex)
{
    struct op *o = ex->principal;
    o->begun = true;
    if (!o->call->run) {
        vk_s3_op_put_end(ex);
        return;
    }
    o->job.run = run;
    if (vk_s3b_submit(o->b, &o->job) != VK_OK)
        (void)refuse_ob(o, VK_OB_BUSY);
}

void vk_s3_op_end_transfers(int loop)
{
    vk_list *all = &holders[loop], *next;
    for (vk_list *n = all->next; all->next && n != all; n = next) {
        struct op *o = VK_CONTAINER(n, struct op, node);
        next = n->next;
        if (!vk_s3b_closing(o->b))
            continue;
        if (o->ex->answered)
            vk_exchange_cut(o->ex);
        else if (!o->call->run)
            vk_s3_op_put_end_early(o->ex);
        else if (!o->begun) /* a job that is under way ends by itself */
            (void)vk_service_refuse(o->ex, VK_E_CONFLICT, "The build \"%s\" is being revoked or deleted.",
                                    o->id);
    }
}

const vk_operator vk_s3_operator = {.head = head, .request = request};
