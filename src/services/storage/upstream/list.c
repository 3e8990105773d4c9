/* Listings: objects (V1, V2, versions), uploads, parts.
 *
 * The vendor is asked as V1 whatever the client speaks: there, what comes next is said by a key. So tokens
 * are ours and the same as without a vendor, bound to the build and the list, and no vendor's token goes
 * through an app's hands. */
#include "services/storage/upstream/upstream.h"

#include "core/text.h"
#include "services/storage/s3token.h"

struct page {
    vk_ob_scoped_list scope;
    vk_str prefix, delimiter, after; /* as the client sent them */
    int64_t max;
    vk_str owner;
    vk_s3w_object *objects;
    vk_s3w_prefix *prefixes;
    size_t n_objects, n_prefixes;
    bool truncated;
    vk_str last; /* in the client's form */
};

static const vk_tenant *tenant(const vk_s3_req *q)
{
    return q->ex->principal;
}

static vk_str param(const vk_s3_req *q, const char *name)
{
    vk_str v;
    return vk_s3_param_of(&q->route, name, &v) ? v : VK_STR_NONE;
}

static vk_str param_or_empty(const vk_s3_req *q, const char *name)
{
    vk_str v = param(q, name);
    return v.p ? v : VK_STR("");
}

static bool by_url(const vk_s3_req *q)
{
    return param(q, "encoding-type").p != NULL;
}

/* As the client writes keys; p NULL: no memory, or nonsense, answered. */
static vk_str shown(vk_s3_req *q, const struct page *p, vk_str key)
{
    vk_str own = vk_s3u_own(q, key);
    if (!own.p) {
        vk_s3u_nonsense(q, "a key outside of the build's prefix");
        return VK_STR_NONE;
    }
    if (!p->scope.prefixed)
        return own;
    vk_str s = vk_arena_printf(q->ex->arena, "builds/%s/" VK_STR_FMT, tenant(q)->id, VK_STR_ARG(own));
    if (!s.p)
        vk_s3_no_memory(q);
    return s;
}

static int order(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

static void last_of(struct page *p, vk_str key)
{
    if (!p->last.p || order(key, p->last) > 0)
        p->last = key;
}

/* ---- objects */

static void write_page(vk_s3_req *q, struct page *p)
{
    vk_s3w_list l = {.url = by_url(q),
                     .bucket = q->route.bucket,
                     .prefix = p->prefix,
                     .key_count = -1,
                     .max_keys = p->max,
                     .delimiter = p->delimiter,
                     .truncated = p->truncated,
                     .objects = p->objects,
                     .n_objects = p->n_objects,
                     .prefixes = p->prefixes,
                     .n_prefixes = p->n_prefixes};
    vk_buf next;
    vk_buf_init(&next, VK_S3_TOKEN_MAX);
    if (q->route.op == VK_S3_LIST_V1) {
        l.marker = param_or_empty(q, "marker");
        if (p->truncated)
            l.next_marker = p->last;
    } else {
        l.token = param(q, "continuation-token");
        l.start_after = param(q, "start-after");
        l.key_count = (int64_t)(p->n_objects + p->n_prefixes);
        if (p->truncated) {
            vk_s3_list_token_make(q, p->last, &next);
            l.next_token = vk_buf_view(&next);
        }
    }
    if (next.err != VK_OK) {
        vk_s3_no_memory(q);
    } else {
        vk_s3w_list_objects(&q->ex->out, &l);
        vk_s3_ok_xml(q);
    }
    vk_buf_free(&next);
}

static void write_versions(vk_s3_req *q, struct page *p)
{
    vk_s3w_versions w = {.url = by_url(q),
                         .bucket = q->route.bucket,
                         .prefix = p->prefix,
                         .key_marker = param_or_empty(q, "key-marker"),
                         .version_marker = param_or_empty(q, "version-id-marker"),
                         .max_keys = p->max,
                         .delimiter = p->delimiter,
                         .truncated = p->truncated,
                         .objects = p->objects,
                         .n_objects = p->n_objects,
                         .prefixes = p->prefixes,
                         .n_prefixes = p->n_prefixes};
    if (p->truncated) {
        w.next_key_marker = p->last;
        w.next_version_marker = VK_STR("null");
    }
    vk_s3w_list_versions(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

static void write_list(vk_s3_req *q, struct page *p)
{
    if (q->route.op == VK_S3_LIST_VERSIONS)
        write_versions(q, p);
    else
        write_page(q, p);
}

static bool take_objects(vk_s3_req *q, struct page *p, const vk_s3u_doc *d)
{
    for (size_t i = 0; i < d->n_entries; i++) {
        const vk_s3u_entry *e = &d->entries[i];
        vk_str key = shown(q, p, e->key);
        if (!key.p)
            return false;
        last_of(p, key);
        if (key.n == 0) /* the folder marker of the prefix itself, which has no plain form */
            continue;
        p->objects[p->n_objects++] = (vk_s3w_object){.key = key,
                                                     .mtime_ms = e->mtime_ms,
                                                     .etag = e->etag,
                                                     .sum_algo = e->sum_algo,
                                                     .sum_type = e->sum_type,
                                                     .size = e->size,
                                                     .owner = p->owner};
    }
    return true;
}

static bool take_prefixes(vk_s3_req *q, struct page *p, const vk_s3u_doc *d)
{
    for (size_t i = 0; i < d->n_prefixes; i++) {
        vk_str key = shown(q, p, d->prefixes[i]);
        if (!key.p)
            return false;
        last_of(p, key);
        p->prefixes[p->n_prefixes++] = (vk_s3w_prefix){key};
    }
    return true;
}

/* The document, with room for as many rows of `size` bytes and prefixes as it has; false: answered. */
static bool open_page(vk_s3_req *q, vk_str body, vk_s3u_kind kind, size_t size, vk_s3u_doc *d_r,
                      void **rows_r)
{
    struct page *p = q->more;
    if (!vk_s3u_document(q, body, kind, d_r))
        return false;
    *rows_r = vk_arena_alloc(q->ex->arena, size * (d_r->n_entries + 1));
    p->prefixes = vk_arena_alloc(q->ex->arena, sizeof *p->prefixes * (d_r->n_prefixes + 1));
    if (!*rows_r || !p->prefixes)
        vk_s3_no_memory(q);
    return *rows_r && p->prefixes;
}

/* Whether what was taken says where it goes on, if it does; false: answered. */
static bool goes_on(vk_s3_req *q, struct page *p, const vk_s3u_doc *d)
{
    p->truncated = d->truncated;
    if (!d->truncated || p->last.n)
        return true;
    vk_s3u_nonsense(q, "a list that goes on after nothing");
    return false;
}

static void read_list(vk_s3_req *q, int status, vk_str body)
{
    struct page *p = q->more;
    vk_s3u_doc d;
    void *rows;
    VK_UNUSED(status);
    if (!open_page(q, body, VK_S3U_LIST, sizeof *p->objects, &d, &rows))
        return;
    p->objects = rows;
    if (p->scope.folder.n) {
        if (d.n_entries)
            p->prefixes[p->n_prefixes++] = (vk_s3w_prefix){p->scope.folder};
    } else {
        if (!take_objects(q, p, &d) || !take_prefixes(q, p, &d) || !goes_on(q, p, &d))
            return;
    }
    write_list(q, p);
}

/* No key has NUL or what is no UTF-8, so nothing is cut there; keeper takes no such text. */
static bool is_text(vk_str s)
{
    size_t bad;
    for (const char *p = s.p, *end = s.p + s.n; p && p < end;) {
        size_t n = *p ? vk_utf8_seq(p, end, &bad) : 0;
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* What a listing asks for; false: answered. */
static bool read_params(vk_s3_req *q, struct page *p, const char *max)
{
    p->prefix = param_or_empty(q, "prefix");
    p->delimiter = param(q, "delimiter");
    if (!is_text(p->delimiter) ||
        vk_s3_param_int(&q->route, max, 0, INT32_MAX, VK_S3_PAGE_MAX, &p->max) != VK_S3_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return false;
    }
    p->max = p->max > VK_S3_PAGE_MAX ? VK_S3_PAGE_MAX : p->max;
    vk_ob_err e = vk_ob_scope_list(tenant(q)->id, p->prefix, p->delimiter, p->after, &p->scope);
    if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    return e == VK_OB_OK;
}

static void number_param(vk_s3_req *q, vk_buf *b, const char *name, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)n);
    vk_s3u_param(q, b, name, vk_str_z(text), false);
}

void vk_s3u_list(vk_s3_req *q)
{
    struct page *p = VK_NEW(q->ex->arena, struct page);
    vk_s3u_ask a;
    q->more = p;
    if (!p) {
        vk_s3_no_memory(q);
        return;
    }
    bool v2 = q->route.op == VK_S3_LIST_V2;
    p->after = param_or_empty(q, v2                                   ? "start-after"
                                 : q->route.op == VK_S3_LIST_VERSIONS ? "key-marker"
                                                                      : "marker");
    if (!v2 || vk_str_eqz(param(q, "fetch-owner"), "true"))
        p->owner = vk_str_z(tenant(q)->id);
    if (v2 && !vk_s3_list_token_open(q, &p->after))
        return;
    if (!read_params(q, p, "max-keys"))
        return;
    if (p->max == 0 || p->scope.nothing) {
        write_list(q, p);
        return;
    }
    vk_s3u_ask_begin(&a, "GET");
    a.max = VK_S3U_XML_MAX;
    vk_s3u_target(q, &a.target, VK_STR_NONE);
    vk_s3u_param(q, &a.target, "prefix", p->scope.folder.n ? VK_STR("") : p->scope.prefix, true);
    vk_s3u_param(q, &a.target, "encoding-type", VK_STR("url"), false);
    number_param(q, &a.target, "max-keys", p->scope.folder.n ? 1 : p->max);
    if (p->delimiter.n && !p->scope.folder.n)
        vk_s3u_param(q, &a.target, "delimiter", p->delimiter, false);
    /* A marker is not shown itself, so that of no bytes leaves out the object that has the prefix's name. */
    if (p->scope.after.n || p->scope.skip_empty)
        vk_s3u_param(q, &a.target, "marker", p->scope.after, true);
    a.again = true;
    a.read = read_list;
    vk_s3u_send(q, &a);
}

/* ---- uploads */

static void read_uploads(vk_s3_req *q, int status, vk_str body)
{
    struct page *p = q->more;
    vk_s3u_doc d;
    void *rows;
    vk_s3w_upload *u;
    vk_str last_id = VK_STR("");
    VK_UNUSED(status);
    if (!open_page(q, body, VK_S3U_UPLOADS, sizeof *u, &d, &rows))
        return;
    u = rows;
    for (size_t i = 0; i < d.n_entries; i++) {
        vk_str key = shown(q, p, d.entries[i].key);
        if (!key.p)
            return;
        u[i] = (vk_s3w_upload){
            .key = key, .id = d.entries[i].id, .owner = p->owner, .created_ms = d.entries[i].mtime_ms};
        last_of(p, key);
        last_id = d.entries[i].id;
    }
    if (!take_prefixes(q, p, &d) || !goes_on(q, p, &d))
        return;
    vk_s3w_uploads w = {.url = by_url(q),
                        .bucket = q->route.bucket,
                        .key_marker = p->after,
                        .id_marker = param_or_empty(q, "upload-id-marker"),
                        .next_key_marker = d.truncated ? p->last : VK_STR_NONE,
                        .next_id_marker = d.truncated ? last_id : VK_STR_NONE,
                        .prefix = p->prefix,
                        .delimiter = p->delimiter,
                        .max_uploads = p->max,
                        .truncated = d.truncated,
                        .uploads = u,
                        .n_uploads = d.n_entries,
                        .prefixes = p->prefixes,
                        .n_prefixes = p->n_prefixes};
    vk_s3w_list_uploads(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

static void no_uploads(vk_s3_req *q, const struct page *p)
{
    vk_s3w_uploads w = {.url = by_url(q),
                        .bucket = q->route.bucket,
                        .key_marker = p->after,
                        .id_marker = param_or_empty(q, "upload-id-marker"),
                        .prefix = p->prefix,
                        .delimiter = p->delimiter,
                        .max_uploads = p->max};
    vk_s3w_list_uploads(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

void vk_s3u_list_uploads(vk_s3_req *q)
{
    struct page *p = VK_NEW(q->ex->arena, struct page);
    vk_s3u_ask a;
    q->more = p;
    if (!p) {
        vk_s3_no_memory(q);
        return;
    }
    p->owner = vk_str_z(tenant(q)->id);
    p->after = param_or_empty(q, "key-marker");
    vk_str id = param_or_empty(q, "upload-id-marker");
    if (!read_params(q, p, "max-uploads"))
        return;
    if (p->max == 0 || p->scope.nothing) {
        no_uploads(q, p);
        return;
    }
    vk_s3u_ask_begin(&a, "GET");
    a.max = VK_S3U_XML_MAX;
    vk_s3u_target(q, &a.target, VK_STR_NONE);
    vk_s3u_param(q, &a.target, "uploads", VK_STR(""), false);
    vk_s3u_param(q, &a.target, "prefix", p->scope.folder.n ? VK_STR("") : p->scope.prefix, true);
    vk_s3u_param(q, &a.target, "encoding-type", VK_STR("url"), false);
    number_param(q, &a.target, "max-uploads", p->max);
    if (p->delimiter.n && !p->scope.folder.n)
        vk_s3u_param(q, &a.target, "delimiter", p->delimiter, false);
    if (p->scope.after.n) {
        vk_s3u_param(q, &a.target, "key-marker", p->scope.after, true);
        if (id.n)
            vk_s3u_param(q, &a.target, "upload-id-marker", id, false);
    }
    a.again = true;
    a.read = read_uploads;
    vk_s3u_send(q, &a);
}

/* ---- parts */

struct parts {
    int64_t max, after;
    vk_str id;
};

static void read_parts(vk_s3_req *q, int status, vk_str body)
{
    const struct parts *p = q->more;
    vk_s3u_doc d;
    VK_UNUSED(status);
    if (!vk_s3u_document(q, body, VK_S3U_PARTS, &d))
        return;
    vk_s3w_part *parts = vk_arena_calloc(q->ex->arena, sizeof *parts * (d.n_entries + 1));
    if (!parts) {
        vk_s3_no_memory(q);
        return;
    }
    for (size_t i = 0; i < d.n_entries; i++)
        parts[i] = (vk_s3w_part){.number = d.entries[i].number,
                                 .mtime_ms = d.entries[i].mtime_ms,
                                 .etag = d.entries[i].etag,
                                 .sum = {.kind = VK_CHECKSUM_KINDS},
                                 .size = d.entries[i].size};
    vk_s3w_parts w = {.bucket = q->route.bucket,
                      .key = q->route.key,
                      .upload_id = p->id,
                      .marker = p->after,
                      .next_marker = d.n_entries ? parts[d.n_entries - 1].number : p->after,
                      .max_parts = p->max,
                      .truncated = d.truncated,
                      .parts = parts,
                      .n_parts = d.n_entries,
                      .owner = vk_str_z(tenant(q)->id)};
    vk_s3w_list_parts(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

void vk_s3u_list_parts(vk_s3_req *q)
{
    struct parts *p = VK_NEW(q->ex->arena, struct parts);
    vk_s3u_ask a;
    q->more = p;
    if (!p) {
        vk_s3_no_memory(q);
        return;
    }
    p->id = vk_s3u_upload_id(q);
    if (!p->id.p)
        return;
    if (vk_s3_param_int(&q->route, "max-parts", 0, INT32_MAX, VK_S3_PAGE_MAX, &p->max) != VK_S3_OK ||
        vk_s3_param_int(&q->route, "part-number-marker", 0, INT32_MAX, 0, &p->after) != VK_S3_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return;
    }
    p->max = p->max > VK_S3_PAGE_MAX ? VK_S3_PAGE_MAX : p->max;
    vk_s3u_ask_begin(&a, "GET");
    a.max = VK_S3U_XML_MAX;
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_param(q, &a.target, "uploadId", p->id, false);
    number_param(q, &a.target, "max-parts", p->max);
    number_param(q, &a.target, "part-number-marker", p->after);
    a.again = true;
    a.read = read_parts;
    vk_s3u_send(q, &a);
}
