#include "crypto/sigv4.h"

#include "core/encode.h"
#include "crypto/sigv4_parts.h"

/* Who asks with an id that is nobody's is checked against this: right length, and no signature of it is ever
 * let through. */
#define NOBODYS_SECRET VK_STR("0000000000000000000000000000000000000000000000000000000000000000")

static vk_sigv4_fail scope(const vk_sigv4_setup *s, const vk_sigv4_claim *c)
{
    if (memcmp(c->day.p, c->stamp, VK_SIGV4_DAY) != 0)
        return VK_SIGV4_SCOPE_DATE;
    if (!vk_str_eq(c->service, VK_STR("s3")))
        return VK_SIGV4_SCOPE_SERVICE;
    if (!vk_str_eq(c->end, VK_STR("aws4_request")))
        return VK_SIGV4_SCOPE_END;
    if (c->region.n && !vk_str_eq(c->region, VK_STR("auto")) && !vk_str_eq(c->region, VK_STR("us-east-1")) &&
        !(s->region.n && vk_str_eq(c->region, s->region)))
        return VK_SIGV4_SCOPE_REGION;
    return VK_SIGV4_OK;
}

static vk_sigv4_fail key_state(const vk_sigv4_key *k)
{
    switch (k->state) {
    case VK_SIGV4_KEY_GOOD:
        return VK_SIGV4_OK;
    case VK_SIGV4_KEY_IS_EXPIRED:
        return VK_SIGV4_KEY_EXPIRED;
    case VK_SIGV4_KEY_IS_REVOKED:
        return VK_SIGV4_KEY_REVOKED;
    case VK_SIGV4_KEY_UNKNOWN:
    default:
        return VK_SIGV4_UNKNOWN_KEY;
    }
}

static vk_sigv4_fail time_of(const vk_sigv4_claim *c, int64_t now_ms)
{
    const int64_t skew = (int64_t)VK_SIGV4_SKEW_S * 1000;
    int64_t age = now_ms - c->at_ms;
    if (c->form == VK_SIGV4_HEADER)
        return age > skew || age < -skew ? VK_SIGV4_SKEW : VK_SIGV4_OK;
    if (c->form == VK_SIGV4_QUERY && c->expires_s == 0)
        return VK_SIGV4_EXPIRES;
    /* A form ends when its policy does; its signing key ends after a week at the latest. */
    int64_t life = (c->form == VK_SIGV4_QUERY ? c->expires_s : VK_SIGV4_EXPIRES_MAX_S) * 1000;
    return age > life || age < -skew ? VK_SIGV4_REQUEST_EXPIRED : VK_SIGV4_OK;
}

static vk_sigv4_fail payload_form(vk_str text, vk_str method, vk_sigv4_grant *g)
{
    static const struct {
        const char *text;
        vk_sigv4_payload form;
    } forms[] = {
        {"UNSIGNED-PAYLOAD", VK_SIGV4_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", VK_SIGV4_STREAM_UNSIGNED_TRAILER},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", VK_SIGV4_STREAM_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", VK_SIGV4_STREAM_SIGNED_TRAILER},
    };
    if (vk_str_eq(text, VK_STR(VK_SHA256_NOTHING_HEX))) {
        memcpy(g->payload_hash, vk_sha256_nothing, VK_SHA256);
        g->payload = VK_SIGV4_HASHED;
        return VK_SIGV4_OK;
    }
    if (vk_hex_decode(text, g->payload_hash, VK_SHA256) == VK_OK) {
        g->payload = VK_SIGV4_HASHED;
        return VK_SIGV4_OK;
    }
    for (size_t i = 0; i < VK_COUNT(forms); i++) {
        if (!vk_str_eqz(text, forms[i].text))
            continue;
        g->payload = forms[i].form;
        return i == 0 || vk_str_eq(method, VK_STR("PUT")) ? VK_SIGV4_OK : VK_SIGV4_NO_STREAM_HERE;
    }
    return vk_str_starts(text, VK_STR("STREAMING-")) ? VK_SIGV4_PAYLOAD_UNSUPPORTED : VK_SIGV4_PAYLOAD_FORM;
}

static bool token_ok(const vk_sigv4_claim *c, const vk_sigv4_key *k)
{
    return !c->two_tokens && vk_secret_eq(c->token, k->token);
}

/* What a signature of header or query form covers: algorithm, stamp, scope, hash of the canonical request. */
static vk_str string_to_sign(vk_arena *a, const vk_sigv4_claim *c, vk_str canonical)
{
    static const char algorithm[] = "AWS4-HMAC-SHA256\n";
    uint8_t hash[VK_SHA256];
    vk_sha256_run s;
    vk_sha256_begin(&s);
    vk_sha256_add(&s, canonical);
    vk_sha256_end(&s, hash);
    size_t n = sizeof algorithm - 1 + VK_SIGV4_STAMP + 1 + c->scope.n + 1 + 2 * VK_SHA256;
    char *text = vk_arena_alloc(a, n + 1), *at = text; /* vk_hex ends with NUL */
    if (!text)
        return VK_STR_NONE;
    memcpy(at, algorithm, sizeof algorithm - 1);
    at += sizeof algorithm - 1;
    memcpy(at, c->stamp, VK_SIGV4_STAMP);
    at += VK_SIGV4_STAMP;
    *at++ = '\n';
    memcpy(at, c->scope.p, c->scope.n);
    at += c->scope.n;
    *at++ = '\n';
    vk_hex(at, hash, VK_SHA256);
    return (vk_str){text, n};
}

/* What is signed, and with it the rule about headers that had to be. */
static vk_sigv4_fail signed_text(vk_arena *a, const vk_sigv4_claim *c, const vk_sigv4_request *r,
                                 vk_sigv4_params *p, vk_str *text, vk_sigv4_trace *trace)
{
    if (c->form == VK_SIGV4_POST)
        return VK_SIGV4_OK; /* the caller has it: the policy */
    vk_sigv4_fail fail =
        vk_sigv4_canonical(a, r, p, c->signed_headers, c->payload, &trace->canonical_request);
    if (fail)
        return fail;
    *text = trace->string_to_sign = string_to_sign(a, c, trace->canonical_request);
    return text->p ? VK_SIGV4_OK : VK_SIGV4_NO_MEMORY;
}

static bool same(const uint8_t a[VK_SHA256], const uint8_t b[VK_SHA256])
{
    return vk_str_eq_secret((vk_str){(const char *)a, VK_SHA256}, (vk_str){(const char *)b, VK_SHA256});
}

/* From the claim to the grant. `text` is what is signed in the POST form; `r` and `p` are of the other two.
 */
static vk_sigv4_fail judge(const vk_sigv4_setup *s, vk_arena *a, const vk_sigv4_claim *c,
                           const vk_sigv4_request *r, vk_sigv4_params *p, vk_str text, vk_sigv4_grant *g,
                           vk_sigv4_trace *trace)
{
    vk_sigv4_fail fail = scope(s, c);
    if (fail)
        return fail;
    vk_sigv4_key key = {0};
    s->lookup(s->arg, c->id, &key);
    vk_sigv4_fail nobody = key_state(&key);
    if (nobody && nobody != VK_SIGV4_UNKNOWN_KEY)
        return nobody;
    if (nobody)
        key = (vk_sigv4_key){.secret = vk_secret_of(NOBODYS_SECRET)};
    fail = time_of(c, r->now_ms);
    if (!fail)
        fail = signed_text(a, c, r, p, &text, trace);
    if (fail)
        return nobody ? nobody : fail;

    vk_hmac256_key spare;
    uint8_t want[VK_SHA256];
    const vk_sigv4_key_name name = {c->id, c->day, c->region, key.generation, !nobody};
    const vk_hmac256_key *signing = vk_sigv4_cache_get(s->cache, &name, key.secret, &spare);
    vk_hmac256(signing, text, want);
    bool right = same(want, c->signature);
    vk_wipe(want, sizeof want);
    if (nobody || !right) {
        fail = nobody ? nobody : VK_SIGV4_SIGNATURE;
    } else if (!token_ok(c, &key)) {
        fail = VK_SIGV4_TOKEN;
    } else if (c->form != VK_SIGV4_POST) {
        fail = payload_form(c->payload, r->method, g);
    } else {
        g->payload = VK_SIGV4_UNSIGNED;
    }
    if (!fail) {
        g->identity = key.identity;
        g->access_key_id = c->id;
        g->form = c->form;
        g->signed_at_ms = c->at_ms;
        g->ends_at_ms = c->form == VK_SIGV4_QUERY ? c->at_ms + c->expires_s * 1000 : 0;
        if (g->payload == VK_SIGV4_STREAM_SIGNED || g->payload == VK_SIGV4_STREAM_SIGNED_TRAILER) {
            g->chain.key = *signing;
            memcpy(g->chain.signature, c->signature, VK_SHA256);
            memcpy(g->chain.stamp, c->stamp, VK_SIGV4_STAMP);
            memcpy(g->chain.scope, c->scope.p, c->scope.n);
            g->chain.scope_n = c->scope.n;
        }
    }
    if (signing == &spare)
        vk_wipe(&spare, sizeof spare);
    return fail;
}

vk_sigv4_fail vk_sigv4_verify(const vk_sigv4_setup *s, const vk_sigv4_request *r, vk_arena *a,
                              vk_sigv4_grant *grant_r, vk_sigv4_trace *trace_r)
{
    vk_sigv4_params p;
    vk_sigv4_claim c = {0};
    memset(grant_r, 0, sizeof *grant_r);
    *trace_r = (vk_sigv4_trace){.form = VK_SIGV4_HEADER};
    vk_sigv4_fail fail = vk_sigv4_params_read(a, r->query, &p);
    if (!fail) {
        fail = vk_sigv4_claim_read(a, r, &p, &c);
        trace_r->form = c.form;
    }
    if (!fail)
        fail = judge(s, a, &c, r, &p, VK_STR_NONE, grant_r, trace_r);
    if (fail)
        memset(grant_r, 0, sizeof *grant_r);
    return fail;
}

vk_sigv4_fail vk_sigv4_verify_post(const vk_sigv4_setup *s, const vk_sigv4_pair *fields, size_t n,
                                   int64_t now_ms, vk_sigv4_grant *grant_r)
{
    const vk_sigv4_request r = {.now_ms = now_ms};
    vk_sigv4_trace trace = {0};
    vk_sigv4_claim c = {0};
    vk_str policy;
    memset(grant_r, 0, sizeof *grant_r);
    vk_sigv4_fail fail = vk_sigv4_claim_form(fields, n, &c, &policy);
    if (!fail)
        fail = judge(s, NULL, &c, &r, NULL, policy, grant_r, &trace);
    if (fail)
        memset(grant_r, 0, sizeof *grant_r);
    return fail;
}

bool vk_sigv4_payload_matches(const vk_sigv4_grant *g, const uint8_t hash[VK_SHA256])
{
    return g->payload != VK_SIGV4_HASHED || same(g->payload_hash, hash);
}

void vk_sigv4_grant_wipe(vk_sigv4_grant *g)
{
    vk_wipe(g, sizeof *g);
}
