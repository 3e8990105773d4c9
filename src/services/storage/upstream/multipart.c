/* Multipart uploads at the vendor, but for their parts' bytes (put.c) and listings (list.c). */
#include "services/storage/upstream/upstream.h"

#include "services/storage/s3cond.h"
#include "services/storage/s3xml_table.h"

static bool is_id(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= VK_S3U_ID_MAX;
}

vk_str vk_s3u_upload_id(vk_s3_req *q)
{
    vk_str id;
    if (vk_s3_param_of(&q->route, "uploadId", &id) && is_id(id))
        return id;
    vk_s3_no_ob(q, VK_OB_NO_SUCH_UPLOAD); /* no vendor's id looks so */
    return VK_STR_NONE;
}

/* ---- create, abort */

static void created(vk_s3_req *q, int status, vk_str body)
{
    vk_s3u_doc d;
    VK_UNUSED(status);
    if (!vk_s3u_document(q, body, VK_S3U_CREATED, &d))
        return;
    if (!is_id(d.id)) {
        vk_s3u_nonsense(q, "no id of an upload");
        return;
    }
    vk_s3w_created_upload(&q->ex->out, q->route.bucket, q->route.key, d.id);
    vk_s3_ok_xml(q);
}

void vk_s3u_create_upload(vk_s3_req *q)
{
    vk_s3u_ask a;
    uint8_t algo, type;
    vk_str stored;
    /* A checksum of the whole is not kept: which ones there are differs between vendors. Those of the parts
     * are held against their bytes here. */
    if (!vk_s3_algorithm_of(q, &algo, &type) || !vk_s3_headers_to_store(q, &stored) || !vk_s3u_room(q, 0, 1))
        return;
    vk_s3u_ask_begin(&a, "POST");
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_param(q, &a.target, "uploads", VK_STR(""), false);
    a.type = vk_s3u_stored_lines(&a.lines, stored);
    a.read = created;
    vk_s3u_send(q, &a);
}

static void aborted(vk_s3_req *q, int status, vk_str body)
{
    VK_UNUSED(status);
    VK_UNUSED(body);
    vk_s3u_removed(q);
    vk_s3_ok(q, 204);
}

void vk_s3u_abort(vk_s3_req *q)
{
    vk_s3u_ask a;
    vk_str id = vk_s3u_upload_id(q);
    if (!id.p)
        return;
    vk_s3u_ask_begin(&a, "DELETE");
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_param(q, &a.target, "uploadId", id, false);
    a.again = true;
    a.read = aborted;
    vk_s3u_send(q, &a);
}

/* ---- complete */

static void completed(vk_s3_req *q, int status, vk_str body)
{
    vk_exchange *ex = q->ex;
    vk_s3u_doc d;
    VK_UNUSED(status);
    if (!vk_s3u_document(q, body, VK_S3U_COMPLETED, &d))
        return;
    vk_s3u_stored(q, 0, 1); /* its bytes were counted when its parts came */
    vk_s3w_completed w = {.location = vk_arena_printf(ex->arena, "http%s://" VK_STR_FMT VK_STR_FMT,
                                                      ex->server->tls ? "s" : "", VK_STR_ARG(ex->host),
                                                      VK_STR_ARG(ex->path)),
                          .bucket = q->route.bucket,
                          .key = q->route.key,
                          .etag = d.etag,
                          .sum = {.kind = VK_CHECKSUM_KINDS}};
    vk_s3w_completed_upload(&ex->out, &w);
    vk_s3_ok_xml(q);
}

static void write_parts(vk_buf *b, const vk_s3x_complete *x)
{
    vk_buf_lit(b, "<CompleteMultipartUpload" VK_S3X_NS ">");
    for (size_t i = 0; i < x->n; i++) {
        vk_str etag = vk_str_trim(x->parts[i].etag);
        if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
            etag = (vk_str){etag.p + 1, etag.n - 2};
        vk_buf_printf(b, "<Part><PartNumber>%d</PartNumber><ETag>&quot;", x->parts[i].number);
        vk_s3x_escape(b, etag);
        vk_buf_lit(b, "&quot;</ETag></Part>");
    }
    vk_buf_lit(b, "</CompleteMultipartUpload>");
}

/* What is said of the whole and cannot be held against anything must not be passed over. */
static bool says_of_whole(const vk_s3_req *q)
{
    vk_checksum_kind kind;
    bool says = vk_request_header(q->ex, VK_STR("x-amz-checksum-type")).p != NULL;
    for (uint32_t i = 0; i < q->ex->n_headers; i++)
        says = says || vk_s3_checksum_header(q->ex->headers[i].name, &kind);
    return says;
}

void vk_s3u_complete(vk_s3_req *q)
{
    static const char *const conditions[] = {"If-Match", "If-None-Match", NULL};
    vk_s3u_ask a;
    vk_s3x_complete x;
    vk_buf b;
    bool any;
    vk_s3_conditions w = {.if_match = vk_request_header(q->ex, VK_STR("If-Match")),
                          .if_none_match = vk_request_header(q->ex, VK_STR("If-None-Match"))};
    vk_str id = vk_s3u_upload_id(q);
    if (!id.p)
        return;
    vk_s3_fail f = vk_s3x_read_complete(q->ex->arena, vk_buf_view(&q->ex->body), &x);
    if (f == VK_S3_OK)
        f = vk_s3_write_conditions(&w, &any);
    if (f == VK_S3_OK && (says_of_whole(q) || (vk_s3u_is_r2(q) && (any || w.if_match.n))))
        f = VK_S3_NOT_IMPLEMENTED;
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    vk_buf_init(&b, VK_S3X_BODY_MAX);
    write_parts(&b, &x);
    vk_s3u_ask_begin(&a, "POST");
    a.body = b.err == VK_OK ? vk_arena_dup(q->ex->arena, vk_buf_view(&b)) : VK_STR_NONE;
    vk_buf_free(&b);
    if (!a.body.p)
        vk_s3_no_memory(q);
    a.type = VK_STR("application/xml");
    vk_s3u_target(q, &a.target, q->key);
    vk_s3u_param(q, &a.target, "uploadId", id, false);
    vk_s3u_lines(q, &a.lines, conditions);
    a.read = completed;
    vk_s3u_send(q, &a); /* frees what is in `a`, also of an answered request */
}
