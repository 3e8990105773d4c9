/* Status, headers and error documents of the S3 front. */
#include "services/storage/front.h"

#include "services/storage/s3cors.h"

/* ---- errors */

void vk_s3_say(vk_s3_req *q, int status, vk_str code, const char *message)
{
    if (q->code.n) /* the first one is the answer */
        return;
    q->status = status;
    q->code = code;
    q->message = vk_str_z(message);
}

void vk_s3_no(vk_s3_req *q, vk_s3_fail f)
{
    const vk_s3_error *e = &vk_s3_errors[f];
    vk_s3_say(q, e->status, vk_str_z(e->code), e->message);
}

void vk_s3_no_sigv4(vk_s3_req *q, vk_sigv4_fail f)
{
    vk_sigv4_error e = vk_sigv4_error_of(f, q->route.op == VK_S3_POST_FORM ? VK_SIGV4_POST : q->grant.form);
    vk_s3_say(q, e.status, vk_str_z(e.code), e.message);
}

void vk_s3_no_wrong(vk_s3_req *q, const vk_s3_wrong *w)
{
    if (w->ob != VK_OB_OK)
        vk_s3_no_ob(q, w->ob);
    else if (w->sigv4 != VK_SIGV4_OK)
        vk_s3_no_sigv4(q, w->sigv4);
    else
        vk_s3_say(q, w->status, vk_str_z(w->code), w->message);
}

void vk_s3_no_memory(vk_s3_req *q)
{
    vk_s3_no(q, VK_S3_NO_MEMORY);
}

static void quota(vk_s3_req *q)
{
    vk_ob_quota most = vk_s3b_quota();
    vk_ob_usage u = {0};
    vk_ob *s = q->build ? vk_s3b_store_now(q->build) : NULL;
    char bytes[VK_LIMIT_TEXT], objects[VK_LIMIT_TEXT];
    if (s)
        vk_ob_usage_now(s, &u);
    vk_limit_text(VK_LIMIT_STORAGE_BYTES, most.bytes, bytes);
    vk_limit_text(VK_LIMIT_STORAGE_OBJECTS, most.objects, objects);
    q->message = vk_arena_printf(
        q->ex->arena,
        "The build %s has stored %lld bytes in %lld objects (and %lld bytes in uploads that are not "
        "completed); it may have %s and %s objects. Delete something, or raise storage_bytes or "
        "storage_objects in valetkey's configuration.",
        q->build ? vk_s3b_id(q->build) : "", (long long)u.bytes, (long long)u.objects,
        (long long)u.part_bytes, bytes, objects);
}

void vk_s3_no_ob(vk_s3_req *q, vk_ob_err e)
{
    const vk_ob_err_info *i = &vk_ob_errs[e];
    if (q->code.n)
        return;
    vk_s3_say(q, i->status, vk_str_z(i->code), i->message);
    if (e == VK_OB_QUOTA)
        quota(q);
    if (e == VK_OB_NO_SUCH_KEY)
        vk_s3_also(q, "Key", q->route.key);
    if (e == VK_OB_NO_SUCH_CORS)
        vk_s3_also(q, "BucketName", q->route.bucket);
}

void vk_s3_also(vk_s3_req *q, const char *element, vk_str text)
{
    if (q->n_extra < VK_S3_EXTRA_MAX)
        q->extra[q->n_extra++] = (vk_s3w_extra){element, text};
}

/* ---- headers */

void vk_s3_header(vk_s3_req *q, const char *name, vk_str value)
{
    vk_err e = vk_header_add(q->ex, name, value);
    if (e == VK_E_NOMEM)
        vk_s3_no_memory(q);
    else if (e != VK_OK)
        vk_s3_say(q, 500, VK_STR("InternalError"), "What is stored with the object is no header");
}

void vk_s3_etag(vk_s3_req *q, const char *etag)
{
    char text[VK_OB_ETAG + 2];
    size_t n = strnlen(etag, VK_OB_ETAG);
    text[0] = text[n + 1] = '"';
    memcpy(text + 1, etag, n);
    vk_s3_header(q, "ETag", (vk_str){text, n + 2});
}

vk_str vk_s3_sum_type(uint8_t type)
{
    return type == VK_S3_COMPOSITE     ? VK_STR("COMPOSITE")
           : type == VK_S3_FULL_OBJECT ? VK_STR("FULL_OBJECT")
                                       : VK_STR_NONE;
}

vk_str vk_s3_sum_name(uint8_t algo)
{
    static const char *const names[] = {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"};
    return algo && algo <= VK_COUNT(names) ? vk_str_z(names[algo - 1]) : VK_STR_NONE;
}

vk_s3w_sum vk_s3_sum_text(vk_arena *a, const vk_ob_sum *sum, uint32_t parts)
{
    vk_s3w_sum none = {.kind = VK_CHECKSUM_KINDS};
    if (!sum->algo || sum->n != vk_checksum_size((vk_checksum_kind)(sum->algo - 1)))
        return none;
    vk_checksum_kind kind = (vk_checksum_kind)(sum->algo - 1);
    char text[VK_CHECKSUM_TEXT];
    vk_checksum_text(kind, sum->value, text);
    bool composite = sum->type == VK_S3_COMPOSITE && parts;
    vk_str t = composite ? vk_arena_printf(a, "%s-%u", text, parts) : vk_arena_dup(a, vk_str_z(text));
    return t.p ? (vk_s3w_sum){.kind = kind, .text = t, .type = vk_s3_sum_type(sum->type)} : none;
}

void vk_s3_sum_headers(vk_s3_req *q, const vk_ob_sum *sum, uint32_t parts)
{
    vk_s3w_sum t = vk_s3_sum_text(q->ex->arena, sum, parts);
    char name[40];
    if (t.kind == VK_CHECKSUM_KINDS)
        return;
    snprintf(name, sizeof name, "x-amz-checksum-%s", vk_checksum_name(t.kind));
    vk_s3_header(q, name, t.text);
    if (t.type.n)
        vk_s3_header(q, "x-amz-checksum-type", t.type);
}

/* ---- the answer */

#define ANY_ANSWER "X-Content-Type-Options: nosniff\r\nVary: " VK_S3_CORS_VARY "\r\n"
#define ORG_ANSWER "Valetkey-Served-By: org\r\n" ANY_ANSWER
#define OUR_ANSWER "Valetkey-Served-By: embedded\r\n" ANY_ANSWER

static vk_err next_piece(vk_pieces *p, int64_t at, vk_piece *out_r)
{
    enum { PIECE_MAX = 8 << 20 }; /* so that a revoked build's answer ends */
    vk_s3_req *q = VK_CONTAINER(p, vk_s3_req, pieces);
    vk_ob_piece x;
    if (vk_s3b_closing(q->build))
        return VK_E_UNAUTHORIZED;
    if (vk_ob_read(q->reader, q->at + at, &x) != VK_OB_OK)
        return VK_E_IO;
    int64_t left = q->n - at;
    x.n = x.n > PIECE_MAX ? PIECE_MAX : x.n;
    *out_r = (vk_piece){.fd = x.fd, .at = x.at, .n = x.n < left ? x.n : left, .bytes = x.bytes};
    return VK_OK;
}

static void pieces_over(vk_pieces *p)
{
    vk_s3_req *q = VK_CONTAINER(p, vk_s3_req, pieces);
    if (q->build)
        vk_s3b_close_reader(q->build, q->reader);
    q->reader = NULL;
}

static void write_error(vk_s3_req *q)
{
    vk_exchange *ex = q->ex;
    vk_s3w_failure f = {.code = q->code,
                        .message = q->message,
                        .extra = q->extra,
                        .n_extra = q->n_extra,
                        .resource = ex->path,
                        .request_id = vk_exchange_id(ex)};
    vk_buf_clear(&ex->out);
    vk_s3w_error(&ex->out, &f);
    if (q->status == 503 && !ex->retry_s)
        ex->retry_s = 1;
}

#define RANGES "Accept-Ranges: bytes\r\n"
#define SANDBOX "Content-Security-Policy: sandbox; default-src 'none'\r\n"

/* What is the same for all answers of a kind. */
static void put_lines(vk_s3_req *q)
{
    bool object = q->readable && !q->code.n;
    if (q->forwarded && object && q->sandboxed)
        vk_header_lines(q->ex, ANY_ANSWER RANGES SANDBOX);
    else if (q->forwarded && object)
        vk_header_lines(q->ex, ANY_ANSWER RANGES);
    else if (q->forwarded)
        vk_header_lines(q->ex, ANY_ANSWER);
    else if (q->driver)
        vk_header_lines(q->ex, ORG_ANSWER);
    else if (object && q->sandboxed)
        vk_header_lines(q->ex, OUR_ANSWER RANGES SANDBOX);
    else if (object)
        vk_header_lines(q->ex, OUR_ANSWER RANGES);
    else
        vk_header_lines(q->ex, OUR_ANSWER);
}

void vk_s3_pass_lines(vk_s3_req *q)
{
    put_lines(q);
    if (!(q->route.op == VK_S3_PREFLIGHT && q->build) && vk_request_header(q->ex, VK_STR("Origin")).p)
        vk_s3_cors_headers(q);
    vk_s3_header(q, "x-amz-request-id", vk_exchange_id(q->ex));
}

void vk_s3_finish(vk_s3_req *q)
{
    vk_exchange *ex = q->ex;
    if (q->route.op == VK_S3_PREFLIGHT && q->build)
        vk_s3_preflight_answer(q);
    vk_s3_pass_lines(q);
    if (q->code.n || !q->reader)
        vk_s3_leave(q); /* the rest is in memory: a client that takes its time keeps nobody's files */
    if (q->code.n) {
        write_error(q);
        vk_respond(ex, q->status, "application/xml");
    } else if (q->reader && q->build) {
        q->pieces = (vk_pieces){next_piece, pieces_over};
        vk_respond_pieces(ex, q->status, q->type, q->n, &q->pieces);
    } else if (q->route.op == VK_S3_HEAD_OBJECT && q->status != 304) {
        vk_respond_pieces(ex, q->status, q->type, q->n, NULL);
    } else {
        vk_respond(ex, q->status, q->xml ? "application/xml" : q->type);
    }
}

/* ---- the engine's refusals */

static const struct {
    int status;
    const char *code;
} refusals[] = {
    {400, "InvalidRequest"}, {408, "RequestTimeout"}, {413, "EntityTooLarge"},
    {421, "InvalidRequest"}, {429, "SlowDown"},       {431, "RequestHeaderSectionTooLarge"},
    {501, "NotImplemented"}, {503, "SlowDown"},       {505, "NotImplemented"},
};

void vk_s3_refuse(vk_exchange *ex, int status, vk_err e, const char *text)
{
    VK_UNUSED(e);
    const char *code = status < 500 ? "InvalidRequest" : "InternalError";
    for (size_t i = 0; i < VK_COUNT(refusals); i++)
        if (refusals[i].status == status)
            code = refusals[i].code;
    vk_s3w_failure f = {.code = vk_str_z(code),
                        .message = vk_str_z(text),
                        .resource = ex->path,
                        .request_id = vk_exchange_id(ex)};
    vk_header_lines(ex, OUR_ANSWER);
    if (ex->ctx && vk_request_header(ex, VK_STR("Origin")).p)
        vk_s3_cors_headers(vk_s3_req_of(ex)); /* or the page learns nothing of it */
    if (ex->ctx)
        vk_s3_leave(vk_s3_req_of(ex));
    if (vk_header_add(ex, "x-amz-request-id", f.request_id) != VK_OK)
        ex->close = true; /* without memory for one line more the answer is the least that there is */
    vk_buf_clear(&ex->out);
    vk_s3w_error(&ex->out, &f);
    vk_respond(ex, status, "application/xml");
}
