/* Listings: objects (V1, V2, versions), uploads, parts. On a thread. */
#include "services/storage/front.h"

#include "services/storage/s3token.h"

/* The key of continuation tokens: of the master, so that a listing goes on after a restart. */
static uint8_t token_key[VK_S3_TOKEN_KEY];

void vk_s3_list_start(const vk_runtime *rt)
{
    vk_master_subkey(rt->master, VK_STR("valetkey/storage-token/v1"), token_key);
}

/* ---- objects */

struct page {
    vk_s3_req *q;
    vk_arena *a;
    vk_ob_scoped_list scope;
    vk_str prefix, delimiter; /* as the client sent them */
    size_t max;
    vk_s3w_object *objects;
    vk_s3w_prefix *prefixes;
    size_t n_objects, n_prefixes;
    vk_str last; /* in the client's form */
    vk_str owner;
    bool full_memory, truncated;
};

/* As the client writes keys. */
static vk_str shown(struct page *p, vk_str key)
{
    const vk_tenant *t = p->q->ex->principal;
    vk_str s = p->scope.prefixed ? vk_arena_printf(p->a, "builds/%s/" VK_STR_FMT, t->id, VK_STR_ARG(key))
                                 : vk_arena_dup(p->a, key);
    p->full_memory = p->full_memory || !s.p;
    return s;
}

static bool entry(void *arg, const vk_ob_entry *e)
{
    struct page *p = arg;
    vk_str key = shown(p, e->key);
    p->last = key;
    if (e->prefix) {
        p->prefixes[p->n_prefixes++] = (vk_s3w_prefix){key};
        return !p->full_memory;
    }
    vk_str etag = vk_arena_dup(p->a, e->etag);
    p->objects[p->n_objects++] = (vk_s3w_object){.key = key,
                                                 .mtime_ms = e->mtime_ms,
                                                 .etag = etag,
                                                 .sum_algo = vk_s3_sum_name(e->sum_algo),
                                                 .sum_type = vk_s3_sum_type(e->sum_type),
                                                 .size = e->size,
                                                 .owner = p->owner};
    p->full_memory = p->full_memory || !etag.p;
    return !p->full_memory;
}

static vk_str param(const vk_s3_req *q, const char *name)
{
    vk_str v;
    return vk_s3_param_of(&q->route, name, &v) ? v : VK_STR_NONE;
}

/* A parameter whose element is always there. */
static vk_str param_or_empty(const vk_s3_req *q, const char *name)
{
    vk_str v = param(q, name);
    return v.p ? v : VK_STR("");
}

/* The one common prefix of a listing whose delimiter cuts within the build's own prefix. */
static vk_ob_err folder(struct page *p, vk_ob *s)
{
    struct page none = *p;
    vk_s3w_object first[1];
    vk_s3w_prefix unused[1];
    none.objects = first;
    none.prefixes = unused;
    bool more;
    vk_ob_list l = {
        .prefix = p->scope.prefix, .max = 1, .skip_empty = p->scope.skip_empty, .arg = &none, .entry = entry};
    vk_ob_err e = vk_ob_list_keys(s, &l, &more);
    if (e == VK_OB_OK && none.n_objects) {
        p->prefixes[p->n_prefixes++] = (vk_s3w_prefix){vk_arena_dup(p->a, p->scope.folder)};
        p->last = p->prefixes[0].prefix;
    }
    return e;
}

/* Fills the page with what is behind `after`. False: answered. */
static bool read_page(struct page *p, vk_str after)
{
    vk_s3_req *q = p->q;
    const vk_tenant *t = q->ex->principal;
    int64_t max;
    p->a = q->ex->arena;
    p->prefix = param_or_empty(q, "prefix");
    p->delimiter = param(q, "delimiter");
    p->last = VK_STR_NONE;
    if (vk_s3_param_int(&q->route, "max-keys", 0, INT32_MAX, VK_S3_PAGE_MAX, &max) != VK_S3_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return false;
    }
    p->max = max > VK_S3_PAGE_MAX ? VK_S3_PAGE_MAX : (size_t)max;
    vk_ob_err e = vk_ob_scope_list(t->id, p->prefix, p->delimiter, after, &p->scope);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return false;
    }
    p->objects = vk_arena_alloc(p->a, sizeof *p->objects * (p->max + 1));
    p->prefixes = vk_arena_alloc(p->a, sizeof *p->prefixes * (p->max + 1));
    if (!p->objects || !p->prefixes) {
        vk_s3_no_memory(q);
        return false;
    }
    if (p->max == 0 || p->scope.nothing)
        return true;
    if (p->scope.folder.n) {
        e = folder(p, q->store);
    } else {
        vk_ob_list l = {.prefix = p->scope.prefix,
                        .delimiter = p->delimiter,
                        .after = p->scope.after,
                        .max = p->max,
                        .skip_empty = p->scope.skip_empty,
                        .arg = p,
                        .entry = entry};
        e = vk_ob_list_keys(q->store, &l, &p->truncated);
    }
    if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    else if (p->full_memory)
        vk_s3_no_memory(q);
    return !q->code.n;
}

static bool by_url(const vk_s3_req *q)
{
    return param(q, "encoding-type").p != NULL; /* the route lets "url" pass, and nothing else */
}

static vk_s3w_list list_of(const struct page *p)
{
    return (vk_s3w_list){.url = by_url(p->q),
                         .bucket = p->q->route.bucket,
                         .prefix = p->prefix,
                         .key_count = -1,
                         .max_keys = (int64_t)p->max,
                         .delimiter = p->delimiter,
                         .truncated = p->truncated,
                         .objects = p->objects,
                         .n_objects = p->n_objects,
                         .prefixes = p->prefixes,
                         .n_prefixes = p->n_prefixes};
}

void vk_s3_list_v1(vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    struct page p = {.q = q, .owner = vk_str_z(t->id)};
    vk_str marker = param_or_empty(q, "marker");
    if (!read_page(&p, marker))
        return;
    vk_s3w_list l = list_of(&p);
    l.marker = marker;
    if (p.truncated)
        l.next_marker = p.last;
    vk_s3w_list_objects(&q->ex->out, &l);
    vk_s3_ok_xml(q);
}

static vk_s3_token_for token_for(const vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    return (vk_s3_token_for){.build = vk_str_z(t->id),
                             .access_key_id = q->grant.access_key_id,
                             .bucket = q->route.bucket,
                             .prefix = param_or_empty(q, "prefix"),
                             .delimiter = param_or_empty(q, "delimiter")};
}

bool vk_s3_list_token_open(vk_s3_req *q, vk_str *place_r)
{
    vk_str token = param(q, "continuation-token");
    vk_s3_token_for f = token_for(q);
    vk_s3_fail fail = token.p ? vk_s3_token_open(q->ex->arena, token_key, &f, token, place_r) : VK_S3_OK;
    if (fail != VK_S3_OK)
        vk_s3_no(q, fail);
    return fail == VK_S3_OK;
}

void vk_s3_list_token_make(vk_s3_req *q, vk_str place, vk_buf *out)
{
    vk_s3_token_for f = token_for(q);
    vk_s3_token_make(token_key, &f, place, out);
}

void vk_s3_list_v2(vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    struct page p = {.q = q};
    vk_str token = param(q, "continuation-token"), start = param(q, "start-after"), after = start;
    if (vk_str_eqz(param(q, "fetch-owner"), "true"))
        p.owner = vk_str_z(t->id);
    if (!vk_s3_list_token_open(q, &after) || !read_page(&p, after))
        return;
    vk_s3w_list l = list_of(&p);
    vk_buf next;
    vk_buf_init(&next, VK_S3_TOKEN_MAX);
    l.token = token;
    l.start_after = start;
    l.key_count = (int64_t)(p.n_objects + p.n_prefixes);
    if (p.truncated) {
        vk_s3_list_token_make(q, p.last, &next);
        l.next_token = vk_buf_view(&next);
    }
    if (next.err != VK_OK) {
        vk_s3_no_memory(q);
    } else {
        vk_s3w_list_objects(&q->ex->out, &l);
        vk_s3_ok_xml(q);
    }
    vk_buf_free(&next);
}

void vk_s3_list_versions(vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    struct page p = {.q = q, .owner = vk_str_z(t->id)};
    vk_str marker = param_or_empty(q, "key-marker");
    if (!read_page(&p, marker))
        return;
    vk_s3w_versions w = {.url = by_url(q),
                         .bucket = q->route.bucket,
                         .prefix = p.prefix,
                         .key_marker = marker,
                         .version_marker = param_or_empty(q, "version-id-marker"),
                         .max_keys = (int64_t)p.max,
                         .delimiter = p.delimiter,
                         .truncated = p.truncated,
                         .objects = p.objects,
                         .n_objects = p.n_objects,
                         .prefixes = p.prefixes,
                         .n_prefixes = p.n_prefixes};
    if (p.truncated) {
        w.next_key_marker = p.last;
        w.next_version_marker = VK_STR("null");
    }
    vk_s3w_list_versions(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

/* ---- uploads */

struct uploads {
    struct page p; /* what keys look like */
    vk_s3w_upload *uploads;
    size_t n;
    vk_str last_id;
};

static bool upload_entry(void *arg, const vk_ob_upload *x, vk_str common_prefix)
{
    struct uploads *u = arg;
    struct page *p = &u->p;
    if (!x) {
        p->last = shown(p, common_prefix);
        u->last_id = VK_STR("");
        p->prefixes[p->n_prefixes++] = (vk_s3w_prefix){p->last};
        return !p->full_memory;
    }
    char *id = vk_arena_alloc(p->a, 33);
    if (!id) {
        p->full_memory = true;
        return false;
    }
    vk_s3_upload_text(x->id, id);
    p->last = shown(p, x->key);
    u->last_id = vk_str_z(id);
    u->uploads[u->n++] = (vk_s3w_upload){.key = p->last,
                                         .id = u->last_id,
                                         .owner = p->owner,
                                         .created_ms = x->created_ms,
                                         .sum_algo = vk_s3_sum_name(x->sum_algo),
                                         .sum_type = vk_s3_sum_type(x->sum_type)};
    return !p->full_memory;
}

void vk_s3_list_uploads(vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    struct uploads u = {.p = {.q = q, .a = q->ex->arena, .owner = vk_str_z(t->id)}};
    struct page *p = &u.p;
    int64_t max;
    uint8_t id[16];
    vk_str marker = param_or_empty(q, "key-marker"), id_marker = param_or_empty(q, "upload-id-marker");
    p->prefix = param_or_empty(q, "prefix");
    p->delimiter = param(q, "delimiter");
    if (vk_s3_param_int(&q->route, "max-uploads", 0, INT32_MAX, VK_S3_PAGE_MAX, &max) != VK_S3_OK ||
        (marker.n && id_marker.n && !vk_s3_upload_of(id_marker, id))) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return;
    }
    p->max = max > VK_S3_PAGE_MAX ? VK_S3_PAGE_MAX : (size_t)max;
    vk_ob_err e = vk_ob_scope_list(t->id, p->prefix, p->delimiter, marker, &p->scope);
    u.uploads = vk_arena_alloc(p->a, sizeof *u.uploads * (p->max + 1));
    p->prefixes = vk_arena_alloc(p->a, sizeof *p->prefixes * (p->max + 1));
    if (e == VK_OB_OK && (!u.uploads || !p->prefixes))
        e = VK_OB_NOMEM;
    if (e == VK_OB_OK && p->max && !p->scope.nothing) {
        /* A delimiter that cuts within the build's own prefix shows no upload on its own; such a listing is
         * shown without the delimiter instead of as one prefix. */
        vk_ob_upload_list l = {.prefix = p->scope.prefix,
                               .delimiter = p->scope.folder.n ? VK_STR_NONE : p->delimiter,
                               .after_key = p->scope.after,
                               .after_id = marker.n && id_marker.n ? id : NULL,
                               .max = p->max,
                               .arg = &u,
                               .entry = upload_entry};
        e = vk_ob_upload_list_open(q->store, &l, &p->truncated);
    }
    if (e != VK_OB_OK || p->full_memory) {
        vk_s3_no_ob(q, e != VK_OB_OK ? e : VK_OB_NOMEM);
        return;
    }
    vk_s3w_uploads w = {.url = by_url(q),
                        .bucket = q->route.bucket,
                        .key_marker = marker,
                        .id_marker = id_marker,
                        .next_key_marker = p->truncated ? p->last : VK_STR_NONE,
                        .next_id_marker = p->truncated ? u.last_id : VK_STR_NONE,
                        .prefix = p->prefix,
                        .delimiter = p->delimiter,
                        .max_uploads = (int64_t)p->max,
                        .truncated = p->truncated,
                        .uploads = u.uploads,
                        .n_uploads = u.n,
                        .prefixes = p->prefixes,
                        .n_prefixes = p->n_prefixes};
    vk_s3w_list_uploads(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

/* ---- parts */

void vk_s3_list_parts(vk_s3_req *q)
{
    vk_arena *a = q->ex->arena;
    const vk_tenant *t = q->ex->principal;
    vk_ob_upload u;
    uint8_t id[16];
    int64_t max, after;
    size_t n = 0;
    bool more = false;
    if (!vk_s3_upload_id(q, id))
        return;
    if (vk_s3_param_int(&q->route, "max-parts", 0, INT32_MAX, VK_S3_PAGE_MAX, &max) != VK_S3_OK ||
        vk_s3_param_int(&q->route, "part-number-marker", 0, INT32_MAX, 0, &after) != VK_S3_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return;
    }
    max = max > VK_S3_PAGE_MAX ? VK_S3_PAGE_MAX : max;
    vk_ob_part *parts = vk_arena_alloc(a, sizeof *parts * VK_S3_PAGE_MAX);
    vk_s3w_part *shown_parts = vk_arena_calloc(a, sizeof *shown_parts * VK_S3_PAGE_MAX);
    vk_ob_err e = parts && shown_parts ? vk_ob_upload_get(q->store, a, q->key, id, &u) : VK_OB_NOMEM;
    if (e == VK_OB_OK)
        e = vk_ob_upload_parts(q->store, q->key, id, (int)after, (size_t)max, parts, &n, &more);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char *etag = vk_arena_alloc(a, 33);
        if (!etag) {
            vk_s3_no_memory(q);
            return;
        }
        vk_s3_upload_text(parts[i].md5, etag);
        shown_parts[i] = (vk_s3w_part){.number = parts[i].number,
                                       .mtime_ms = parts[i].mtime_ms,
                                       .etag = vk_str_z(etag),
                                       .sum = vk_s3_sum_text(a, &parts[i].sum, 0),
                                       .size = parts[i].size};
        shown_parts[i].sum.type = VK_STR_NONE;
    }
    vk_s3w_parts w = {.bucket = q->route.bucket,
                      .key = q->route.key,
                      .upload_id = param(q, "uploadId"),
                      .marker = after,
                      .next_marker = n ? parts[n - 1].number : after,
                      .max_parts = max,
                      .truncated = more,
                      .parts = shown_parts,
                      .n_parts = n,
                      .owner = vk_str_z(t->id),
                      .sum_algo = vk_s3_sum_name(u.sum_algo),
                      .sum_type = vk_s3_sum_type(u.sum_type)};
    vk_s3w_list_parts(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}
