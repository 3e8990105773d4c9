/* Operations on one object: read, copy, delete. On a thread, except vk_s3_get_now. */
#include "services/storage/front.h"

#include "core/encode.h"
#include "services/storage/s3cond.h"

/* ---- reading */

/* What a browser shows without being able to run anything of it. Everything else is given a sandbox, so that
 * an object that is opened is no page of this origin, whatever it holds. */
static const vk_str inert[] = {VK_STR("image/png"),  VK_STR("image/jpeg"),     VK_STR("image/gif"),
                               VK_STR("image/webp"), VK_STR("image/avif"),     VK_STR("image/bmp"),
                               VK_STR("text/plain"), VK_STR("application/pdf")};

bool vk_s3_is_inert(vk_str type)
{
    vk_str essence = type;
    if (type.n &&
        memchr(type.p, ',', type.n)) /* of a list browsers take the last one (Fetch, "extract a MIME type") */
        return false;
    (void)vk_str_cut(&type, ';', &essence);
    essence = vk_str_trim(essence);
    if (vk_str_starts(essence, VK_STR("video/")) || vk_str_starts(essence, VK_STR("audio/")))
        return true;
    for (size_t i = 0; i < VK_COUNT(inert); i++)
        if (essence.n == inert[i].n && vk_str_ieq(essence, inert[i]))
            return true;
    return false;
}

/* Parameters of a signed request that replace stored headers. */
static const struct {
    const char *header, *param;
} overrides[] = {
    {"Content-Type", "response-content-type"},
    {"Cache-Control", "response-cache-control"},
    {"Content-Disposition", "response-content-disposition"},
    {"Content-Encoding", "response-content-encoding"},
    {"Content-Language", "response-content-language"},
    {"Expires", "response-expires"},
};

static bool override(vk_s3_req *q, const char *header, vk_str *value_r)
{
    if (q->route.n_params == 0)
        return false;
    for (size_t i = 0; i < VK_COUNT(overrides); i++)
        if (strcmp(header, overrides[i].header) == 0)
            return vk_s3_param_of(&q->route, overrides[i].param, value_r) && value_r->n > 0;
    return false;
}

static void stored_headers(vk_s3_req *q, vk_str packed)
{
    vk_str name, value, type = VK_STR("binary/octet-stream");
    unsigned seen = 0;
    while (vk_ob_header_next(&packed, &name, &value)) {
        char z[VK_S3_META_NAME_MAX + 1];
        size_t system = VK_COUNT(overrides);
        for (size_t i = 0; i < VK_COUNT(overrides); i++)
            if (vk_str_eqz(name, overrides[i].header))
                system = i;
        if (system < VK_COUNT(overrides)) {
            seen |= 1U << system;
            (void) override(q, overrides[system].header, &value);
        }
        if (system == 0) {
            type = value;
            continue;
        }
        bool ours = system < VK_COUNT(overrides) || vk_str_starts(name, VK_STR("x-amz-meta-"));
        if (!ours || name.n >= sizeof z)
            continue; /* this front stores none; a restored index may, with names that frame an answer */
        memcpy(z, name.p, name.n);
        z[name.n] = '\0';
        vk_s3_header(q, z, value);
    }
    for (size_t i = 0; i < VK_COUNT(overrides); i++) {
        if (seen & 1U << i || !override(q, overrides[i].header, &value))
            continue;
        if (i == 0)
            type = value;
        else
            vk_s3_header(q, overrides[i].header, value);
    }
    vk_str z = vk_arena_dup(q->ex->arena, type);
    q->type = z.p;
    if (!z.p) {
        vk_s3_no_memory(q);
        return;
    }
    if (!vk_s3_is_text(z)) { /* written by something else than this front */
        vk_s3_no_ob(q, VK_OB_CORRUPT);
        q->type = NULL;
        return;
    }
    q->sandboxed = !vk_s3_is_inert(z);
}

static vk_s3_conditions conditions_of(const vk_exchange *ex)
{
    bool any = false; /* most requests have none: one look instead of one for each */
    for (uint32_t i = 0; i < ex->n_headers && !any; i++) {
        vk_str name = ex->headers[i].name;
        any = name.n > 3 && name.p[2] == '-' && (name.p[0] | 0x20) == 'i' && (name.p[1] | 0x20) == 'f';
    }
    if (!any)
        return (vk_s3_conditions){.if_match = VK_STR_NONE};
    return (vk_s3_conditions){.if_match = vk_request_header(ex, VK_STR("If-Match")),
                              .if_none_match = vk_request_header(ex, VK_STR("If-None-Match")),
                              .if_modified_since = vk_request_header(ex, VK_STR("If-Modified-Since")),
                              .if_unmodified_since = vk_request_header(ex, VK_STR("If-Unmodified-Since"))};
}

/* ETag, Last-Modified: what also goes with a 304. */
static void validators(vk_s3_req *q, const vk_ob_object *o)
{
    char date[VK_S3_DATE];
    vk_s3_date(o->mtime_ms, date);
    vk_s3_etag(q, o->etag);
    vk_s3_header(q, "Last-Modified", vk_str_z(date));
}

/* Where ?partNumber= lies. False: answered. */
static bool part_range(vk_s3_req *q, const vk_ob_object *o, vk_s3_range *r)
{
    int64_t number;
    char text[16];
    if (vk_s3_param_int(&q->route, "partNumber", 1, VK_OB_PARTS_MAX, 0, &number) != VK_S3_OK || number == 0)
        return true;
    if (vk_request_header(q->ex, VK_STR("Range")).p) {
        vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                  "Cannot specify both Range header and partNumber query parameter");
        return false;
    }
    r->part = true;
    if (o->parts) {
        snprintf(text, sizeof text, "%u", o->parts);
        vk_s3_header(q, "x-amz-mp-parts-count", vk_str_z(text));
    }
    if (o->parts ? vk_ob_reader_part(q->reader, (int)number, &r->at, &r->n) : number == 1)
        return true;
    vk_s3_say(q, 416, VK_STR("InvalidPartNumber"), "The requested partnumber is not satisfiable");
    return false;
}

static void content_range(vk_s3_req *q, const vk_s3_range *r, int64_t size)
{
    char text[80];
    if (r)
        snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)r->at, (long long)(r->at + r->n - 1),
                 (long long)size);
    else
        snprintf(text, sizeof text, "bytes */%lld", (long long)size);
    vk_s3_header(q, "Content-Range", vk_str_z(text));
}

/* The answer to a read of an object that is there. */
static void show(vk_s3_req *q, const vk_ob_object *o)
{
    vk_exchange *ex = q->ex;
    vk_s3_range r = {.part = false, .at = 0, .n = o->size};
    vk_s3_conditions c = conditions_of(ex);
    vk_s3_fail f = vk_s3_read_allowed(&c, vk_str_z(o->etag), o->mtime_ms);
    if (f == VK_S3_NOT_MODIFIED) {
        validators(q, o);
        vk_s3_ok(q, 304);
        return;
    }
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        vk_s3_also(q, "Condition", c.if_match.p ? VK_STR("If-Match") : VK_STR("If-Unmodified-Since"));
        return;
    }
    if (!part_range(q, o, &r))
        return;
    vk_str range = vk_request_header(ex, VK_STR("Range")),
           if_range = range.p ? vk_request_header(ex, VK_STR("If-Range")) : VK_STR_NONE;
    if (range.p && (!if_range.p || vk_s3_range_holds(if_range, vk_str_z(o->etag), o->mtime_ms)))
        f = vk_s3_range_of(range, o->size, &r);
    if (f != VK_S3_OK) {
        content_range(q, NULL, o->size);
        vk_s3_no(q, f);
        return;
    }
    validators(q, o);
    q->readable = true;
    stored_headers(q, o->headers);
    bool partial = r.part && r.n < o->size;
    if (r.part && o->size > 0)
        content_range(q, &r, o->size);
    else
        r.part = false; /* an empty object has no range to name */
    vk_str mode = vk_s3_asked(q, "x-amz-checksum-mode");
    if (!partial && vk_str_ieq(mode, VK_STR("ENABLED"))) /* a part's bytes have another checksum */
        vk_s3_sum_headers(q, &o->sum, o->parts);
    q->at = r.at;
    q->n = r.n;
    if (!q->code.n)
        vk_s3_ok(q, r.part ? 206 : 200);
}

static void drop_reader(vk_s3_req *q)
{
    vk_ob_reader_close(q->reader);
    q->reader = NULL;
}

static void got(vk_s3_req *q, vk_ob_err e, const vk_ob_object *o)
{
    if (e == VK_OB_NO_SUCH_KEY && q->anonymous)
        vk_s3_no_sigv4(q, VK_SIGV4_ANONYMOUS); /* strangers are not told what there is */
    else if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    else
        show(q, o);
    bool whole =
        q->reader && (q->code.n || q->status == 304 || q->n == 0 || q->route.op == VK_S3_HEAD_OBJECT);
    if (whole)
        drop_reader(q);
}

void vk_s3_get_object(vk_s3_req *q)
{
    vk_ob_object o;
    got(q, vk_ob_get(q->store, q->ex->arena, q->key, &o, &q->reader), &o);
}

void vk_s3_head_object(vk_s3_req *q)
{
    vk_ob_object o;
    vk_str part;
    if (vk_s3_param_of(&q->route, "partNumber", &part))
        got(q, vk_ob_get(q->store, q->ex->arena, q->key, &o, &q->reader), &o);
    else
        got(q, vk_ob_head(q->store, q->ex->arena, q->key, &o), &o);
}

bool vk_s3_get_now(vk_s3_req *q)
{
    vk_ob_object o;
    vk_ob *s = vk_s3b_store_now(q->build);
    if (!s)
        return false;
    vk_ob_err e = vk_ob_get_now(s, q->ex->arena, q->key, &o, &q->reader);
    if (e == VK_OB_BUSY)
        return false;
    got(q, e, &o);
    return true;
}

/* ---- attributes */

static bool attribute(vk_str list, const char *name)
{
    vk_str item;
    for (bool more = true; more;) {
        more = vk_str_cut(&list, ',', &item);
        if (vk_str_eqz(vk_str_trim(more ? item : list), name))
            return true;
    }
    return false;
}

static bool number_header(vk_s3_req *q, const char *name, int64_t absent, int64_t most, int64_t *out_r)
{
    vk_str v = vk_s3_asked(q, name);
    *out_r = absent;
    if (!v.p)
        return true;
    if (vk_str_to_i64(v, out_r) == VK_OK && *out_r >= 0) {
        *out_r = *out_r > most ? most : *out_r;
        return true;
    }
    vk_s3_no(q, VK_S3_BAD_ARGUMENT);
    return false;
}

void vk_s3_get_attributes(vk_s3_req *q)
{
    vk_arena *a = q->ex->arena;
    vk_str wanted = vk_s3_asked(q, "x-amz-object-attributes");
    int64_t max, marker;
    vk_ob_object o;
    size_t n = 0;
    bool more = false;
    if (wanted.n == 0) {
        vk_s3_say(q, 400, VK_STR("InvalidArgument"), "The header x-amz-object-attributes is required");
        return;
    }
    if (!number_header(q, "x-amz-max-parts", VK_S3_PAGE_MAX, VK_S3_PAGE_MAX, &max) ||
        !number_header(q, "x-amz-part-number-marker", 0, VK_OB_PARTS_MAX, &marker))
        return;
    vk_ob_part *parts = vk_arena_alloc(a, sizeof *parts * VK_S3_PAGE_MAX);
    vk_s3w_part *shown = vk_arena_calloc(a, sizeof *shown * VK_S3_PAGE_MAX);
    if (!parts || !shown) {
        vk_s3_no_memory(q);
        return;
    }
    vk_ob_err e = vk_ob_object_parts(q->store, a, q->key, (int)marker, (size_t)max, &o, parts, &n, &more);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        shown[i] = (vk_s3w_part){.number = parts[i].number,
                                 .mtime_ms = -1,
                                 .sum = vk_s3_sum_text(a, &parts[i].sum, 0),
                                 .size = parts[i].size};
        shown[i].sum.type = VK_STR_NONE;
    }
    vk_s3w_attributes w = {.etag = VK_STR_NONE,
                           .sum = {.kind = VK_CHECKSUM_KINDS},
                           .parts = -1,
                           .marker = marker,
                           .next_marker = n ? parts[n - 1].number : marker,
                           .max_parts = max,
                           .truncated = more,
                           .size = -1};
    if (attribute(wanted, "ETag"))
        w.etag = vk_str_z(o.etag);
    if (attribute(wanted, "Checksum"))
        w.sum = vk_s3_sum_text(a, &o.sum, 0);
    if (attribute(wanted, "ObjectParts") && o.parts) {
        w.parts = o.parts;
        /* S3 names parts only of uploads that had checksums */
        w.part = o.sum.algo ? shown : NULL;
        w.n_part = o.sum.algo ? n : 0;
    }
    if (attribute(wanted, "StorageClass"))
        w.storage_class = VK_STR("STANDARD");
    if (attribute(wanted, "ObjectSize"))
        w.size = o.size;
    char date[VK_S3_DATE];
    vk_s3_date(o.mtime_ms, date);
    vk_s3_header(q, "Last-Modified", vk_str_z(date));
    vk_s3w_object_attributes(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

/* ---- deleting */

void vk_s3_delete_object(vk_s3_req *q)
{
    vk_ob_delete d = {.key = q->key, .if_match = vk_request_header(q->ex, VK_STR("If-Match"))};
    if (vk_request_header(q->ex, VK_STR("x-amz-if-match-last-modified-time")).p ||
        vk_request_header(q->ex, VK_STR("x-amz-if-match-size")).p) {
        vk_s3_no(q, VK_S3_NOT_IMPLEMENTED); /* a condition must not be dropped */
        return;
    }
    vk_ob_err e = vk_ob_delete_keys(q->store, &d, 1);
    if (e == VK_OB_OK)
        e = d.result;
    if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    else
        vk_s3_ok(q, 204);
}

void vk_s3_delete_many(vk_s3_req *q)
{
    vk_arena *a = q->ex->arena;
    vk_s3x_delete asked;
    vk_s3_fail f = vk_s3x_read_delete(a, vk_buf_view(&q->ex->body), &asked);
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    vk_ob_delete *keys = vk_arena_calloc(a, sizeof *keys * asked.n);
    size_t *at = vk_arena_alloc(a, sizeof *at * asked.n); /* of each key in `keys` */
    vk_ob_err *why = vk_arena_calloc(a, sizeof *why * asked.n);
    vk_s3w_deleted *gone = vk_arena_alloc(a, sizeof *gone * asked.n);
    vk_s3w_not_deleted *kept = vk_arena_alloc(a, sizeof *kept * asked.n);
    vk_s3w_deletes w = {.deleted = gone, .failed = kept};
    const vk_tenant *t = q->ex->principal;
    size_t n = 0;
    if (!keys || !at || !why || !gone || !kept) {
        vk_s3_no_memory(q);
        return;
    }
    for (size_t i = 0; i < asked.n; i++) {
        vk_ob_scoped s;
        why[i] = vk_ob_scope(t->id, asked.keys[i].key, &s);
        at[i] = n;
        if (why[i] == VK_OB_OK)
            keys[n++] = (vk_ob_delete){.key = s.key, .if_match = asked.keys[i].etag};
    }
    vk_ob_err e = n ? vk_ob_delete_keys(q->store, keys, n) : VK_OB_OK;
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    for (size_t i = 0; i < asked.n; i++) {
        e = why[i] == VK_OB_OK ? keys[at[i]].result : why[i];
        if (e != VK_OB_OK)
            kept[w.n_failed++] = (vk_s3w_not_deleted){asked.keys[i].key, vk_str_z(vk_ob_errs[e].code),
                                                      vk_str_z(vk_ob_errs[e].message)};
        else if (!asked.quiet)
            gone[w.n_deleted++] = (vk_s3w_deleted){asked.keys[i].key};
    }
    vk_s3w_delete_result(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

/* ---- copying */

/* The source, read and judged by x-amz-copy-source-if-*. False: answered. */
static bool open_source(vk_s3_req *q, vk_ob_object *o, vk_ob_reader **r)
{
    vk_s3_conditions c = {.if_match = vk_s3_asked(q, "x-amz-copy-source-if-match"),
                          .if_none_match = vk_s3_asked(q, "x-amz-copy-source-if-none-match"),
                          .if_modified_since = vk_s3_asked(q, "x-amz-copy-source-if-modified-since"),
                          .if_unmodified_since = vk_s3_asked(q, "x-amz-copy-source-if-unmodified-since")};
    vk_ob_err e = vk_ob_get(q->store, q->ex->arena, q->source, o, r);
    if (e == VK_OB_NO_SUCH_KEY) {
        vk_s3_no_ob(q, e);
        if (q->n_extra)
            q->extra[q->n_extra - 1].text = q->route.source_key;
        return false;
    }
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return false;
    }
    vk_s3_fail f = vk_s3_copy_allowed(&c, vk_str_z(o->etag), o->mtime_ms);
    if (f == VK_S3_OK)
        return true;
    vk_s3_no(q, f);
    vk_ob_reader_close(*r);
    return false;
}

/* Whether the bytes themselves have to be read, and what is known of them without. */
static bool must_read(const vk_ob_object *o, uint8_t algo, bool all)
{
    return !all || o->parts || (algo && (o->sum.algo != algo || o->sum.type != VK_S3_FULL_OBJECT));
}

/* A source's bytes go into `p`; *c gets MD5 and checksum. */
static vk_ob_err take_over(vk_ob_put *p, const vk_ob_object *o, vk_ob_reader *r, int64_t at, int64_t n,
                           uint8_t algo, vk_ob_commit *c)
{
    uint8_t md5[16], raw[VK_CHECKSUM_MAX];
    vk_ob_err e = VK_OB_OK;
    bool read = must_read(o, algo, n == o->size);
    if (!read) {
        e = vk_ob_put_copy(p, r, at, n, NULL, NULL);
        c->sum = algo ? o->sum : (vk_ob_sum){0};
        return vk_hex_decode(vk_str_z(o->etag), c->md5, 16) == VK_OK ? e : VK_OB_CORRUPT;
    }
    if (!algo) {
        e = vk_ob_put_copy(p, r, at, n, md5, NULL);
        memcpy(c->md5, md5, 16);
        return e;
    }
    vk_checksum sum;
    vk_checksum_kind kind = (vk_checksum_kind)(algo - 1);
    vk_checksum_begin(&sum, kind);
    e = vk_ob_put_copy(p, r, at, n, md5, &sum);
    memcpy(c->md5, md5, 16);
    c->sum = (vk_ob_sum){.algo = algo, .type = VK_S3_FULL_OBJECT};
    c->sum.n = (uint8_t)vk_checksum_end(&sum, raw);
    memcpy(c->sum.value, raw, c->sum.n);
    return e;
}

/* Fills the put and ends it, one way or the other. */
static vk_ob_err finish_copy(vk_ob_put *p, const vk_ob_object *o, vk_ob_reader *r, int64_t at, int64_t n,
                             uint8_t algo, vk_ob_commit *c, vk_ob_object *made_r)
{
    vk_ob_err e = take_over(p, o, r, at, n, algo, c);
    if (e == VK_OB_OK)
        return vk_ob_put_commit(p, c, made_r);
    vk_ob_put_abort(p);
    return e;
}

static bool write_conditions(vk_s3_req *q, vk_ob_commit *c)
{
    vk_s3_conditions w = conditions_of(q->ex);
    vk_s3_fail f = vk_s3_write_conditions(&w, &c->if_none_match_any);
    c->if_match = w.if_match;
    if (f != VK_S3_OK)
        vk_s3_no(q, f);
    return f == VK_S3_OK;
}

bool vk_s3_copy_directive(vk_s3_req *q, bool *replace_r)
{
    vk_str directive = vk_s3_asked(q, "x-amz-metadata-directive");
    *replace_r = vk_str_eqz(directive, "REPLACE");
    if (directive.p && !*replace_r && !vk_str_eqz(directive, "COPY"))
        vk_s3_say(q, 400, VK_STR("InvalidArgument"), "Unknown metadata directive.");
    else if (!*replace_r && vk_str_eq(q->key, q->source))
        vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                  "This copy request is illegal because it is trying to copy an object to itself without "
                  "changing the object's metadata, storage class, website redirect location or encryption "
                  "attributes.");
    return !q->code.n;
}

void vk_s3_copy_object(vk_s3_req *q)
{
    vk_ob_object from, made;
    vk_ob_reader *r;
    vk_ob_put *p;
    vk_ob_commit c = {0};
    uint8_t algo, type;
    bool replace;
    if (!vk_s3_copy_directive(q, &replace))
        return;
    if (!vk_s3_algorithm_of(q, &algo, &type) || !write_conditions(q, &c) ||
        (replace && !vk_s3_headers_to_store(q, &c.headers)) || !open_source(q, &from, &r))
        return;
    if (!replace)
        c.headers = from.headers;
    if (!algo)
        algo = from.sum.algo;
    vk_ob_err e = vk_ob_put_begin(q->store, q->key, from.size, &p);
    if (e == VK_OB_OK)
        e = finish_copy(p, &from, r, 0, from.size, algo, &c, &made);
    vk_ob_reader_close(r);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    vk_s3w_sum sum = vk_s3_sum_text(q->ex->arena, &made.sum, made.parts);
    vk_s3w_copied(&q->ex->out, false, made.mtime_ms, vk_str_z(made.etag), &sum);
    vk_s3_ok_xml(q);
}

void vk_s3_copy_part(vk_s3_req *q)
{
    vk_ob_object from, made;
    vk_ob_reader *r;
    vk_ob_put *p;
    vk_ob_upload u;
    vk_ob_commit c = {0};
    uint8_t id[16];
    int64_t at = 0, n, number;
    vk_str range = vk_s3_asked(q, "x-amz-copy-source-range");
    if (!vk_s3_upload_id(q, id) ||
        vk_s3_param_int(&q->route, "partNumber", 1, VK_OB_PARTS_MAX, 1, &number) != VK_S3_OK)
        return;
    vk_ob_err e = vk_ob_upload_get(q->store, q->ex->arena, q->key, id, &u);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    if (!open_source(q, &from, &r))
        return;
    n = from.size;
    vk_s3_fail f = range.p ? vk_s3_copy_range_of(range, from.size, &at, &n) : VK_S3_OK;
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        vk_ob_reader_close(r);
        return;
    }
    e = vk_ob_part_begin(q->store, q->key, id, (int)number, n, &p);
    if (e == VK_OB_OK)
        e = finish_copy(p, &from, r, at, n, u.sum_algo, &c, &made);
    vk_ob_reader_close(r);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    vk_s3w_sum sum = vk_s3_sum_text(q->ex->arena, &c.sum, 0);
    sum.type = VK_STR_NONE;
    vk_s3w_copied(&q->ex->out, true, made.mtime_ms, vk_str_z(made.etag), &sum);
    vk_s3_ok_xml(q);
}
