/* A request to keeper, and what its answer is to the client. */
#include "services/storage/upstream/upstream.h"

#include "core/log.h"

vk_s3u_numbers vk_s3u_numbers_now;

static void count(_Atomic uint64_t *n)
{
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static const vk_tenant *tenant(const vk_s3_req *q)
{
    return q->ex->principal;
}

/* ---- which operation does what */

static void (*const runs[VK_S3_OPS])(vk_s3_req *q) = {
    [VK_S3_LIST_V1] = vk_s3u_list,
    [VK_S3_LIST_V2] = vk_s3u_list,
    [VK_S3_LIST_VERSIONS] = vk_s3u_list,
    [VK_S3_LIST_UPLOADS] = vk_s3u_list_uploads,
    [VK_S3_LIST_PARTS] = vk_s3u_list_parts,
    [VK_S3_DELETE_MANY] = vk_s3u_delete_many,
    [VK_S3_GET_OBJECT] = vk_s3u_get,
    [VK_S3_HEAD_OBJECT] = vk_s3u_get,
    [VK_S3_PUT_OBJECT] = vk_s3u_put_request,
    [VK_S3_UPLOAD_PART] = vk_s3u_put_request,
    [VK_S3_POST_FORM] = vk_s3_form_request,
    [VK_S3_COPY_OBJECT] = vk_s3u_copy,
    [VK_S3_COPY_PART] = vk_s3u_copy_part,
    [VK_S3_DELETE_OBJECT] = vk_s3u_delete,
    [VK_S3_GET_ATTRIBUTES] = vk_s3u_attributes,
    [VK_S3_CREATE_UPLOAD] = vk_s3u_create_upload,
    [VK_S3_COMPLETE_UPLOAD] = vk_s3u_complete,
    [VK_S3_ABORT_UPLOAD] = vk_s3u_abort,
};

bool vk_s3u_serves(vk_s3_op op)
{
    return runs[op] != NULL;
}

static void run(vk_s3_req *q)
{
    runs[q->route.op](q);
    if (q->code.n || q->status) /* nobody had to be asked; what was asked answers later */
        vk_s3_finish(q);
}

static void resume(vk_exchange *ex)
{
    run(vk_s3_req_of(ex));
}

/* Only so that the build's own CORS rules are in memory when its answer is made. */
static void open_rules(vk_s3_job *j)
{
    vk_s3_req *q = VK_CONTAINER(j, vk_s3_req, job);
    vk_ob *store;
    if (vk_s3b_store(q->build, false, &store) != VK_OB_OK)
        store = NULL; /* it has none: those of every build are good */
    vk_exchange_post(q->ex, resume);
}

void vk_s3u_request(vk_s3_req *q)
{
    bool page = vk_request_header(q->ex, VK_STR("Origin")).p != NULL;
    count(&vk_s3u_numbers_now.asked);
    if (page && !vk_s3b_store_now(q->build))
        vk_s3_submit(q, open_rules);
    else
        run(q);
}

/* ---- whose key */

void vk_s3u_credential(const vk_s3_req *q, char *kind_r, uint8_t hash_r[VK_HASH])
{
    static const vk_valet_form form = {.kind = 'i', .prefix = "", .hex = 32};
    vk_worker *w = q->ex->server->ctx;
    const uint8_t *hash = q->anonymous ? NULL : vk_service_hash_of(q->ex);
    char id[VK_VALET_MAX];
    *kind_r = form.kind;
    if (hash) {
        memcpy(hash_r, hash, VK_HASH);
        return;
    }
    /* What everybody may read needs no key of the client's; keeper wants one all the same, so that it can see
     * for itself that the build is still good. */
    vk_valet_derive(w->rt->master, &form, vk_str_z(tenant(q)->id), VK_STR("storage"), tenant(q)->generation,
                    id);
    vk_valet_hash(w->lookup, vk_secret_of(vk_str_z(id)), hash_r);
    vk_wipe(id, sizeof id);
}

/* ---- targets and lines */

static void encode(vk_buf *b, vk_str s, bool slash)
{
    static const char hex[17] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
            c == '.' || c == '_' || c == '~' || (slash && c == '/')) {
            vk_buf_ch(b, (char)c);
        } else {
            vk_buf_ch(b, '%');
            vk_buf_ch(b, hex[c >> 4]);
            vk_buf_ch(b, hex[c & 15]);
        }
    }
}

void vk_s3u_target(const vk_s3_req *q, vk_buf *b, vk_str key)
{
    vk_buf_ch(b, '/');
    if (!key.p)
        return;
    vk_buf_printf(b, "builds/%s/%llu/", tenant(q)->id, (unsigned long long)tenant(q)->generation);
    encode(b, key, true);
}

void vk_s3u_param(const vk_s3_req *q, vk_buf *b, const char *name, vk_str value, bool scoped)
{
    vk_buf_ch(b, b->n && memchr(b->p, '?', b->n) ? '&' : '?');
    vk_buf_z(b, name);
    vk_buf_ch(b, '=');
    if (scoped)
        vk_buf_printf(b, "builds%%2F%s%%2F%llu%%2F", tenant(q)->id,
                      (unsigned long long)tenant(q)->generation);
    encode(b, value, false);
}

void vk_s3u_line(vk_buf *b, const char *name, vk_str value)
{
    vk_buf_z(b, name);
    vk_buf_lit(b, ": ");
    vk_buf_str(b, value);
    vk_buf_lit(b, "\r\n");
}

void vk_s3u_lines(const vk_s3_req *q, vk_buf *b, const char *const *names)
{
    for (; *names; names++) {
        vk_str v = vk_s3_asked(q, *names);
        if (v.p)
            vk_s3u_line(b, *names, v);
    }
}

static bool stands_in(vk_str packed, vk_str name)
{
    vk_str n, v;
    while (vk_ob_header_next(&packed, &n, &v))
        if (vk_str_ieq(n, name))
            return true;
    return false;
}

/* Of metadata with one name twice S3 makes one with both values. */
vk_str vk_s3u_stored_lines(vk_buf *b, vk_str packed)
{
    vk_str rest = packed, name, value, type = VK_STR("");
    while (rest.n) {
        vk_str before = {packed.p, packed.n - rest.n};
        if (!vk_ob_header_next(&rest, &name, &value))
            break;
        if (vk_str_ieq(name, VK_STR("Content-Type"))) {
            type = value;
            continue;
        }
        if (stands_in(before, name)) /* written with the first one */
            continue;
        vk_buf_str(b, name);
        vk_buf_lit(b, ": ");
        vk_buf_str(b, value);
        vk_str n, v, later = rest;
        while (vk_ob_header_next(&later, &n, &v)) {
            if (!vk_str_ieq(n, name))
                continue;
            vk_buf_ch(b, ',');
            vk_buf_str(b, v);
        }
        vk_buf_lit(b, "\r\n");
    }
    return type;
}

/* ---- the vendor's errors */

/* What a client is told of a vendor's code, in our words: the vendor's may name its account, its bucket and
 * its keys. `status` 0: as it came. */
static const struct {
    const char *code, *as;
    int status;
    const char *message;
} codes[] = {
    {"NoSuchKey", NULL, 404, "The specified key does not exist."},
    {"NoSuchUpload", NULL, 404,
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
     "or "
     "completed."},
    {"NoSuchVersion", NULL, 404, "The specified version does not exist."},
    {"PreconditionFailed", NULL, 412, "At least one of the pre-conditions you specified did not hold"},
    {"ConditionalRequestConflict", NULL, 409,
     "A conflicting operation occurred during the upload; try the request again."},
    {"InvalidRange", NULL, 416, "The requested range is not satisfiable"},
    {"InvalidPartNumber", NULL, 416, "The requested partnumber is not satisfiable"},
    {"InvalidPart", NULL, 400,
     "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
     "specified entity tag may not match the part's entity tag, or R2 wants all parts but the last to be of "
     "one "
     "length."},
    {"InvalidPartOrder", NULL, 400, "The list of parts was not in ascending order."},
    {"EntityTooSmall", NULL, 400, "Your proposed upload is smaller than the minimum allowed size"},
    {"EntityTooLarge", NULL, 400, "Your proposed upload exceeds the maximum allowed size"},
    {"MetadataTooLarge", NULL, 400, "Your metadata headers exceed the maximum allowed metadata size"},
    {"KeyTooLongError", NULL, 400, "Your key is too long"},
    {"InvalidObjectName", NULL, 400, "The object's name is not valid at the storage behind valetkey"},
    {"BadDigest", NULL, 400, "The digest you specified did not match what was received."},
    {"InvalidDigest", NULL, 400, "The digest you specified is not valid."},
    {"InvalidArgument", NULL, 400, "The storage behind valetkey does not take an argument of the request"},
    {"InvalidRequest", NULL, 400, "The storage behind valetkey does not take the request"},
    {"MalformedXML", NULL, 400, "The storage behind valetkey does not take the list of parts"},
    {"NotImplemented", NULL, 501, "The storage behind valetkey does not have this part of S3"},
    {"InvalidObjectState", NULL, 403, "The object is in an archive of the storage behind valetkey"},
    {"TooManyRequests", "SlowDown", 503, "Please reduce your request rate."},
    {"SlowDown", NULL, 503, "Please reduce your request rate."},
    {"OperationAborted", NULL, 409, "A conflicting operation is in progress; try the request again."},
    {"RequestTimeout", "ServiceUnavailable", 503, "Please try again later."},
    {"IncompleteBody", "ServiceUnavailable", 503, "Please try again later."},
    {"ClientDisconnect", "ServiceUnavailable", 503, "Please try again later."},
    {"InternalError", NULL, 500, "We encountered an internal error. Please try again."},
    {"ServiceUnavailable", NULL, 503, "Please try again later."},
};

/* What the vendor says of the organisation's key, bucket or address: nothing that the app can mend. */
static const char *const ours[] = {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "ExpiredRequest",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidSecurity",
    "InvalidToken",
    "MethodNotAllowed",
    "MissingSecurityHeader",
    "NoSuchBucket",
    "NotEntitled",
    "NotSignedUp",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TemporaryRedirect",
    "Unauthorized",
    "XAmzContentSHA256Mismatch",
};

/* Without a document there is only the status: of HEAD, and of what stands before a vendor. */
static const struct {
    int status;
    const char *code;
} by_status[] = {
    {304, "NotModified"},        {400, "InvalidRequest"}, {404, "NoSuchKey"}, {409, "OperationAborted"},
    {412, "PreconditionFailed"}, {416, "InvalidRange"},   {429, "SlowDown"},  {500, "InternalError"},
    {501, "NotImplemented"},     {503, "SlowDown"},
};

static bool is_code(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= 'a' && s.p[i] <= 'z') ||
              (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n > 0 && s.n <= 64;
}

static void unavailable(vk_s3_req *q)
{
    vk_s3_say(q, 503, VK_STR("ServiceUnavailable"),
              "The storage behind valetkey cannot be used now; try again later.");
}

static bool is_about_us(int status, vk_str code)
{
    if (status == 401 || status == 403 || (status >= 300 && status < 400 && status != 304))
        return true;
    for (size_t i = 0; i < VK_COUNT(ours); i++)
        if (vk_str_eqz(code, ours[i]))
            return true;
    return false;
}

void vk_s3u_no(vk_s3_req *q, int status, vk_str code)
{
    if (!is_code(code)) {
        code = VK_STR("");
        for (size_t i = 0; i < VK_COUNT(by_status); i++)
            if (by_status[i].status == status)
                code = vk_str_z(by_status[i].code);
    }
    if (vk_str_eqz(code, "InvalidObjectState"))
        status = 400; /* not one of 403 */
    if (q->anonymous && vk_str_eqz(code, "NoSuchKey")) {
        vk_s3_no_sigv4(q, VK_SIGV4_ANONYMOUS); /* strangers are not told what there is */
        return;
    }
    if (is_about_us(status, code)) {
        count(&vk_s3u_numbers_now.refused_us);
        vk_log(VK_ERROR,
               "the storage's vendor refuses what the organisation's key signs; see: valetkey keys check",
               VK_F(vendor, q->driver->name), VK_F(status, (int64_t)status), VK_F(code, code),
               VK_F(build, tenant(q)->id));
        unavailable(q);
        return;
    }
    for (size_t i = 0; i < VK_COUNT(codes); i++) {
        if (!vk_str_eqz(code, codes[i].code))
            continue;
        vk_s3_say(q, codes[i].status, vk_str_z(codes[i].as ? codes[i].as : codes[i].code), codes[i].message);
        if (codes[i].status == 404 && vk_str_eqz(code, "NoSuchKey"))
            vk_s3_also(q, "Key", q->route.key);
        return;
    }
    if (status >= 400 && status < 500 && code.n)
        vk_s3_say(q, status, vk_arena_dup(q->ex->arena, code),
                  "The storage behind valetkey refuses the request");
    else
        unavailable(q);
}

void vk_s3u_no_body(vk_s3_req *q, int status, vk_str body)
{
    vk_s3u_doc d;
    vk_s3_fail f = body.n ? vk_s3u_read(q->ex->arena, body, &d) : VK_S3_MALFORMED_XML;
    if (f == VK_S3_NO_MEMORY)
        vk_s3_no_memory(q);
    else
        vk_s3u_no(q, status, f == VK_S3_OK && d.kind == VK_S3U_ERROR ? d.code : VK_STR(""));
}

void vk_s3u_nonsense(vk_s3_req *q, const char *what)
{
    count(&vk_s3u_numbers_now.nonsense);
    vk_log(VK_ERROR, "the storage's vendor gives an answer that cannot be", VK_F(vendor, q->driver->name),
           VK_F(what, what), VK_F(build, tenant(q)->id));
    unavailable(q);
}

void vk_s3u_failed(vk_s3_req *q, vk_err e, bool retry, const char *why)
{
    switch (e) {
    case VK_E_TOO_LARGE:
        vk_s3_no(q, VK_S3_KEY_TOO_LONG);
        return;
    case VK_E_UNAUTHORIZED:
    case VK_E_EXPIRED:
        vk_s3_no_sigv4(q, VK_SIGV4_KEY_REVOKED);
        return;
    case VK_E_NOMEM:
        vk_s3_no_memory(q);
        return;
    case VK_E_BUSY:
        vk_s3_say(q, 503, VK_STR("SlowDown"), "Please reduce your request rate.");
        return;
    default:
        break;
    }
    count(&vk_s3u_numbers_now.away);
    vk_s3_say(q, retry ? 503 : 501, retry ? VK_STR("ServiceUnavailable") : VK_STR("NotImplemented"), why);
}

bool vk_s3u_document(vk_s3_req *q, vk_str body, vk_s3u_kind kind, vk_s3u_doc *out_r)
{
    vk_s3_fail f = vk_s3u_read(q->ex->arena, body, out_r);
    if (f == VK_S3_NO_MEMORY)
        vk_s3_no_memory(q);
    else if (f != VK_S3_OK)
        vk_s3u_nonsense(q, "no document of S3");
    else if (out_r->kind == VK_S3U_ERROR)
        vk_s3u_no(q, 200, out_r->code); /* S3 finds out late, with copies and completed uploads */
    else if (out_r->kind != kind)
        vk_s3u_nonsense(q, "another document than was asked for");
    return !q->code.n;
}

vk_str vk_s3u_own(const vk_s3_req *q, vk_str key)
{
    char prefix[VK_S3U_SCOPE_MAX];
    int n = snprintf(prefix, sizeof prefix, "builds/%s/%llu/", tenant(q)->id,
                     (unsigned long long)tenant(q)->generation);
    if (!vk_str_starts(key, (vk_str){prefix, (size_t)n}))
        return VK_STR_NONE;
    return (vk_str){key.p + n, key.n - (size_t)n};
}

/* ---- sending */

struct call {
    vk_s3_req *q;
    vk_s3u_ask ask;
    int status;
};

void vk_s3u_ask_begin(vk_s3u_ask *a, const char *method)
{
    *a = (vk_s3u_ask){.method = method, .type = VK_STR(""), .body = VK_STR_NONE, .max = VK_S3U_ERROR_MAX};
    vk_buf_init(&a->target, 32 << 10);
    vk_buf_init(&a->lines, 24 << 10);
}

static vk_err head_came(vk_forward *f, const vk_head *h)
{
    struct call *c = f->arg;
    bool good = h->status >= 200 && h->status < 300;
    c->status = h->status;
    if (c->ask.passes && (good || h->status == 304)) {
        c->q->status = h->status;
        if (c->ask.passes(c->q, h))
            return VK_OK;
        return vk_fail(c->q->ex, VK_E_INVALID, "The answer's head cannot be passed on");
    }
    if (good && c->ask.look)
        c->ask.look(c->q, h);
    vk_forward_collect(f, good ? c->ask.max : VK_S3U_ERROR_MAX);
    return VK_OK;
}

static void collected(vk_forward *f, int status)
{
    struct call *c = f->arg;
    vk_s3_req *q = c->q;
    vk_buf body = q->ex->out;
    vk_buf_init(&q->ex->out, VK_EX_OUT_MAX);
    if (status >= 200 && status < 300)
        c->ask.read(q, status, vk_buf_view(&body));
    else
        vk_s3u_no_body(q, status, vk_buf_view(&body));
    vk_buf_free(&body);
    vk_s3_finish(q);
}

static void failed(vk_forward *f, vk_err e, bool retry, const char *why)
{
    struct call *c = f->arg;
    if (c->status && !c->q->code.n)
        vk_s3u_nonsense(c->q, why);
    else if (!c->q->code.n)
        vk_s3u_failed(c->q, e, retry, why);
    vk_s3_finish(c->q);
}

/* What forward.h wants to know; takes what is in `a`. False: an error is set. */
static bool make(vk_s3_req *q, vk_s3u_ask *a, uint8_t hash[VK_HASH], vk_forward_ask *out)
{
    vk_arena *arena = q->ex->arena;
    vk_err e = a->target.err != VK_OK ? a->target.err : a->lines.err;
    *out = (vk_forward_ask){.hash = hash,
                            .method = vk_str_z(a->method),
                            .target = vk_arena_dup(arena, vk_buf_view(&a->target)),
                            .lines = vk_arena_dup(arena, vk_buf_view(&a->lines)),
                            .content_type = a->type,
                            .body = a->body.p ? a->body : VK_STR(""),
                            .again = a->again};
    vk_s3u_credential(q, &out->kind, hash);
    vk_buf_free(&a->target);
    vk_buf_free(&a->lines);
    if (e == VK_E_TOO_LARGE)
        vk_s3_no(q, VK_S3_TOO_MANY);
    else if (e != VK_OK || !out->target.p || !out->lines.p)
        vk_s3_no_memory(q);
    return !q->code.n;
}

static void not_begun(vk_s3_req *q, vk_err e)
{
    if (e != VK_OK)
        vk_s3u_failed(q, e, true, "The storage behind valetkey cannot be reached now; try again later.");
}

void vk_s3u_send(vk_s3_req *q, vk_s3u_ask *a)
{
    static const vk_forward_ways ways = {
        .head = head_came, .collected = collected, .failed = failed, .own_lines = true};
    uint8_t hash[VK_HASH];
    vk_forward *f;
    vk_forward_ask ask;
    struct call *c = VK_NEW(q->ex->arena, struct call);
    if (!make(q, a, hash, &ask))
        return;
    if (!c) {
        vk_s3_no_memory(q);
        return;
    }
    *c = (struct call){.q = q, .ask = *a};
    ask.ways = &ways;
    ask.arg = c;
    q->forwarded = true;
    not_begun(q, vk_forward_begin(q->ex, &ask, &f));
}

bool vk_s3u_begin_call(vk_s3_req *q, vk_s3u_ask *a, vk_upcall *c)
{
    uint8_t hash[VK_HASH];
    vk_forward_ask ask;
    if (!make(q, a, hash, &ask))
        return false;
    not_begun(q, vk_forward_call(q->ex, &ask, c));
    return !q->code.n;
}
