/* A build's objects at R2, in one of two ways.
 *
 *   shared    the organisation entered a bucket: the build's share of it is the prefix
 * builds/<id>/<generation>/. Made is nothing; it is looked whether the bucket can be used. At the end all
 * below the prefix is deleted, by a credential that is good for the prefix only. own       no bucket was
 * entered, but an API token: each build has a bucket, which is emptied and deleted.
 *
 * With delivery=direct browsers talk to R2 themselves, so the bucket's CORS rules get one for the build's
 * origins. There is one list of rules a bucket, which is read, changed and written as a whole, without any
 * condition: so one build at a time does that here (cors_turn), what others wrote is written back as it was
 * read, and afterwards it is looked whether our rule is there.
 *
 * Shapes, codes and limits: Cloudflare's documentation of R2's API and of its errors. */
#include "core/json_write.h"
#include "keeper/provision_s3.h"
#include "keeper/s3_order.h"
#include "keeper/vendor_r2.h"

enum {
    LEND_S = VK_R2_TTL_S,
    /* What Cloudflare's clock may be behind ours, and a request that began in time. */
    LEND_LATE_S = 300,
    TURN_MS = 90 * 1000, /* without a sign of life; longer than any request of ours takes */
    RULES_MAX = 60000,   /* bytes of a bucket's rules */
    PAGES_MAX = 1000,    /* of a listing of buckets */
};

/* Codes of errors[]. */
enum { NO_SUCH_BUCKET = 10006, BUCKET_EXISTS = 10004, NOT_EMPTY = 10008, NO_CORS = 10059 };

static vk_str org_value(const vk_prov *p, const char *field)
{
    return vk_secret_bytes(vk_org_value(p->org, field));
}

/* ---- which way */

static vk_str own_bucket(const vk_prov *p)
{
    return p->own ? vk_secret_bytes(vk_org_value(p->own, "bucket")) : VK_STR_NONE;
}

/* What was noted when it was made decides; before that what the organisation entered. Without a record, an
 * orphan that the sweep found, it is a bucket. */
static bool is_shared(const vk_prov *p)
{
    if (own_bucket(p).n || !p->own)
        return !own_bucket(p).n && p->build[0] && org_value(p, "bucket").n;
    return vk_prov_noted(p, "shared").n || org_value(p, "bucket").n;
}

static bool has_own(const vk_prov *p)
{
    return !is_shared(p);
}

static bool is_direct(const vk_prov *p)
{
    return p->binding && vk_str_eqz(vk_binding_value(p->binding, "delivery"), "direct");
}

static bool was_direct(const vk_prov *p)
{
    return vk_prov_noted(p, "direct").n > 0;
}

static vk_s3p_place place_of(const vk_prov *p)
{
    if (!is_shared(p))
        return (vk_s3p_place){.bucket = vk_str_z(p->name), .prefix = VK_STR(""), .order = vk_r2_order_org};
    vk_str noted = vk_prov_noted(p, "shared");
    return (vk_s3p_place){.bucket = noted.n ? noted : org_value(p, "bucket"),
                          .prefix = vk_s3p_prefix(p),
                          .order = vk_r2_order_build};
}

/* What was made with another account's keys cannot be looked for with these: that nothing is there would
 * prove nothing. */
static vk_err same_account(const vk_prov *p, const char **why_r)
{
    vk_str account = vk_prov_noted(p, "account"), shared = vk_prov_noted(p, "shared"),
           now = org_value(p, "bucket");
    if (account.n && !vk_str_eq(account, org_value(p, "account_id"))) {
        *why_r = "The keys of Cloudflare are of another account by now, and this was made in the one before.";
        return VK_E_CONFLICT;
    }
    if (shared.n && now.n && !vk_str_eq(shared, now)) {
        *why_r =
            "The organisation's bucket is another one by now; what the build stored is in the one before.";
        return VK_E_CONFLICT;
    }
    return VK_OK;
}

/* ---- the API */

static vk_err ask_api(vk_prov *p, vk_prov_request *r, const char *method, vk_str rest, vk_str json)
{
    *r = (vk_prov_request){.method = method, .order = vk_r2_order_api, .again = strcmp(method, "POST") != 0};
    if (!rest.p)
        return VK_E_NOMEM;
    r->path = vk_arena_printf(p->arena, "/client/v4/accounts/" VK_STR_FMT "/r2/buckets" VK_STR_FMT,
                              VK_STR_ARG(org_value(p, "account_id")), VK_STR_ARG(rest));
    if (json.p) {
        r->content_type = VK_STR("application/json");
        r->body = json;
    }
    return r->path.p ? VK_OK : VK_E_NOMEM;
}

static vk_err ask_bucket(vk_prov *p, vk_prov_request *r, const char *method, const char *rest, vk_str json)
{
    vk_str bucket = place_of(p).bucket;
    return ask_api(p, r, method, vk_arena_printf(p->arena, "/" VK_STR_FMT "%s", VK_STR_ARG(bucket), rest),
                   json);
}

static int64_t code_of(const vk_json *body)
{
    const vk_json *errors = vk_json_get(body, VK_STR("errors"));
    const vk_json *first = errors && errors->type == VK_JSON_ARRAY ? errors->u.child : NULL;
    int64_t code;
    return vk_json_i64(vk_json_get(first, VK_STR("code")), &code) == VK_OK ? code : 0;
}

static bool said_yes(int status, const vk_json *body)
{
    const vk_json *yes = vk_json_get(body, VK_STR("success"));
    return (status == 200 || status == 201) && yes && yes->type == VK_JSON_BOOL && yes->u.b;
}

static vk_err refused(vk_prov *p, const char *what, int status, const vk_json *body, const char **why_r)
{
    *why_r = vk_prov_said(p, what, status, body, "errors.0.message");
    return status == 401 || status == 403 ? VK_E_FORBIDDEN
           : status == 404                ? VK_E_NOT_FOUND
           : status == 409                ? VK_E_CONFLICT
                                          : VK_E_INVALID;
}

/* An answer that must have a result. */
static vk_err result_of(vk_prov *p, const char *what, int status, const vk_json *body, const vk_json **out_r,
                        const char **why_r)
{
    if (!said_yes(status, body)) {
        if (status == 200 || status == 201) {
            *why_r = "Cloudflare's answer is none of its API.";
            return VK_E_INVALID;
        }
        return refused(p, what, status, body, why_r);
    }
    *out_r = vk_json_opt(body, VK_STR("result"));
    return VK_OK;
}

/* ---- making: a bucket */

static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str json = vk_arena_printf(p->arena, "{\"name\":\"%s\"}", p->name);
    return json.p ? ask_api(p, r, "POST", VK_STR(""), json) : VK_E_NOMEM;
}

static vk_err made(vk_prov *p)
{
    vk_err e = vk_prov_note(p, "account", org_value(p, "account_id"));
    return e == VK_OK ? vk_prov_set(p, "bucket", vk_secret_of(vk_str_z(p->name))) : e;
}

static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_json *result = NULL;
    int64_t code = code_of(body);
    if ((status == 409 || status == 400) && code == BUCKET_EXISTS) {
        if (p->tried) /* an earlier try of ours made it */
            return made(p);
        *why_r = "A bucket of the name that was chosen is there already, and is not ours.";
        vk_err noted = vk_prov_note(p, "foreign", VK_STR("1"));
        return noted == VK_OK ? VK_E_CONFLICT : noted;
    }
    vk_err e = result_of(p, "Making the bucket", status, body, &result, why_r);
    if (e != VK_OK && status >= 400 && !p->tried) { /* so there is nothing to be taken back */
        vk_err noted = vk_prov_note(p, "unmade", VK_STR("1"));
        return noted == VK_OK ? e : noted;
    }
    if (e != VK_OK)
        return e;
    if (!vk_str_eqz(vk_json_str(vk_json_get(result, VK_STR("name"))), p->name)) {
        *why_r = "Cloudflare answers with another bucket than the one that was asked for.";
        return VK_E_INVALID;
    }
    return made(p);
}

/* ---- making: whether it can be used, as the build will use it */

static vk_err ask_look(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    const vk_s3p_place at = {
        .bucket = place_of(p).bucket, .prefix = vk_s3p_prefix(p), .order = vk_r2_order_build};
    return vk_s3p_ask_look(p, &at, r);
}

static vk_err took_look(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    VK_UNUSED(body);
    if (!is_shared(p) && vk_s3p_no_bucket(p, status))
        return VK_AGAIN; /* it was made a moment ago */
    if (status != 200)
        return vk_s3p_refused(p, "Looking at the bucket", status, why_r);
    if (!is_shared(p))
        return VK_OK;
    vk_err e = vk_prov_note(p, "account", org_value(p, "account_id"));
    return e == VK_OK ? vk_prov_note(p, "shared", org_value(p, "bucket")) : e;
}

/* ---- CORS rules: carried is what the next request is for: nothing, it reads; 'p' and the rules, it writes
 * them; 'x', it takes all away; 'v', it reads once more. */

static struct {
    char build[VK_BUILD_ID_MAX + 1], bucket[64];
    int64_t until_ms; /* wall */
} cors_turn;

/* False: another build has it. */
static bool take_turn(const vk_prov *p)
{
    vk_str bucket = place_of(p).bucket;
    bool mine = strcmp(cors_turn.build, p->build) == 0 && vk_str_eqz(bucket, cors_turn.bucket);
    if (!mine && cors_turn.until_ms > p->now_ms && cors_turn.until_ms <= p->now_ms + TURN_MS)
        return false;
    if (!mine || cors_turn.until_ms <= p->now_ms)
        vk_buf_clear(p->carry); /* what was read may be old by now */
    snprintf(cors_turn.build, sizeof cors_turn.build, "%s", p->build);
    snprintf(cors_turn.bucket, sizeof cors_turn.bucket, "%.*s", (int)bucket.n, bucket.p);
    cors_turn.until_ms = p->now_ms + TURN_MS;
    return true;
}

static void end_turn(const vk_prov *p)
{
    if (strcmp(cors_turn.build, p->build) == 0)
        cors_turn.until_ms = 0;
}

static vk_err ask_cors(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    if (!take_turn(p)) {
        *why_r = "Another build changes the bucket's rules just now.";
        return VK_AGAIN;
    }
    char state = p->carry->n ? p->carry->p[0] : '\0';
    if (state == 'p') {
        vk_str json = vk_arena_dup(p->arena, (vk_str){p->carry->p + 1, p->carry->n - 1});
        return json.p ? ask_bucket(p, r, "PUT", "/cors", json) : VK_E_NOMEM;
    }
    return ask_bucket(p, r, state == 'x' ? "DELETE" : "GET", "/cors", VK_STR_NONE);
}

static void texts(vk_jw *w, const char *name, const vk_str *at, size_t n)
{
    vk_jw_key(w, vk_str_z(name));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        vk_jw_str(w, at[i]);
    vk_jw_arr_end(w);
}

static void our_rule(vk_jw *w, const vk_prov *p)
{
    static const vk_str methods[] = {VK_STR("GET"), VK_STR("PUT"), VK_STR("POST"), VK_STR("DELETE"),
                                     VK_STR("HEAD")},
                        any[] = {VK_STR("*")},
                        expose[] = {VK_STR("ETag"), VK_STR("x-amz-request-id"), VK_STR("Content-Range")};
    vk_jw_obj(w);
    vk_jw_kstr(w, "id", vk_str_z(p->name));
    vk_jw_key(w, VK_STR("allowed"));
    vk_jw_obj(w);
    texts(w, "methods", methods, VK_COUNT(methods));
    texts(w, "origins", p->origins, p->n_origins);
    texts(w, "headers", any, VK_COUNT(any));
    vk_jw_obj_end(w);
    texts(w, "exposeHeaders", expose, VK_COUNT(expose));
    vk_jw_ki64(w, "maxAgeSeconds", 3600);
    vk_jw_obj_end(w);
}

static bool same_origins(const vk_prov *p, const vk_json *rule)
{
    const vk_json *list = vk_json_get(vk_json_get(rule, VK_STR("allowed")), VK_STR("origins"));
    size_t n = 0;
    if (!list || list->type != VK_JSON_ARRAY)
        return false;
    for (const vk_json *o = list->u.child; o; o = o->next, n++)
        if (n >= p->n_origins || !vk_str_eq(vk_json_str(o), p->origins[n]))
            return false;
    return n == p->n_origins;
}

/* The rules with ours (in `make`) or without it become what is to be written; VK_OK: they are as they should
 * be. */
static vk_err compare(vk_prov *p, const vk_json *rules, bool wanted, const char **why_r)
{
    bool there = false, right = false;
    size_t others = 0;
    vk_buf_clear(p->carry);
    vk_buf_ch(p->carry, 'p');
    vk_jw w = vk_jw_on(p->carry);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("rules"));
    vk_jw_arr(&w);
    for (const vk_json *rule = rules ? rules->u.child : NULL; rule; rule = rule->next) {
        if (vk_str_eqz(vk_json_str(vk_json_get(rule, VK_STR("id"))), p->name)) {
            right = !there && same_origins(p, rule);
            there = true;
            continue;
        }
        others++;
        vk_jw_value(&w, rule);
    }
    if (wanted)
        our_rule(&w, p);
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    if (wanted ? right : !there) {
        vk_buf_clear(p->carry);
        return VK_OK;
    }
    if (p->carry->err == VK_E_TOO_LARGE || p->carry->n > RULES_MAX) {
        vk_buf_clear(p->carry);
        *why_r = "The bucket has so many CORS rules that there is no room for one more.";
        return VK_E_FULL;
    }
    if (p->carry->err != VK_OK)
        return VK_E_NOMEM;
    if (!wanted && !others) {
        vk_buf_clear(p->carry);
        vk_buf_ch(p->carry, 'x');
    }
    return VK_AGAIN;
}

static vk_err read_rules(vk_prov *p, int status, const vk_json *body, const vk_json **rules_r,
                         const char **why_r)
{
    const vk_json *result = NULL;
    *rules_r = NULL;
    if (status == 404 && code_of(body) == NO_CORS)
        return VK_OK;
    vk_err e = result_of(p, "Reading the bucket's CORS rules", status, body, &result, why_r);
    if (e != VK_OK)
        return e;
    *rules_r = vk_json_opt(result, VK_STR("rules"));
    if (!*rules_r || (*rules_r)->type == VK_JSON_ARRAY)
        return VK_OK;
    *why_r = "Cloudflare's answer has no CORS rules.";
    return VK_E_INVALID;
}

static vk_err cors_answered(vk_prov *p, int status, const vk_json *body, bool wanted, const char **why_r)
{
    const vk_json *rules, *result;
    char state = p->carry->n ? p->carry->p[0] : '\0';
    if (state == 'p' || state == 'x') {
        vk_err e = state == 'x' && status == 404
                       ? VK_OK
                       : result_of(p, "Writing the bucket's CORS rules", status, body, &result, why_r);
        if (e != VK_OK)
            return e;
        vk_buf_clear(p->carry);
        vk_buf_ch(p->carry, 'v');
        p->soon = true;
        return VK_AGAIN;
    }
    vk_err e = read_rules(p, status, body, &rules, why_r);
    if (e == VK_OK)
        e = compare(p, rules, wanted, why_r);
    if (e == VK_AGAIN && state == 'v') { /* somebody else wrote meanwhile, or it takes a while to be seen */
        vk_buf_clear(p->carry);
        return VK_AGAIN;
    }
    p->soon = e == VK_AGAIN;
    return e;
}

static vk_err over(vk_prov *p, vk_err e)
{
    if (e != VK_AGAIN && e != VK_E_NOMEM) {
        vk_buf_clear(p->carry);
        end_turn(p);
    }
    return e;
}

static vk_err took_cors(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    vk_err e = cors_answered(p, status, body, true, why_r);
    return over(p, e);
}

static bool wants_cors(const vk_prov *p)
{
    return is_direct(p) && p->n_origins > 0 && vk_org_value(p->org, "api_token").n > 0;
}

/* At the end: before the note is made nothing can have been written. */
static bool may_have_cors(const vk_prov *p)
{
    return is_shared(p) && was_direct(p) && vk_org_value(p->org, "api_token").n > 0;
}

static vk_err took_no_cors(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 404 && code_of(body) == NO_SUCH_BUCKET)
        return over(p, VK_OK);
    return over(p, cors_answered(p, status, body, false, why_r));
}

static vk_err ask_no_cors(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = same_account(p, why_r);
    return e == VK_OK ? ask_cors(p, r, why_r) : e;
}

/* That credentials may be out, and a rule be there, is noted before the first is. */
static vk_err took_look_direct(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    vk_err e = took_look(p, status, body, why_r);
    return e == VK_OK && is_direct(p) ? vk_prov_note(p, "direct", VK_STR("1")) : e;
}

/* ---- the end */

/* When it began, so that credentials that are out are over in the end. */
static vk_err note_end(vk_prov *p)
{
    char text[24];
    if (!was_direct(p) || vk_prov_noted(p, "ended").n)
        return VK_OK;
    snprintf(text, sizeof text, "%lld", (long long)p->now_ms);
    return vk_prov_note(p, "ended", vk_str_z(text));
}

static bool credentials_over(const vk_prov *p)
{
    int64_t from;
    return !was_direct(p) || (vk_str_to_i64(vk_prov_noted(p, "ended"), &from) == VK_OK &&
                              p->now_ms - from >= (int64_t)(LEND_S + LEND_LATE_S) * 1000);
}

static bool is_ours(const vk_prov *p)
{
    return !vk_prov_noted(p, "foreign").n && !vk_prov_noted(p, "unmade").n;
}

static bool ends_shared(const vk_prov *p)
{
    return is_shared(p) && vk_prov_noted(p, "shared").n;
}

static bool ends_own(const vk_prov *p)
{
    return has_own(p) && is_ours(p) && (own_bucket(p).n || vk_org_value(p->org, "api_token").n > 0);
}

/* 'b': all is empty, and the bucket is deleted. */
static bool deletes_bucket(const vk_prov *p)
{
    return !is_shared(p) && p->carry->n && p->carry->p[0] == 'b';
}

static vk_err ask_end(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = same_account(p, why_r);
    const vk_s3p_place at = place_of(p);
    if (e != VK_OK)
        return e;
    return deletes_bucket(p) ? ask_bucket(p, r, "DELETE", "", VK_STR_NONE) : vk_s3p_ask_empty(p, &at, r);
}

static vk_err took_end_shared(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(body);
    vk_err e = vk_s3p_took_empty(p, &at, status, why_r);
    if (e == VK_AGAIN && note_end(p) != VK_OK)
        return VK_E_NOMEM;
    if (e == VK_OK && !credentials_over(p)) {
        vk_buf_clear(p->carry);
        *why_r = "Credentials that were handed out are good for an hour; then it is looked once more.";
        return VK_E_BUSY;
    }
    return e;
}

static vk_err took_end_own(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    if (!deletes_bucket(p)) {
        vk_err e = vk_s3p_took_empty(p, &at, status, why_r);
        if (e != VK_OK)
            return e;
        vk_buf_clear(p->carry);
        vk_buf_ch(p->carry, 'b');
        p->soon = true;
        return VK_AGAIN;
    }
    vk_buf_clear(p->carry);
    if (said_yes(status, body) || (status == 404 && code_of(body) == NO_SUCH_BUCKET))
        return VK_OK;
    if (status == 409 && code_of(body) == NOT_EMPTY) /* written to since; or an upload was completed */
        return VK_AGAIN;
    return refused(p, "Deleting the bucket", status, body, why_r);
}

static vk_err ask_proof(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = same_account(p, why_r);
    return e == VK_OK ? ask_bucket(p, r, "GET", "", VK_STR_NONE) : e;
}

static vk_err took_proof(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 404 && code_of(body) == NO_SUCH_BUCKET)
        return VK_OK;
    if (said_yes(status, body))
        return VK_AGAIN;
    return refused(p, "Looking whether the bucket is gone", status, body, why_r);
}

/* ---- what there is */

static vk_err ask_count(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = same_account(p, why_r);
    const vk_s3p_place at = place_of(p);
    return e == VK_OK ? vk_s3p_ask_count(p, &at, r) : e;
}

static vk_err took_count(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(body);
    return vk_s3p_took_count(p, &at, status, why_r);
}

/* Of all buckets of the account those with our tag: the cursor is carried. */
static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str cursor = vk_buf_view(p->carry);
    vk_buf b;
    vk_buf_init(&b, 8192);
    vk_buf_lit(&b, "?");
    if (cursor.n)
        vk_buf_lit(&b, "cursor=");
    for (size_t i = 0; i < cursor.n; i++)
        vk_buf_printf(&b, "%%%02X", (unsigned char)cursor.p[i]);
    vk_buf_printf(&b, "%sname_contains=-%s&per_page=1000", cursor.n ? "&" : "", p->tag);
    vk_str query = b.err ? VK_STR_NONE : vk_arena_dup(p->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return ask_api(p, r, "GET", query, VK_STR_NONE);
}

static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_json *result = NULL;
    vk_err e = result_of(p, "Listing buckets", status, body, &result, why_r);
    const vk_json *all = e == VK_OK ? vk_json_get(result, VK_STR("buckets")) : NULL;
    if (e != VK_OK)
        return e;
    if (!all || all->type != VK_JSON_ARRAY || p->page > PAGES_MAX) {
        *why_r = "Cloudflare's answer is no list of buckets, or one without an end.";
        return VK_E_INVALID;
    }
    for (const vk_json *one = all->u.child; one && e == VK_OK; one = one->next) {
        vk_str name = vk_json_str(vk_json_get(one, VK_STR("name")));
        e = vk_prov_found(p, name, name, vk_json_str(vk_json_get(one, VK_STR("creation_date"))));
    }
    vk_str cursor = vk_json_str(vk_json_get(vk_json_get(body, VK_STR("result_info")), VK_STR("cursor")));
    vk_buf_clear(p->carry);
    if (e != VK_OK || !cursor.n || !all->count)
        return e;
    if (cursor.n > 2000) {
        *why_r = "Cloudflare's answer has a cursor that cannot be.";
        return VK_E_INVALID;
    }
    vk_buf_str(p->carry, cursor);
    p->soon = true;
    return p->carry->err == VK_OK ? VK_AGAIN : VK_E_NOMEM;
}

static bool can_list(const vk_prov *p)
{
    return vk_org_value(p->org, "api_token").n > 0;
}

/* ---- credentials for the app itself */

/* They cannot be taken back before they end, except by the organisation's key: an hour is what a build that
 * was revoked may still do at most, and no longer than the build is there. */
static vk_err lend(vk_prov *p, vk_jw *w, int64_t *expires_r, const char **why_r)
{
    vk_r2_temporary t;
    const bool shared = is_shared(p);
    vk_str bucket = shared ? place_of(p).bucket : own_bucket(p),
           prefix = shared ? vk_s3p_prefix(p) : VK_STR(""), endpoint = vk_r2_endpoint(p->org, p->arena);
    int64_t ttl_s = LEND_S;
    if (p->build_expires_ms > p->now_ms && (p->build_expires_ms - p->now_ms) / 1000 < ttl_s)
        ttl_s = (p->build_expires_ms - p->now_ms) / 1000 + 1;
    if (!bucket.n) {
        *why_r = "This build has no bucket at R2.";
        return VK_E_UNAVAILABLE;
    }
    vk_err e = same_account(p, why_r);
    if (e != VK_OK)
        return e;
    *why_r = "A credential for the bucket could not be made.";
    e = prefix.p && endpoint.p ? vk_r2_lend(p->org, p->arena, bucket, prefix, p->now_ms, ttl_s, &t)
                               : VK_E_NOMEM;
    if (e != VK_OK)
        return e;
    vk_jw_kstr(w, "endpoint", endpoint);
    vk_jw_kstr(w, "account_id", org_value(p, "account_id"));
    vk_jw_kstr(w, "region", VK_STR("auto"));
    vk_jw_kstr(w, "bucket", bucket);
    vk_jw_kstr(w, "prefix", prefix);
    vk_jw_kstr(w, "access_key_id", org_value(p, "access_key_id"));
    vk_jw_kstr(w, "secret_access_key", (vk_str){t.secret, VK_R2_SECRET});
    vk_jw_kstr(w, "session_token", (vk_str){t.token, t.token_n});
    vk_wipe(&t, sizeof t);
    *expires_r = p->now_ms + ttl_s * 1000;
    return w->out->err;
}

/* ---- */

static const vk_prov_step make[] = {
    {.what = "create the bucket",
     .op = "buckets.create",
     .needed = has_own,
     .ask = ask_create,
     .took = took_create},
    {.what = "look at the bucket", .op = "bucket.look", .ask = ask_look, .took = took_look_direct},
    {.what = "let the build's pages in",
     .op = "bucket.cors",
     .needed = wants_cors,
     .ask = ask_cors,
     .took = took_cors},
    {.what = NULL},
};
static const vk_prov_step end[] = {
    {.what = "take away the rule for the build's pages",
     .op = "bucket.cors",
     .needed = may_have_cors,
     .ask = ask_no_cors,
     .took = took_no_cors},
    {.what = "delete the build's objects",
     .op = "objects.delete",
     .needed = ends_shared,
     .ask = ask_end,
     .took = took_end_shared},
    {.what = "empty and delete the bucket",
     .op = "buckets.delete",
     .needed = ends_own,
     .ask = ask_end,
     .took = took_end_own},
    {.what = "look whether the bucket is gone",
     .op = "buckets.get",
     .needed = ends_own,
     .ask = ask_proof,
     .took = took_proof},
    {.what = NULL},
};
static const vk_prov_step usage[] = {
    {.what = "count the build's objects", .op = "objects.list", .ask = ask_count, .took = took_count},
    {.what = NULL},
};
static const vk_prov_step list[] = {
    {.what = "list buckets", .op = "buckets.list", .needed = can_list, .ask = ask_list, .took = took_list},
    {.what = NULL},
};

const vk_provisioner vk_prov_r2 = {
    .resource = "bucket",
    .joint = '-',
    .at_once = 8,
    .make = make,
    .end = end,
    .usage = usage,
    .list = list,
    .lend = lend,
};
