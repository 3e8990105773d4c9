/* One object at the vendor: read, copied, deleted. */
#include "services/storage/upstream/upstream.h"

#include "services/storage/s3cond.h"

/* ---- reading */

/* Lines of the vendor's answer that are the object's. */
static bool is_objects(vk_str name)
{
    static const char *const names[] = {"etag",
                                        "last-modified",
                                        "content-range",
                                        "cache-control",
                                        "content-disposition",
                                        "content-encoding",
                                        "content-language",
                                        "expires",
                                        "x-amz-mp-parts-count"};
    static const vk_str open[] = {VK_STR("x-amz-meta-"), VK_STR("x-amz-checksum-")};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_str_ieq(name, vk_str_z(names[i])))
            return true;
    for (size_t i = 0; i < VK_COUNT(open); i++)
        if (name.n > open[i].n && vk_str_ieq((vk_str){name.p, open[i].n}, open[i]))
            return true;
    return false;
}

static bool pass_object(vk_s3_req *q, const vk_head *h)
{
    for (uint32_t i = 0; i < h->n_headers; i++) {
        char name[VK_S3_META_NAME_MAX + 1];
        if (!is_objects(h->headers[i].name) || h->headers[i].name.n >= sizeof name)
            continue;
        memcpy(name, h->headers[i].name.p, h->headers[i].name.n);
        name[h->headers[i].name.n] = '\0';
        vk_s3_header(q, name, h->headers[i].value);
    }
    q->readable = h->status != 304;
    q->sandboxed = !vk_s3_is_inert(h->content_type);
    vk_s3_pass_lines(q);
    return !q->code.n;
}

void vk_s3u_get(vk_s3_req *q)
{
    static const char *const lines[] = {
        "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", NULL};
    static const char *const overrides[] = {"response-content-type",
                                            "response-cache-control",
                                            "response-content-disposition",
                                            "response-content-encoding",
                                            "response-content-language",
                                            "response-expires",
                                            "partNumber"};
    vk_s3u_ask a;
    int64_t number;
    vk_str v;
    if (vk_s3_param_int(&q->route, "partNumber", 1, VK_OB_PARTS_MAX, 0, &number) == VK_S3_OK && number &&
        vk_request_header(q->ex, VK_STR("Range")).p) {
        vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                  "Cannot specify both Range header and partNumber query parameter");
        return;
    }
    vk_s3u_ask_begin(&a, q->route.op == VK_S3_HEAD_OBJECT ? "HEAD" : "GET");
    vk_s3u_target(q, &a.target, q->key);
    for (size_t i = 0; i < VK_COUNT(overrides); i++)
        if (vk_s3_param_of(&q->route, overrides[i], &v) && v.n && (i + 1 < VK_COUNT(overrides) || number))
            vk_s3u_param(q, &a.target, overrides[i], v, false);
    vk_s3u_lines(q, &a.lines, lines);
    if (vk_str_ieq(vk_s3_asked(q, "x-amz-checksum-mode"), VK_STR("ENABLED")))
        vk_s3u_line(&a.lines, "x-amz-checksum-mode", VK_STR("ENABLED"));
    a.again = true;
    a.passes = pass_object;
    vk_s3u_send(q, &a);
}

/* ---- attributes, of what a HEAD tells: R2 has no call for them */

static vk_str unquoted(vk_str s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? (vk_str){s.p + 1, s.n - 2} : s;
}

static bool listed(vk_str list, const char *name)
{
    vk_str item;
    for (bool more = true; more;) {
        more = vk_str_cut(&list, ',', &item);
        if (vk_str_eqz(vk_str_trim(more ? item : list), name))
            return true;
    }
    return false;
}

struct seen {
    vk_s3w_sum sum;
    vk_str etag, modified;
    int64_t size;
};

/* The checksum that the vendor keeps, if it keeps one. */
static vk_s3w_sum sum_in(vk_arena *a, const vk_head *h)
{
    vk_s3w_sum sum = {.kind = VK_CHECKSUM_KINDS};
    for (uint32_t i = 0; i < h->n_headers && sum.kind == VK_CHECKSUM_KINDS; i++)
        if (vk_s3_checksum_header(h->headers[i].name, &sum.kind))
            sum.text = vk_arena_dup(a, h->headers[i].value);
        else
            sum.kind = VK_CHECKSUM_KINDS;
    if (sum.kind != VK_CHECKSUM_KINDS)
        sum.type = vk_str_eqz(vk_head_get(h, VK_STR("x-amz-checksum-type")), "COMPOSITE")
                       ? VK_STR("COMPOSITE")
                       : VK_STR("FULL_OBJECT");
    return sum;
}

static void see(vk_s3_req *q, const vk_head *h)
{
    struct seen *x = q->more;
    vk_str said = vk_head_get(h, VK_STR("Content-Length"));
    x->etag = vk_arena_dup(q->ex->arena, unquoted(vk_head_get(h, VK_STR("ETag"))));
    x->sum = sum_in(q->ex->arena, h);
    x->modified = vk_arena_dup(q->ex->arena, vk_head_get(h, VK_STR("Last-Modified")));
    if (!said.n || vk_str_to_i64(said, &x->size) != VK_OK)
        x->size = -1;
}

static void read_attributes(vk_s3_req *q, int status, vk_str body)
{
    const struct seen *x = q->more;
    vk_str wanted = vk_s3_asked(q, "x-amz-object-attributes"), count = x->etag, md5;
    vk_s3w_attributes w = {.sum = {.kind = VK_CHECKSUM_KINDS},
                           .parts = -1,
                           .max_parts = VK_S3_PAGE_MAX,
                           .size = listed(wanted, "ObjectSize") ? x->size : -1};
    VK_UNUSED(status);
    VK_UNUSED(body);
    if (!x->etag.p || !x->modified.p) {
        vk_s3_no_memory(q);
        return;
    }
    if (listed(wanted, "ETag"))
        w.etag = x->etag;
    if (listed(wanted, "Checksum") && x->sum.text.p)
        w.sum = x->sum;
    if (listed(wanted, "StorageClass"))
        w.storage_class = VK_STR("STANDARD");
    /* "…-3" is the ETag of three parts; what is in which no call of R2's tells */
    if (listed(wanted, "ObjectParts") && vk_str_cut(&count, '-', &md5) &&
        (vk_str_to_i64(count, &w.parts) != VK_OK || w.parts < 1))
        w.parts = -1;
    if (x->modified.n)
        vk_s3_header(q, "Last-Modified", x->modified);
    vk_s3w_object_attributes(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

void vk_s3u_attributes(vk_s3_req *q)
{
    vk_s3u_ask a;
    if (vk_s3_asked(q, "x-amz-object-attributes").n == 0) {
        vk_s3_say(q, 400, VK_STR("InvalidArgument"), "The header x-amz-object-attributes is required");
        return;
    }
    q->more = VK_NEW(q->ex->arena, struct seen);
    if (!q->more) {
        vk_s3_no_memory(q);
        return;
    }
    vk_s3u_ask_begin(&a, "HEAD");
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_line(&a.lines, "x-amz-checksum-mode", VK_STR("ENABLED"));
    a.again = true;
    a.look = see;
    a.read = read_attributes;
    vk_s3u_send(q, &a);
}

/* ---- deleting */

static void deleted(vk_s3_req *q, int status, vk_str body)
{
    VK_UNUSED(status);
    VK_UNUSED(body);
    vk_s3u_removed(q);
    vk_s3_ok(q, 204);
}

void vk_s3u_delete(vk_s3_req *q)
{
    static const char *const conditions[] = {"If-Match", "x-amz-if-match-last-modified-time",
                                             "x-amz-if-match-size"};
    vk_s3u_ask a;
    for (size_t i = 0; i < VK_COUNT(conditions); i++) {
        if (vk_request_header(q->ex, vk_str_z(conditions[i])).p) {
            vk_s3_no(q, VK_S3_NOT_IMPLEMENTED); /* R2 would pass over it, and delete */
            return;
        }
    }
    vk_s3u_ask_begin(&a, "DELETE");
    vk_s3u_target(q, &a.target, q->key);
    a.again = true;
    a.read = deleted;
    vk_s3u_send(q, &a);
}

/* ---- copying */

static void copied(vk_s3_req *q, int status, vk_str body)
{
    static const vk_s3w_sum none = {.kind = VK_CHECKSUM_KINDS};
    bool part = q->route.op == VK_S3_COPY_PART;
    vk_s3u_doc d;
    VK_UNUSED(status);
    if (!vk_s3u_document(q, body, VK_S3U_COPIED, &d))
        return;
    if (!part)
        vk_s3u_stored(q, 0, 1); /* how many bytes it has nobody said: the next count knows */
    vk_s3w_copied(&q->ex->out, part, d.mtime_ms, d.etag, &none);
    vk_s3_ok_xml(q);
}

/* The source, and what it must be for that. */
static void source_lines(vk_s3_req *q, vk_buf *lines)
{
    static const char *const conditions[] = {"x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
                                             "x-amz-copy-source-if-modified-since",
                                             "x-amz-copy-source-if-unmodified-since", NULL};
    vk_buf_lit(lines, "x-amz-copy-source: ");
    vk_s3u_target(q, lines, q->source);
    vk_buf_lit(lines, "\r\n");
    vk_s3u_lines(q, lines, conditions);
}

/* What R2 does not have for copies, or not for their parts, must not be passed over. */
static bool conditions_ok(vk_s3_req *q)
{
    bool bad =
        vk_request_header(q->ex, VK_STR("If-Match")).p || vk_request_header(q->ex, VK_STR("If-None-Match")).p;
    if (q->route.op == VK_S3_COPY_PART)
        bad = bad || vk_s3_asked(q, "x-amz-copy-source-if-match").p ||
              vk_s3_asked(q, "x-amz-copy-source-if-none-match").p ||
              vk_s3_asked(q, "x-amz-copy-source-if-modified-since").p ||
              vk_s3_asked(q, "x-amz-copy-source-if-unmodified-since").p;
    if (bad)
        vk_s3_no(q, VK_S3_NOT_IMPLEMENTED);
    return !bad;
}

void vk_s3u_copy(vk_s3_req *q)
{
    vk_s3u_ask a;
    uint8_t algo, type;
    vk_str stored = VK_STR("");
    bool replace;
    if (!vk_s3_copy_directive(q, &replace) || !vk_s3_algorithm_of(q, &algo, &type) || !conditions_ok(q) ||
        !vk_s3u_room(q, 0, 1) || (replace && !vk_s3_headers_to_store(q, &stored)))
        return;
    vk_s3u_ask_begin(&a, "PUT");
    vk_s3u_target(q, &a.target, q->key);
    source_lines(q, &a.lines);
    vk_s3u_line(&a.lines, "x-amz-metadata-directive", replace ? VK_STR("REPLACE") : VK_STR("COPY"));
    a.type = vk_s3u_stored_lines(&a.lines, stored);
    a.again = true;
    a.read = copied;
    vk_s3u_send(q, &a);
}

void vk_s3u_copy_part(vk_s3_req *q)
{
    vk_s3u_ask a;
    int64_t number, at, n = 0;
    char text[24];
    vk_str id = vk_s3u_upload_id(q), range = vk_s3_asked(q, "x-amz-copy-source-range");
    if (!id.p || !conditions_ok(q) ||
        vk_s3_param_int(&q->route, "partNumber", 1, VK_OB_PARTS_MAX, 1, &number) != VK_S3_OK)
        return;
    if (range.p && vk_s3_copy_range_of(range, INT64_MAX, &at, &n) != VK_S3_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT);
        return;
    }
    if (!vk_s3u_room(q, n, 0))
        return;
    snprintf(text, sizeof text, "%lld", (long long)number);
    vk_s3u_ask_begin(&a, "PUT");
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_param(q, &a.target, "partNumber", vk_str_z(text), false);
    vk_s3u_param(q, &a.target, "uploadId", id, false);
    source_lines(q, &a.lines);
    if (range.p)
        vk_s3u_line(&a.lines, "x-amz-copy-source-range", range);
    a.again = true;
    a.read = copied;
    vk_s3u_send(q, &a);
}
