/* From a request's head to its operation: route, verify, scope, run. */
#include "services/storage/front.h"

#include "core/clock.h"
#include "services/storage/operator.h"
#include "services/storage/upstream/upstream.h"

vk_s3_numbers vk_s3_numbers_now;

/* Each loop's signing keys; made at first use. */
enum { CACHE_ENTRIES = 1024 };
static vk_sigv4_cache *caches[VK_LOOPS_MAX];

static const vk_s3_run runs[VK_S3_OPS] = {
    [VK_S3_LIST_BUCKETS] = {.quick = vk_s3_list_buckets},
    [VK_S3_HEAD_BUCKET] = {.quick = vk_s3_head_bucket},
    [VK_S3_CREATE_BUCKET] = {.quick = vk_s3_create_bucket},
    [VK_S3_DELETE_BUCKET] = {.quick = vk_s3_delete_bucket},
    [VK_S3_GET_LOCATION] = {.quick = vk_s3_get_location},
    [VK_S3_GET_VERSIONING] = {.quick = vk_s3_get_versioning},
    [VK_S3_GET_CORS] = {.job = vk_s3_get_cors},
    [VK_S3_PUT_CORS] = {.job = vk_s3_put_cors},
    [VK_S3_DELETE_CORS] = {.job = vk_s3_delete_cors},
    [VK_S3_LIST_V1] = {.job = vk_s3_list_v1},
    [VK_S3_LIST_V2] = {.job = vk_s3_list_v2},
    [VK_S3_LIST_VERSIONS] = {.job = vk_s3_list_versions},
    [VK_S3_LIST_UPLOADS] = {.job = vk_s3_list_uploads},
    [VK_S3_DELETE_MANY] = {.job = vk_s3_delete_many},
    [VK_S3_POST_FORM] = {.quick = vk_s3_form_request},
    [VK_S3_GET_OBJECT] = {.job = vk_s3_get_object},
    [VK_S3_HEAD_OBJECT] = {.job = vk_s3_head_object},
    [VK_S3_PUT_OBJECT] = {.quick = vk_s3_put_request},
    [VK_S3_COPY_OBJECT] = {.job = vk_s3_copy_object},
    [VK_S3_DELETE_OBJECT] = {.job = vk_s3_delete_object},
    [VK_S3_GET_ATTRIBUTES] = {.job = vk_s3_get_attributes},
    [VK_S3_CREATE_UPLOAD] = {.job = vk_s3_create_upload},
    [VK_S3_UPLOAD_PART] = {.quick = vk_s3_put_request},
    [VK_S3_COPY_PART] = {.job = vk_s3_copy_part},
    [VK_S3_COMPLETE_UPLOAD] = {.job = vk_s3_complete_upload},
    [VK_S3_ABORT_UPLOAD] = {.job = vk_s3_abort_upload},
    [VK_S3_LIST_PARTS] = {.job = vk_s3_list_parts},
    [VK_S3_PREFLIGHT] = {.job = vk_s3_preflight},
};

/* ---- who it is */

static void look_up(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    vk_s3_finder *f = arg;
    vk_service_signer(f->ex, id, 'i', 's', &f->key);
    switch (f->key.state) {
    case VK_OK:
        key_r->state = VK_SIGV4_KEY_GOOD;
        break;
    case VK_E_EXPIRED:
        key_r->state = VK_SIGV4_KEY_IS_EXPIRED;
        break;
    default: /* what is no answer about the key is told apart in vk_s3_proven */
        key_r->state = VK_SIGV4_KEY_UNKNOWN;
        return;
    }
    key_r->secret = vk_secret_of((vk_str){f->key.secret, f->key.n});
    key_r->generation = f->key.generation;
    key_r->identity = f->key.tenant;
}

void vk_s3_sigv4_setup(vk_s3_finder *f, vk_exchange *ex, vk_sigv4_setup *out_r)
{
    vk_sigv4_cache **cache = &caches[ex->loop->index];
    if (!*cache)
        *cache = vk_sigv4_cache_new(CACHE_ENTRIES); /* without one it takes longer */
    *f = (vk_s3_finder){.ex = ex};
    *out_r = (vk_sigv4_setup){.lookup = look_up, .arg = f, .region = VK_STR_NONE, .cache = *cache};
}

void vk_s3_forget_keys(void)
{
    for (size_t i = 0; i < VK_COUNT(caches); i++) {
        vk_sigv4_cache_free(caches[i]);
        caches[i] = NULL;
    }
}

/* Refusals that somebody who guesses keys gets: they count against their address. */
static bool is_bad_key(vk_sigv4_fail f)
{
    switch (f) {
    case VK_SIGV4_ANONYMOUS:
    case VK_SIGV4_UNKNOWN_KEY:
    case VK_SIGV4_KEY_EXPIRED:
    case VK_SIGV4_KEY_REVOKED:
    case VK_SIGV4_SIGNATURE:
    case VK_SIGV4_TOKEN:
        return true;
    default:
        return false;
    }
}

static void slow_down(vk_s3_req *q)
{
    vk_s3_say(q, 503, VK_STR("SlowDown"), "Please reduce your request rate.");
    if (q->ex->err_text.n)
        q->message = q->ex->err_text;
}

bool vk_s3_proven(vk_s3_req *q, vk_s3_finder *f, vk_sigv4_fail fail, const vk_sigv4_trace *trace)
{
    vk_exchange *ex = q->ex;
    vk_err lost = f->key.state;
    bool unsure =
        fail == VK_SIGV4_UNKNOWN_KEY && (lost == VK_E_NOMEM || lost == VK_E_UNAVAILABLE || lost == VK_E_IO);
    if (fail == VK_SIGV4_OK) {
        vk_err e = vk_service_signed(ex, &f->key);
        if (e == VK_E_BUSY)
            slow_down(q);
        else if (e != VK_OK)
            vk_s3_no_sigv4(q, VK_SIGV4_UNKNOWN_KEY);
    } else if (unsure) {
        vk_s3_say(q, 503, VK_STR("ServiceUnavailable"), "Please try again later.");
    } else if (is_bad_key(fail) &&
               vk_service_missigned(ex, VK_E_UNAUTHORIZED, "The request is not signed by a key of a build") ==
                   VK_E_BUSY) {
        slow_down(q);
    } else {
        vk_s3_no_sigv4(q, fail);
        if (fail == VK_SIGV4_SIGNATURE && trace) {
            vk_s3_also(q, "StringToSign", trace->string_to_sign);
            vk_s3_also(q, "CanonicalRequest", trace->canonical_request);
        }
    }
    vk_wipe(&f->key, sizeof f->key);
    return !q->code.n;
}

/* The engine hides the value of Authorization among the headers; the verifier needs it. */
static const vk_sigv4_pair *all_headers(const vk_exchange *ex)
{
    vk_sigv4_pair *h = vk_arena_alloc(ex->arena, sizeof *h * (ex->n_headers ? ex->n_headers : 1));
    for (uint32_t i = 0; h && i < ex->n_headers; i++) {
        h[i] = (vk_sigv4_pair){ex->headers[i].name, ex->headers[i].value};
        if (h[i].name.n == sizeof "Authorization" - 1 && vk_str_ieq(h[i].name, VK_STR("Authorization")))
            h[i].value = vk_secret_bytes(ex->authorization); /* an id and a signature: nothing secret */
    }
    return h;
}

static vk_sigv4_fail verify(vk_s3_req *q, vk_s3_finder *f, vk_sigv4_trace *trace)
{
    vk_exchange *ex = q->ex;
    vk_sigv4_setup setup;
    vk_s3_sigv4_setup(f, ex, &setup);
    vk_sigv4_request r = {.method = ex->method,
                          .path = ex->path,
                          .query = ex->query,
                          .headers = all_headers(ex),
                          .n_headers = ex->n_headers,
                          .now_ms = vk_clock_wall_ms()};
    return r.headers ? vk_sigv4_verify(&setup, &r, ex->arena, &q->grant, trace) : VK_SIGV4_NO_MEMORY;
}

vk_str vk_s3_build_of(vk_str bucket)
{
    const vk_str prefix = vk_str_z(VK_S3_BUCKET_PREFIX);
    if (!vk_str_starts(bucket, prefix))
        return VK_STR_NONE;
    vk_str id = {bucket.p + prefix.n, bucket.n - prefix.n};
    return vk_build_id_ok(id) ? id : VK_STR_NONE;
}

/* Nobody signed it: what the build that its bucket names shows to everybody. */
static bool as_anybody(vk_s3_req *q)
{
    vk_str id = vk_s3_build_of(q->route.bucket);
    vk_err e = id.n ? vk_service_open(q->ex, id) : VK_E_NOT_FOUND;
    q->anonymous = true;
    if (e == VK_E_NOT_FOUND && q->route.op != VK_S3_PREFLIGHT) /* somebody who guesses names */
        e = vk_service_missigned(q->ex, VK_E_UNAUTHORIZED, "There is no such build");
    if (e == VK_E_BUSY)
        slow_down(q);
    else if (e == VK_E_NOMEM || e == VK_E_UNAVAILABLE)
        vk_s3_no_memory(q);
    else if (e != VK_OK && q->route.op == VK_S3_PREFLIGHT)
        vk_s3_no(q, VK_S3_CORS_FORBIDDEN);
    else if (e != VK_OK)
        vk_s3_no_sigv4(q, VK_SIGV4_ANONYMOUS);
    return !q->code.n;
}

static bool identify(vk_s3_req *q, vk_s3_fail route)
{
    vk_s3_who who = route == VK_S3_OK ? vk_s3_ops[q->route.op].who : VK_S3_SIGNED;
    vk_s3_finder f;
    vk_sigv4_trace trace = {.form = VK_SIGV4_HEADER};
    if (who == VK_S3_ANYBODY)
        return as_anybody(q);
    vk_sigv4_fail fail = verify(q, &f, &trace);
    q->grant.form = trace.form;
    if (fail == VK_SIGV4_ANONYMOUS && who == VK_S3_PUBLIC_TOO) {
        vk_wipe(&f.key, sizeof f.key);
        return as_anybody(q);
    }
    return vk_s3_proven(q, &f, fail, &trace);
}

/* ---- what it may touch */

static bool denied(vk_s3_req *q)
{
    vk_s3_say(q, 403, VK_STR("AccessDenied"), "Access Denied");
    return false;
}

bool vk_s3_scope(vk_s3_req *q, vk_str key, vk_str *stored_r)
{
    vk_ob_scoped s;
    const vk_tenant *t = q->ex->principal;
    vk_ob_err e = vk_ob_scope(t->id, key, &s);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return false;
    }
    *stored_r = s.key;
    return true;
}

static bool is_own_bucket(const vk_s3_req *q, vk_str bucket)
{
    const vk_tenant *t = q->ex->principal;
    vk_str id = vk_s3_build_of(bucket);
    return id.n && vk_str_eqz(id, t->id);
}

/* Of each loop, the requests that hold a build. */
static vk_list holders[VK_LOOPS_MAX];

void vk_s3_leave(vk_s3_req *q)
{
    if (q->build)
        vk_s3b_close_reader(q->build, q->reader);
    q->reader = NULL;
    vk_s3_put_leave(q);
    if (!q->build)
        return;
    vk_list_remove(&q->holding);
    vk_s3b_let_go(q->build);
    q->build = NULL;
}

static void leave(void *arg)
{
    vk_s3_leave(arg);
}

struct ending {
    vk_task task;
    int loop;
};

static void end_transfers(vk_task *t)
{
    struct ending *x = VK_CONTAINER(t, struct ending, task);
    vk_list *all = &holders[x->loop], *next;
    for (vk_list *n = all->next; all->next && n != all; n = next) {
        vk_s3_req *q = VK_CONTAINER(n, vk_s3_req, holding);
        next = n->next;
        if (!vk_s3b_closing(q->build))
            continue;
        if (q->put)
            vk_s3_put_end_early(q->put);
        else if (q->ex->answered)
            vk_exchange_cut(q->ex);
        else if (!q->begun) { /* a job that is under way ends by itself */
            vk_s3_no_sigv4(q, VK_SIGV4_KEY_REVOKED);
            vk_s3_finish(q);
        }
    }
    vk_s3_op_end_transfers(x->loop);
    free(x);
}

void vk_s3_end_transfers(const vk_runtime *rt)
{
    for (size_t i = 0; i < rt->n_loops; i++) {
        struct ending *x = malloc(sizeof *x);
        if (!x) /* they end when their clients are too slow */
            continue;
        *x = (struct ending){.task.run = end_transfers, .loop = rt->loops[i]->index};
        vk_loop_post(rt->loops[i], &x->task);
    }
}

bool vk_s3_enter(vk_s3_req *q)
{
    const vk_s3_route *r = &q->route;
    const vk_binding *binding;
    if (r->op != VK_S3_LIST_BUCKETS && !is_own_bucket(q, r->bucket)) {
        if (r->op == VK_S3_CREATE_BUCKET && !vk_s3_bucket_ok(r->bucket, false))
            vk_s3_no(q, VK_S3_BAD_BUCKET);
        return denied(q);
    }
    if (r->key.n && !vk_s3_scope(q, r->key, &q->key))
        return false;
    if (r->source_key.n) {
        if (!is_own_bucket(q, r->source_bucket))
            return denied(q);
        if (!vk_s3_scope(q, r->source_key, &q->source))
            return false;
    }
    if (q->anonymous && r->op != VK_S3_PREFLIGHT && !vk_str_starts(q->key, VK_STR(VK_S3_PUBLIC)))
        return denied(q);
    if (vk_s3u_serves(r->op))
        q->driver = vk_service_driver(q->ex, &binding);
    q->build = vk_s3b_hold(q->ex->principal);
    if (!q->build) {
        vk_s3_no_sigv4(q, VK_SIGV4_KEY_REVOKED);
        return false;
    }
    vk_list *all = &holders[q->ex->loop->index];
    if (!all->next)
        vk_list_init(all);
    vk_list_push(all, &q->holding);
    if (vk_arena_cleanup(q->ex->arena, leave, q) != VK_OK) {
        vk_s3_leave(q);
        vk_s3_no_memory(q);
        return false;
    }
    return true;
}

/* response-*: headers that the answer is to have. */
static bool asked_headers_ok(vk_s3_req *q)
{
    for (size_t i = 0; i < q->route.n_params; i++) {
        const vk_s3_param *p = &q->route.params[i];
        if (!vk_str_starts(p->name, VK_STR("response-")))
            continue;
        if (q->anonymous)
            vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                      "Request specific response headers cannot be used for anonymous GET requests.");
        else if (!vk_s3_is_text(p->value)) {
            vk_s3_say(q, 400, VK_STR("InvalidArgument"),
                      "A header that was asked for has a value that no header can have.");
            vk_s3_also(q, "ArgumentName", p->name);
        }
    }
    return !q->code.n;
}

static bool options_ok(vk_s3_req *q)
{
    const vk_s3_op_info *op = &vk_s3_ops[q->route.op];
    if (!asked_headers_ok(q))
        return false;
    return !op->writes || vk_s3_options_ok(q);
}

/* ---- the body of what is no object */

static bool body_as_signed(vk_s3_req *q)
{
    uint8_t hash[VK_SHA256];
    if (q->anonymous || q->grant.payload != VK_SIGV4_HASHED)
        return true;
    if (q->ex->body.n)
        vk_sha256(vk_buf_view(&q->ex->body), hash);
    else
        memcpy(hash, vk_sha256_nothing, sizeof hash);
    if (vk_sigv4_payload_matches(&q->grant, hash))
        return true;
    vk_s3_no_sigv4(q, VK_SIGV4_PAYLOAD_HASH);
    return false;
}

/* Checksums of bodies that are documents. */
static bool body_as_claimed(vk_s3_req *q)
{
    vk_s3_claims c;
    uint8_t got[VK_CHECKSUM_MAX];
    vk_checksum sum;
    if (!vk_s3_claims_of(q, &c))
        return false;
    if (c.trailing) {
        vk_s3_no_sigv4(q, VK_SIGV4_TRAILER); /* a document comes without one */
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (i == 0 ? !c.has_md5 : !c.stated)
            continue;
        vk_checksum_begin(&sum, i == 0 ? VK_CHECKSUM_MD5 : (vk_checksum_kind)(c.algo - 1));
        vk_checksum_add(&sum, vk_buf_view(&q->ex->body));
        size_t n = vk_checksum_end(&sum, got);
        if (memcmp(got, i == 0 ? c.md5 : c.sum, n) == 0)
            continue;
        vk_s3_say(q, 400, VK_STR("BadDigest"), "The digest you specified did not match what we received.");
        return false;
    }
    return true;
}

/* ---- jobs */

static void finish(vk_exchange *ex)
{
    vk_s3_finish(vk_s3_req_of(ex));
}

static void run_job(vk_s3_job *j)
{
    vk_s3_req *q = VK_CONTAINER(j, vk_s3_req, job);
    vk_ob_err e = vk_s3b_store(q->build, !q->anonymous, &q->store);
    if (e == VK_OB_OK || q->route.op == VK_S3_PREFLIGHT)
        runs[q->route.op].job(q);
    else if (q->anonymous && e == VK_OB_NO_SUCH_KEY)
        vk_s3_no_sigv4(q, VK_SIGV4_ANONYMOUS);
    else
        vk_s3_no_ob(q, e);
    vk_exchange_post(q->ex, finish);
}

void vk_s3_submit(vk_s3_req *q, void (*run)(vk_s3_job *j))
{
    q->job.run = run;
    if (vk_s3b_submit(q->build, &q->job) == VK_OK)
        return;
    vk_s3_say(q, 503, VK_STR("SlowDown"), "Too many requests of this build are waiting; try again.");
    vk_s3_finish(q);
}

/* ---- handler */

static bool route(vk_s3_req *q, vk_s3_fail *fail_r)
{
    vk_exchange *ex = q->ex;
    size_t n = 0;
    while (ex->server->names && ex->server->names[n].n)
        n++;
    vk_s3_ask ask = {.method = ex->method,
                     .path = ex->path,
                     .query = ex->query,
                     .host = ex->host,
                     .bases = ex->server->names,
                     .n_bases = n,
                     .content_type = ex->content_type,
                     .copy_source = vk_request_header(ex, VK_STR("x-amz-copy-source"))};
    *fail_r = vk_s3_route_of(ex->arena, &ask, &q->route);
    return *fail_r == VK_S3_OK;
}

static void wipe_grant(void *arg)
{
    vk_sigv4_grant_wipe(arg);
}

/* True: the body may come. */
static bool admit(vk_s3_req *q)
{
    vk_s3_fail fail;
    vk_exchange *ex = q->ex;
    bool routed = route(q, &fail);
    if (routed && q->route.op == VK_S3_POST_FORM)
        return vk_s3_form_head(q);
    if (!identify(q, fail))
        return false;
    if (!routed) {
        vk_s3_no(q, fail);
        return false;
    }
    atomic_fetch_add_explicit(&vk_s3_numbers_now.ops[q->route.op], 1, memory_order_relaxed);
    vk_s3_body body = vk_s3_ops[q->route.op].body;
    if (q->grant.form == VK_SIGV4_QUERY && !vk_s3_read_in_query(q))
        return false;
    if (!q->anonymous && q->grant.payload >= VK_SIGV4_STREAM_UNSIGNED_TRAILER && body != VK_S3_OBJECT_BODY) {
        vk_s3_no_sigv4(q, VK_SIGV4_NO_STREAM_HERE);
        return false;
    }
    if (!vk_s3_enter(q) || !options_ok(q))
        return false;
    if (body == VK_S3_OBJECT_BODY)
        return vk_s3_put_head(q);
    ex->body_max = body == VK_S3_XML_BODY ? VK_S3X_BODY_MAX : 0;
    return true;
}

static vk_err head(vk_exchange *ex)
{
    vk_s3_req *q = VK_NEW(ex->arena, vk_s3_req);
    if (!q || vk_arena_cleanup(ex->arena, wipe_grant, &q->grant) != VK_OK)
        return VK_E_NOMEM;
    q->ex = ex;
    ex->ctx = q;
    if (admit(q))
        return VK_OK;
    if (!ex->answered)
        vk_s3_finish(q);
    return VK_E_FORBIDDEN;
}

static void request(vk_exchange *ex)
{
    vk_s3_req *q = vk_s3_req_of(ex);
    const vk_s3_run *run = &runs[q->route.op];
    vk_s3_body body = vk_s3_ops[q->route.op].body;
    q->begun = true;
    if (body == VK_S3_OBJECT_BODY || body == VK_S3_FORM_BODY) {
        if (q->driver && body == VK_S3_OBJECT_BODY)
            vk_s3u_put_request(q);
        else
            run->quick(q);
        return;
    }
    bool about_body =
        body == VK_S3_XML_BODY && q->route.op != VK_S3_COMPLETE_UPLOAD; /* there it is the whole's */
    if (body_as_signed(q) && (!about_body || body_as_claimed(q))) {
        if (q->driver) {
            vk_s3u_request(q);
            return;
        }
        if (!run->quick) {
            bool reads = q->route.op == VK_S3_GET_OBJECT || q->route.op == VK_S3_HEAD_OBJECT;
            if (!reads || !vk_s3_get_now(q)) {
                vk_s3_submit(q, run_job);
                return;
            }
        } else {
            run->quick(q);
        }
    }
    vk_s3_finish(q);
}

const vk_handler vk_s3_handler = {.head = head, .request = request, .refuse = vk_s3_refuse};
