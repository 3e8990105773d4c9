/* POST Object: a browser's upload by a form with a signed policy. The fields in front of the file come first;
 * when the last of them is there everything is judged, and only then does the first byte of the file go
 * anywhere. Source: "POST Object" and "Browser-based uploads using POST" of the S3 API reference. */
#include "services/storage/front.h"

#include "core/clock.h"
#include "services/storage/s3form.h"
#include "services/storage/upstream/upstream.h"

struct form {
    vk_sink sink;
    vk_s3form in;
    vk_post_terms terms;
    bool judged;
    int64_t seen; /* bytes of the body in front of those that are looked at now */
};

static vk_str field(const struct form *f, const char *name)
{
    for (size_t i = 0; i < f->in.n_fields; i++)
        if (vk_str_ieq(f->in.fields[i].name, vk_str_z(name)))
            return f->in.fields[i].value;
    return VK_STR_NONE;
}

/* ---- the answer */

/* "%2F" and so on, for a query. */
static void encode(vk_buf *b, vk_str s)
{
    static const char hex[17] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c)) {
            vk_buf_ch(b, (char)c);
        } else {
            vk_buf_ch(b, '%');
            vk_buf_ch(b, hex[c >> 4]);
            vk_buf_ch(b, hex[c & 15]);
        }
    }
}

static bool is_url(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return vk_str_starts(s, VK_STR("http://")) || vk_str_starts(s, VK_STR("https://"));
}

static bool redirect(vk_s3_req *q, vk_str to, const vk_ob_object *made)
{
    vk_buf b;
    vk_buf_init(&b, 8192);
    vk_buf_str(&b, to);
    vk_buf_ch(&b, memchr(to.p, '?', to.n) ? '&' : '?');
    vk_buf_lit(&b, "bucket=");
    encode(&b, q->route.bucket);
    vk_buf_lit(&b, "&key=");
    encode(&b, q->route.key);
    vk_buf_lit(&b, "&etag=%22");
    vk_buf_z(&b, made->etag);
    vk_buf_lit(&b, "%22");
    bool fits = b.err == VK_OK;
    if (fits)
        vk_s3_header(q, "Location", vk_buf_view(&b));
    vk_buf_free(&b);
    return fits;
}

/* Where the object is, by the address that the client used. */
static vk_str location(const vk_s3_req *q)
{
    vk_buf b;
    vk_buf_init(&b, 8192);
    vk_buf_printf(&b, "http%s://" VK_STR_FMT "/", q->ex->server->tls ? "s" : "", VK_STR_ARG(q->ex->host));
    if (!q->route.virtual_host) {
        encode(&b, q->route.bucket);
        vk_buf_ch(&b, '/');
    }
    encode(&b, q->route.key);
    vk_str s = b.err == VK_OK ? vk_arena_dup(q->ex->arena, vk_buf_view(&b)) : VK_STR_NONE;
    vk_buf_free(&b);
    return s;
}

static void answer(vk_s3_req *q, const vk_ob_object *made)
{
    struct form *f = q->more;
    vk_str to = field(f, "success_action_redirect"), status = field(f, "success_action_status");
    if (!to.p)
        to = field(f, "redirect");
    vk_s3_etag(q, made->etag);
    vk_s3_sum_headers(q, &made->sum, 0);
    if (to.n && is_url(to) && redirect(q, to, made)) {
        vk_s3_ok(q, 303);
        return;
    }
    vk_s3w_completed w = {.location = location(q),
                          .bucket = q->route.bucket,
                          .key = q->route.key,
                          .etag = vk_str_z(made->etag),
                          .sum = {.kind = VK_CHECKSUM_KINDS}};
    if (w.location.p)
        vk_s3_header(q, "Location", w.location);
    if (vk_str_eqz(status, "201")) {
        vk_s3w_posted(&q->ex->out, &w);
        q->status = 201;
        q->xml = true;
    } else {
        vk_s3_ok(q, vk_str_eqz(status, "200") ? 200 : 204);
    }
}

/* ---- judging */

/* What of the fields is stored or asks for something, as the headers of a PUT do. */
static bool read_fields(vk_s3_req *q, vk_s3_plan *plan)
{
    struct form *f = q->more;
    vk_buf b;
    size_t meta = 0;
    bool ok = true;
    vk_sigv4_pair *as_headers = vk_arena_alloc(q->ex->arena, sizeof *as_headers * (f->in.n_fields + 2));
    if (!as_headers) {
        vk_s3_no_memory(q);
        return false;
    }
    /* Checksums, ACLs and the like are judged as those of a presigned URL are. */
    q->in_query = as_headers;
    for (size_t i = 0; i < f->in.n_fields; i++) {
        vk_sigv4_pair x = f->in.fields[i];
        if (vk_str_ieq(x.name, VK_STR("acl")))
            x.name = VK_STR("x-amz-acl");
        else if (vk_str_ieq(x.name, VK_STR("tagging")))
            x.name = VK_STR("x-amz-tagging");
        as_headers[q->n_in_query++] = x;
    }
    if (!vk_s3_options_ok(q) || !vk_s3_claims_of(q, &plan->claims))
        return false;
    plan->claims.unless_empty = false; /* a form states it of its file */
    if (plan->claims.trailing) {       /* its body has no chunks that one could come behind */
        vk_s3_no_sigv4(q, VK_SIGV4_TRAILER);
        return false;
    }
    vk_buf_init(&b, VK_OB_HEADERS_MAX);
    for (size_t i = 0; i < f->in.n_fields && ok; i++)
        ok = vk_s3_pack(q, &b, &meta, f->in.fields[i].name, f->in.fields[i].value);
    plan->headers = vk_arena_dup(q->ex->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    if (ok && !plan->headers.p)
        vk_s3_no_memory(q);
    return !q->code.n;
}

/* How much of the body follows what was read; -1: not known. */
static int64_t left_of(const vk_s3_req *q, int64_t read)
{
    int64_t n;
    vk_str length = vk_request_header(q->ex, VK_STR("Content-Length"));
    return length.p && vk_str_to_i64(length, &n) == VK_OK && n >= read ? n - read : -1;
}

/* `read`: bytes of the body that stand in front of the file. */
static bool judge(vk_s3_req *q, int64_t read)
{
    enum { CLOSING = 4 }; /* "--" and CRLF behind the last boundary */
    struct form *f = q->more;
    vk_exchange *ex = q->ex;
    vk_sigv4_setup setup;
    vk_s3_finder finder;
    int64_t now = vk_clock_wall_ms();
    vk_s3_plan plan = {.size = -1, .if_match = VK_STR("")};
    vk_s3_sigv4_setup(&finder, ex, &setup);
    vk_sigv4_fail fail = vk_sigv4_verify_post(&setup, f->in.fields, f->in.n_fields, now, &q->grant);
    if (!vk_s3_proven(q, &finder, fail, NULL))
        return false;
    atomic_fetch_add_explicit(&vk_s3_numbers_now.ops[VK_S3_POST_FORM], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&vk_s3_numbers_now.forms, 1, memory_order_relaxed);
    vk_post_form form = {.fields = f->in.fields,
                         .n_fields = f->in.n_fields,
                         .bucket = q->route.bucket,
                         .file_name = f->in.file_name,
                         .now_ms = now};
    fail = vk_post_policy_check(ex->arena, &form, &f->terms);
    if (fail != VK_SIGV4_OK) {
        vk_s3_no_sigv4(q, fail);
        if (f->terms.detail.n)
            q->message = vk_arena_printf(ex->arena, VK_STR_FMT VK_STR_FMT, VK_STR_ARG(q->message),
                                         VK_STR_ARG(f->terms.detail));
        return false;
    }
    q->route.key = f->terms.key;
    vk_s3_fail bad = vk_s3_key_check(q->route.key);
    if (bad != VK_S3_OK) {
        vk_s3_no(q, bad);
        return false;
    }
    if (!vk_s3_enter(q) || !read_fields(q, &plan))
        return false;
    plan.key = q->key;
    plan.least = f->terms.min;
    plan.most = f->terms.max;
    q->grant.payload = VK_SIGV4_UNSIGNED; /* a form's file is not hashed by its signature */
    if (q->driver)
        return vk_s3u_form_begin(q, &plan, left_of(q, read), f->in.delimiter_n + CLOSING, answer);
    return vk_s3_put_begin(q, &plan, answer) != NULL;
}

static bool is_full(const vk_s3_req *q)
{
    return q->vendor ? vk_s3u_put_full(q) : q->put && vk_s3_put_full(q->put);
}

/* False: answered, and everything may be gone. */
static bool give(vk_s3_req *q, vk_str file)
{
    if (q->vendor)
        return vk_s3u_put_bytes(q, file);
    vk_s3_put_bytes(q->put, file);
    return true;
}

/* ---- as it comes in */

static void stop(vk_s3_req *q)
{
    if (!q->ex->answered)
        vk_s3_finish(q);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    VK_UNUSED(s);
    vk_s3_req *q = vk_s3_req_of(ex);
    struct form *f = q->more;
    vk_str in = bytes, file;
    if (ex->answered)
        return bytes.n;
    if (is_full(q))
        return 0;
    while (in.n && f->in.state != VK_S3FORM_DONE && !ex->answered) {
        vk_s3_fail fail = vk_s3form_feed(&f->in, &in, &file);
        if (fail != VK_S3_OK) {
            vk_s3_no(q, fail);
            stop(q);
            break;
        }
        if (!f->judged && (f->in.state == VK_S3FORM_FILE || f->in.state == VK_S3FORM_DONE)) {
            f->judged = true;
            if (!judge(q, f->seen + (int64_t)(bytes.n - in.n))) {
                stop(q);
                break;
            }
        }
        if (file.n && !give(q, file))
            return bytes.n;
    }
    f->seen += (int64_t)bytes.n;
    return bytes.n;
}

bool vk_s3_form_head(vk_s3_req *q)
{
    vk_exchange *ex = q->ex;
    struct form *f = VK_NEW(ex->arena, struct form);
    vk_s3_fail fail = f ? vk_s3form_begin(&f->in, ex->arena, ex->content_type) : VK_S3_NO_MEMORY;
    if (fail != VK_S3_OK) {
        vk_s3_no(q, fail);
        return false;
    }
    f->sink = (vk_sink){take};
    q->more = f;
    ex->sink = &f->sink;
    ex->body_max = (size_t)INT64_MAX;
    return true;
}

void vk_s3_form_request(vk_s3_req *q)
{
    struct form *f = q->more;
    if (q->ex->answered)
        return;
    vk_s3_fail fail = vk_s3form_end(&f->in);
    if (fail == VK_S3_OK) {
        if (q->vendor)
            vk_s3u_put_end(q);
        else
            vk_s3_put_end(q->put);
        return;
    }
    vk_s3_no(q, fail);
    vk_s3_finish(q);
}
