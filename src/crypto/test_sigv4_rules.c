/* The rules of the verifier, one by one: what is refused, with which answer, and in which order. Requests are
 * signed here, by a second implementation on digest.h that is told the canonical request instead of computing
 * it. */
#include "crypto/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/encode.h"

#define ID "0123456789abcdef0123456789abcdef"
#define SECRET "correct-horse-battery-staple-correct-horse-battery-staple-correct"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define MINUTE ((int64_t)60 * 1000)

static const int64_t now = INT64_C(1795457715000); /* 2026-11-23T18:15:15Z */

/* ---- a client ---- */

typedef struct client {
    const char *method, *path, *query; /* canonical already */
    const char *headers[12][2];        /* in the order sent; names in lower case, values canonical */
    const char *list;                  /* SignedHeaders; their lines come in the order of `headers` */
    const char *payload, *stamp, *day, *region, *service, *end, *secret, *id, *algorithm;
    const char *expires; /* query form when it is there */
    const char *spoil;   /* after signing: "sig", "method" or "path" is another */
} client;

static client get(void)
{
    return (client){.method = "GET",
                    .path = "/b/k",
                    .query = "",
                    .headers = {{"host", "127.0.0.1:4503"},
                                {"x-amz-content-sha256", EMPTY_HASH},
                                {"x-amz-date", "20261123T181515Z"}},
                    .list = "host;x-amz-content-sha256;x-amz-date",
                    .payload = EMPTY_HASH,
                    .stamp = "20261123T181515Z",
                    .day = "20261123",
                    .region = "auto",
                    .service = "s3",
                    .end = "aws4_request",
                    .secret = SECRET,
                    .id = ID,
                    .algorithm = "AWS4-HMAC-SHA256"};
}

static client presigned(void)
{
    client c = get();
    memset(c.headers, 0, sizeof c.headers);
    c.headers[0][0] = "host";
    c.headers[0][1] = "127.0.0.1:4503";
    c.list = "host";
    c.payload = "UNSIGNED-PAYLOAD";
    c.expires = "900";
    return c;
}

static void with(client *c, const char *name, const char *value)
{
    int i = 0;
    while (c->headers[i][0])
        i++;
    assert_true(i < 11);
    c->headers[i][0] = name;
    c->headers[i][1] = value;
}

static void put_as(client *c, const char *payload)
{
    c->method = "PUT";
    c->payload = payload;
    c->headers[1][1] = payload;
}

typedef struct sent {
    char query[2048], authorization[2048];
    vk_sigv4_request r;
    vk_sigv4_pair headers[16];
} sent;

static void hmac(uint8_t key[VK_SHA256], size_t n, const char *text, uint8_t out[VK_SHA256])
{
    vk_hmac((vk_str){(char *)key, n}, vk_str_z(text), out);
}

static void sign(const client *c, const char *text, char hex[65])
{
    uint8_t key[128], k[VK_SHA256];
    int n = snprintf((char *)key, sizeof key, "AWS4%s", c->secret);
    hmac(key, (size_t)n, c->day, k);
    hmac(k, sizeof k, c->region, k);
    hmac(k, sizeof k, c->service, k);
    hmac(k, sizeof k, c->end, k);
    hmac(k, sizeof k, text, k);
    vk_hex(hex, k, sizeof k);
    if (c->spoil && strcmp(c->spoil, "sig") == 0)
        hex[10] = hex[10] == '0' ? '1' : '0';
}

static bool listed(const client *c, const char *name)
{
    char all[512], one[128];
    snprintf(all, sizeof all, ";%s;", c->list);
    snprintf(one, sizeof one, ";%s;", name);
    return strstr(all, one) != NULL;
}

static void send_of(const client *c, sent *s)
{
    char canonical[4096], text[512], hex[65], hash[65];
    uint8_t raw[VK_SHA256];
    memset(s, 0, sizeof *s);
    if (c->expires) {
        snprintf(
            s->query, sizeof s->query,
            "X-Amz-Algorithm=%s&X-Amz-Credential=%s%%2F%s%%2F%s%%2F%s%%2F%s&X-Amz-Date=%s&X-Amz-Expires=%s"
            "&X-Amz-SignedHeaders=%s%s%s",
            c->algorithm, c->id, c->day, c->region, c->service, c->end, c->stamp, c->expires, c->list,
            c->query[0] ? "&" : "", c->query);
        char *semicolon;
        while ((semicolon = strchr(s->query, ';'))) { /* SignedHeaders in canonical encoding */
            memmove(semicolon + 3, semicolon + 1, strlen(semicolon + 1) + 1);
            memcpy(semicolon, "%3B", 3);
        }
    } else {
        snprintf(s->query, sizeof s->query, "%s", c->query);
    }
    size_t n = (size_t)snprintf(canonical, sizeof canonical, "%s\n%s\n%s\n", c->method, c->path, s->query);
    for (int i = 0; c->headers[i][0]; i++)
        if (listed(c, c->headers[i][0]))
            n += (size_t)snprintf(canonical + n, sizeof canonical - n, "%s:%s\n", c->headers[i][0],
                                  c->headers[i][1]);
    n += (size_t)snprintf(canonical + n, sizeof canonical - n, "\n%s\n%s", c->list, c->payload);
    vk_sha256((vk_str){canonical, n}, raw);
    vk_hex(hash, raw, sizeof raw);
    snprintf(text, sizeof text, "%s\n%s\n%s/%s/%s/%s\n%s", c->algorithm, c->stamp, c->day, c->region,
             c->service, c->end, hash);
    sign(c, text, hex);
    for (int i = 0; c->headers[i][0]; i++)
        s->headers[s->r.n_headers++] =
            (vk_sigv4_pair){vk_str_z(c->headers[i][0]), vk_str_z(c->headers[i][1])};
    if (c->expires) {
        size_t used = strlen(s->query);
        snprintf(s->query + used, sizeof s->query - used, "&X-Amz-Signature=%s", hex);
    } else {
        snprintf(s->authorization, sizeof s->authorization,
                 "%s Credential=%s/%s/%s/%s/%s, SignedHeaders=%s, Signature=%s", c->algorithm, c->id, c->day,
                 c->region, c->service, c->end, c->list, hex);
        s->headers[s->r.n_headers++] = (vk_sigv4_pair){VK_STR("authorization"), vk_str_z(s->authorization)};
    }
    s->r.method = vk_str_z(c->method);
    s->r.path = vk_str_z(c->path);
    s->r.query = vk_str_z(s->query);
    s->r.headers = s->headers;
    s->r.now_ms = now;
    const char *spoil = c->spoil ? c->spoil : "";
    if (strcmp(spoil, "method") == 0)
        s->r.method = VK_STR("DELETE");
    else if (strcmp(spoil, "path") == 0)
        s->r.path = VK_STR("/b/other");
}

/* ---- the verifier, with keys ---- */

static struct {
    vk_sigv4_key_state state;
    const char *token;
    uint64_t generation;
    int looked_up;
} keys;

static void lookup(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    VK_UNUSED(arg);
    keys.looked_up++;
    if (vk_str_eqz(id, ID))
        *key_r = (vk_sigv4_key){.state = keys.state,
                                .secret = vk_secret_of(VK_STR(SECRET)),
                                .token = keys.token ? vk_secret_of(vk_str_z(keys.token)) : VK_SECRET_NONE,
                                .generation = keys.generation,
                                .identity = &keys};
}

static vk_arena *arena;
static vk_sigv4_cache *cache;
static vk_sigv4_grant grant;
static vk_sigv4_trace trace;

static vk_sigv4_fail verify(const sent *s)
{
    const vk_sigv4_setup setup = {.lookup = lookup, .region = VK_STR("eu-test-1"), .cache = cache};
    vk_arena_reset(arena);
    return vk_sigv4_verify(&setup, &s->r, arena, &grant, &trace);
}

static vk_sigv4_fail ask_at(const client *c, int64_t at)
{
    sent s;
    send_of(c, &s);
    s.r.now_ms = at;
    vk_sigv4_fail got = verify(&s);
    assert_true(got == VK_SIGV4_OK ? grant.identity == &keys : grant.identity == NULL);
    return got;
}

static vk_sigv4_fail ask(const client *c)
{
    return ask_at(c, now);
}

/* Both the reason and what the client is told. */
static void refused(const client *c, vk_sigv4_fail why, const char *code, int status)
{
    assert_int_equal(ask(c), why);
    vk_sigv4_error e = vk_sigv4_error_of(why, trace.form);
    assert_string_equal(e.code, code);
    assert_int_equal(e.status, status);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(1 << 20);
    cache = vk_sigv4_cache_new(16);
    assert_non_null(arena);
    assert_non_null(cache);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    vk_sigv4_cache_free(cache);
    return 0;
}

static int fresh(void **state)
{
    VK_UNUSED(state);
    memset(&keys, 0, sizeof keys);
    keys.state = VK_SIGV4_KEY_GOOD;
    vk_sigv4_cache_clear(cache);
    return 0;
}

/* ---- the rules ---- */

static void the_control_rows_pass(void **state)
{
    VK_UNUSED(state);
    client c = get(), p = presigned();
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    assert_int_equal(grant.form, VK_SIGV4_HEADER);
    assert_int_equal(grant.payload, VK_SIGV4_HASHED);
    assert_true(grant.signed_at_ms == now && grant.ends_at_ms == 0);
    assert_int_equal(ask(&p), VK_SIGV4_OK);
    assert_int_equal(grant.form, VK_SIGV4_QUERY);
    assert_int_equal(grant.payload, VK_SIGV4_UNSIGNED);
    assert_true(grant.ends_at_ms == now + 900 * 1000);
}

static void without_a_signature_nobody_is_known(void **state)
{
    VK_UNUSED(state);
    client c = get();
    sent s;
    send_of(&c, &s);
    s.r.n_headers--;
    assert_int_equal(verify(&s), VK_SIGV4_ANONYMOUS);
    assert_int_equal(keys.looked_up, 0);
    /* GHSA-hv4r-mvr4-25vw: a credential in the query, and nothing that proves it */
    s.r.query = VK_STR("X-Amz-Credential=" ID "%2F20261123%2Fauto%2Fs3%2Faws4_request");
    assert_int_equal(verify(&s), VK_SIGV4_MALFORMED);
    assert_string_equal(vk_sigv4_error_of(VK_SIGV4_MALFORMED, trace.form).code,
                        "AuthorizationQueryParametersError");
    s.r.query = VK_STR("x-amz-signature=00");
    assert_int_equal(verify(&s), VK_SIGV4_MALFORMED);
    s.r.query = VK_STR("X%2DAmz%2DSignature=00");
    assert_int_equal(verify(&s), VK_SIGV4_MALFORMED);
    s.r.query = VK_STR("x-id=GetObject");
    assert_int_equal(verify(&s), VK_SIGV4_ANONYMOUS);
    assert_int_equal(keys.looked_up, 0);
}

static void other_mechanisms_are_named(void **state)
{
    VK_UNUSED(state);
    static const char *const headers[] = {
        "AWS " ID ":c2lnbmF0dXJl",
        "Bearer x",
        "Basic eDp5",
        "AWS4-HMAC-SHA512 Credential=x",
        "AWS4-ECDSA-P256-SHA256 Credential=x, SignedHeaders=host, Signature=x",
        "aws4-hmac-sha256 Credential=x",
        ""};
    static const char *const queries[] = {"AWSAccessKeyId=x&Signature=y&Expires=1", "Signature=y",
                                          "AWSAccessKeyId=x"};
    client c = get();
    sent s;
    for (size_t i = 0; i < VK_COUNT(headers); i++) {
        send_of(&c, &s);
        s.headers[3].value = vk_str_z(headers[i]);
        assert_int_equal(verify(&s), VK_SIGV4_MECHANISM);
    }
    for (size_t i = 0; i < VK_COUNT(queries); i++) {
        send_of(&c, &s);
        s.r.n_headers--;
        s.r.query = vk_str_z(queries[i]);
        assert_int_equal(verify(&s), VK_SIGV4_MECHANISM);
    }
    c = presigned();
    c.algorithm = "AWS4-ECDSA-P256-SHA256";
    refused(&c, VK_SIGV4_MECHANISM, "InvalidRequest", 400);
}

static void one_signature_only(void **state)
{
    VK_UNUSED(state);
    client c = get(), p = presigned();
    sent s, q;
    send_of(&c, &s);
    send_of(&p, &q);
    s.r.query = q.r.query;
    assert_int_equal(verify(&s), VK_SIGV4_TWO_SIGNATURES);
    send_of(&c, &s);
    s.headers[4] = s.headers[3];
    s.r.n_headers = 5;
    assert_int_equal(verify(&s), VK_SIGV4_TWO_SIGNATURES);
    assert_string_equal(vk_sigv4_error_of(VK_SIGV4_TWO_SIGNATURES, trace.form).code, "InvalidRequest");
    assert_int_equal(keys.looked_up, 0);
}

/* The header as a client wrote it, with `from` replaced by `to`. */
static vk_sigv4_fail with_authorization(const char *from, const char *to)
{
    client c = get();
    sent s;
    char text[2048];
    send_of(&c, &s);
    char *at = strstr(s.authorization, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - s.authorization), s.authorization, to,
             at + strlen(from));
    s.headers[3].value = vk_str_z(text);
    return verify(&s);
}

static void the_authorization_header_is_read_strictly(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *from, *to;
        vk_sigv4_fail want;
    } cases[] = {
        {", ", ",", VK_SIGV4_OK}, /* s3cmd */
        {", SignedHeaders", "  ,   SignedHeaders", VK_SIGV4_OK},
        {"Credential=", "Credentials=", VK_SIGV4_MALFORMED},
        {"Credential=" ID "/", "Credential=", VK_SIGV4_MALFORMED},
        {"Credential=" ID, "Credential=", VK_SIGV4_MALFORMED},
        {"Credential=" ID, "Credential=a/" ID, VK_SIGV4_MALFORMED},
        {"Credential=" ID, "Credential=a b", VK_SIGV4_MALFORMED},
        {"aws4_request", "aws4_request/x", VK_SIGV4_MALFORMED},
        {"/20261123/", "/2026112/", VK_SIGV4_MALFORMED},
        {"/20261123/", "/2026112x/", VK_SIGV4_MALFORMED},
        {"/auto/", "/a-region-with-a-name-that-is-too-long/", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host;", "SignedHeaders=;host;", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host;", "SignedHeaders=Host;", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host;", "SignedHeaders=host;host;", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host;", "SignedHeaders=x-amz-meta-z;host;", VK_SIGV4_MALFORMED},
        {"x-amz-date, ", "x-amz-date;, ", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host;x-amz-content-sha256;x-amz-date, ", "", VK_SIGV4_MALFORMED},
        {"SignedHeaders=host", "SignedHeaders=a, SignedHeaders=host", VK_SIGV4_MALFORMED},
        {"Signature=", "Signature=0", VK_SIGV4_MALFORMED},
        {"Signature=", "Signature=x, Signature=", VK_SIGV4_MALFORMED},
        {", Signature=", ", Extra=1, Signature=", VK_SIGV4_MALFORMED},
        {", Signature=", ",, Signature=", VK_SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", VK_SIGV4_MECHANISM},
        {"SignedHeaders=host;x-amz-content-sha256", "SignedHeaders=gone;host;x-amz-content-sha256",
         VK_SIGV4_ABSENT_HEADER},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        print_message("# %s -> %s\n", cases[i].from, cases[i].to);
        assert_int_equal(with_authorization(cases[i].from, cases[i].to), cases[i].want);
    }
}

static void parts_come_in_any_order(void **state)
{
    VK_UNUSED(state);
    client c = get();
    sent s;
    char text[2048], *credential, *list, *signature;
    send_of(&c, &s);
    credential = strstr(s.authorization, "Credential=");
    list = strstr(s.authorization, "SignedHeaders=");
    signature = strstr(s.authorization, "Signature=");
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256 %s,%.*s,%.*s", signature, (int)(list - credential - 2),
             credential, (int)(signature - list - 2), list);
    s.headers[3].value = vk_str_z(text);
    assert_int_equal(verify(&s), VK_SIGV4_OK);
}

static void the_scope_is_ours(void **state)
{
    VK_UNUSED(state);
    static const char *const regions[] = {"auto", "us-east-1", "", "eu-test-1"};
    client c = get();
    for (size_t i = 0; i < VK_COUNT(regions); i++) {
        c = get();
        c.region = regions[i];
        assert_int_equal(ask(&c), VK_SIGV4_OK);
    }
    c.region = "eu-west-1";
    refused(&c, VK_SIGV4_SCOPE_REGION, "AuthorizationHeaderMalformed", 400);
    c = presigned();
    c.region = "AUTO";
    refused(&c, VK_SIGV4_SCOPE_REGION, "AuthorizationQueryParametersError", 400);
    c = get();
    c.day = "20261122"; /* yesterday's scope */
    refused(&c, VK_SIGV4_SCOPE_DATE, "AuthorizationHeaderMalformed", 400);
    c = get();
    c.service = "sts";
    refused(&c, VK_SIGV4_SCOPE_SERVICE, "AuthorizationHeaderMalformed", 400);
    c = get();
    c.end = "aws4_requesu";
    refused(&c, VK_SIGV4_SCOPE_END, "AuthorizationHeaderMalformed", 400);
}

static void the_key_is_looked_at(void **state)
{
    VK_UNUSED(state);
    client c = get();
    c.id = "ffffffffffffffffffffffffffffffff";
    refused(&c, VK_SIGV4_UNKNOWN_KEY, "InvalidAccessKeyId", 403);
    /* the secret of nobody is in the source; it opens nothing */
    c.secret = "0000000000000000000000000000000000000000000000000000000000000000";
    refused(&c, VK_SIGV4_UNKNOWN_KEY, "InvalidAccessKeyId", 403);
    c = get();
    keys.state = VK_SIGV4_KEY_IS_EXPIRED;
    refused(&c, VK_SIGV4_KEY_EXPIRED, "ExpiredToken", 400);
    keys.state = VK_SIGV4_KEY_IS_REVOKED;
    refused(&c, VK_SIGV4_KEY_REVOKED, "InvalidAccessKeyId", 403);
    client p = presigned(); /* for seven days, and then the key goes */
    p.expires = "604800";
    keys.state = VK_SIGV4_KEY_GOOD;
    assert_int_equal(ask(&p), VK_SIGV4_OK);
    keys.state = VK_SIGV4_KEY_IS_REVOKED;
    refused(&p, VK_SIGV4_KEY_REVOKED, "InvalidAccessKeyId", 403);
}

static void clocks_may_differ_by_fifteen_minutes(void **state)
{
    VK_UNUSED(state);
    client c = get();
    assert_int_equal(ask_at(&c, now + 15 * MINUTE), VK_SIGV4_OK);
    assert_int_equal(ask_at(&c, now - 15 * MINUTE), VK_SIGV4_OK);
    assert_int_equal(ask_at(&c, now + 15 * MINUTE + 1), VK_SIGV4_SKEW);
    assert_int_equal(ask_at(&c, now - 15 * MINUTE - 1), VK_SIGV4_SKEW);
    assert_string_equal(vk_sigv4_error_of(VK_SIGV4_SKEW, VK_SIGV4_HEADER).code, "RequestTimeTooSkewed");
    c.id = "ffffffffffffffffffffffffffffffff"; /* what nobody's key is told comes first */
    assert_int_equal(ask_at(&c, now + 16 * MINUTE), VK_SIGV4_UNKNOWN_KEY);
}

static void a_presigned_url_has_an_end(void **state)
{
    VK_UNUSED(state);
    static const char *const wrong[] = {"0",   "-1",   "604801",     "abc", "+1",
                                        "1e3", "0x10", "9999999999", "%201"};
    client p = presigned();
    assert_int_equal(ask_at(&p, now + 900 * 1000), VK_SIGV4_OK);
    assert_int_equal(ask_at(&p, now + 900 * 1000 + 1), VK_SIGV4_REQUEST_EXPIRED);
    assert_int_equal(ask_at(&p, now - 15 * MINUTE), VK_SIGV4_OK);
    assert_int_equal(ask_at(&p, now - 15 * MINUTE - 1), VK_SIGV4_REQUEST_EXPIRED);
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        p.expires = wrong[i];
        refused(&p, VK_SIGV4_EXPIRES, "AuthorizationQueryParametersError", 400);
    }
    p.expires = "604800";
    assert_int_equal(ask_at(&p, now + INT64_C(604800000)), VK_SIGV4_OK);
    assert_int_equal(ask_at(&p, now + INT64_C(604800001)), VK_SIGV4_REQUEST_EXPIRED);
    p = presigned();
    p.expires = "1";
    assert_int_equal(ask(&p), VK_SIGV4_OK);
    assert_int_equal(ask_at(&p, now + 1001), VK_SIGV4_REQUEST_EXPIRED);
}

static void a_parameter_of_the_signature_stands_once(void **state)
{
    VK_UNUSED(state);
    static const char *const more[] = {
        "&X-Amz-Expires=1",
        "&X-Amz-Date=20261123T181515Z",
        "&X-Amz-Signature=00",
        "&X-Amz-SignedHeaders=host",
        "&X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD",
        "&x-amz-expires=1",
        "&X-Amz-Security-Token=a&X-Amz-Security-Token=a",
        "&x-amz-content-sha256=UNSIGNED-PAYLOAD"};
    static const char *const needed[] = {"X-Amz-Algorithm=", "X-Amz-Credential=",    "X-Amz-Date=",
                                         "X-Amz-Expires=",   "X-Amz-SignedHeaders=", "X-Amz-Signature="};
    client p = presigned();
    sent s;
    for (size_t i = 0; i < VK_COUNT(more); i++) {
        send_of(&p, &s);
        snprintf(s.query + strlen(s.query), sizeof s.query - strlen(s.query), "%s", more[i]);
        s.r.query = vk_str_z(s.query);
        vk_sigv4_fail got = verify(&s);
        assert_true(got == VK_SIGV4_MALFORMED || got == VK_SIGV4_NO_DATE);
    }
    for (size_t i = 0; i < VK_COUNT(needed); i++) {
        send_of(&p, &s);
        *strstr(s.query, needed[i]) = 'Y';
        vk_sigv4_fail got = verify(&s);
        assert_true(got == VK_SIGV4_MALFORMED || got == VK_SIGV4_NO_DATE);
        assert_string_equal(vk_sigv4_error_of(got, trace.form).code, "AuthorizationQueryParametersError");
    }
    assert_int_equal(keys.looked_up, 0);
}

static void headers_that_matter_are_signed(void **state)
{
    VK_UNUSED(state);
    client c = get();
    memmove(c.headers, c.headers + 1, sizeof c.headers - sizeof c.headers[0]); /* no host at all */
    c.list = "x-amz-content-sha256;x-amz-date";
    refused(&c, VK_SIGV4_UNSIGNED_HEADERS, "AccessDenied", 403);
    c = get(); /* a host, but not signed */
    c.list = "x-amz-content-sha256;x-amz-date";
    refused(&c, VK_SIGV4_UNSIGNED_HEADERS, "AccessDenied", 403);
    c = get();
    c.list = "host;x-amz-content-sha256";
    refused(&c, VK_SIGV4_UNSIGNED_HEADERS, "AccessDenied", 403);
    static const char *const added[] = {"x-amz-meta-a",        "X-AMZ-META-A", "x-amz-copy-source",
                                        "x-amz-acl",           "X-Amz-Date",   "x-amz-content-sha256",
                                        "x-amz-security-token"};
    for (size_t i = 0; i < VK_COUNT(added); i++) {
        client p = presigned();
        with(&p, added[i], "20261123T181515Z");
        refused(&p, VK_SIGV4_UNSIGNED_HEADERS, "AccessDenied", 403);
    }
    client p = presigned(); /* what a browser adds by itself */
    with(&p, "content-type", "image/png");
    with(&p, "content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    with(&p, "sec-fetch-mode", "cors");
    assert_int_equal(ask(&p), VK_SIGV4_OK);
}

/* A header that the verifier itself goes by stands once; joined, what was signed and what counts would be two
 * things. */
static void headers_of_the_signature_stand_once(void **state)
{
    VK_UNUSED(state);
    client c = get();
    with(&c, "x-amz-security-token", "t");
    keys.token = "t";
    c.list = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    sent s;
    for (int h = 1; h < 4; h++) {
        send_of(&c, &s);
        s.headers[s.r.n_headers++] = s.headers[h];
        assert_int_equal(verify(&s), h == 2 ? VK_SIGV4_NO_DATE : VK_SIGV4_MALFORMED);
    }
}

static void memory_may_run_out(void **state)
{
    VK_UNUSED(state);
    vk_arena *whole = arena;
    client c = get();
    char query[1800] = "q=";
    memset(query + 2, 'a', sizeof query - 3);
    c.query = query;
    bool ran_out = false;
    for (size_t cap = 4096; cap < 32768; cap += 256) {
        arena = vk_arena_new(cap);
        assert_non_null(arena);
        vk_sigv4_fail got = ask(&c);
        vk_arena_free(arena);
        assert_true(got == VK_SIGV4_OK || got == VK_SIGV4_NO_MEMORY);
        ran_out |= got == VK_SIGV4_NO_MEMORY;
    }
    arena = whole;
    assert_true(ran_out);
    assert_int_equal(ask(&c), VK_SIGV4_OK);
}

static void a_signature_is_for_one_request(void **state)
{
    VK_UNUSED(state);
    static const char *const spoils[] = {"sig", "method", "path"};
    for (size_t i = 0; i < VK_COUNT(spoils); i++) {
        client c = get(), p = presigned();
        c.spoil = p.spoil = spoils[i];
        refused(&c, VK_SIGV4_SIGNATURE, "SignatureDoesNotMatch", 403);
        refused(&p, VK_SIGV4_SIGNATURE, "SignatureDoesNotMatch", 403);
        assert_true(trace.canonical_request.n > 0 && trace.string_to_sign.n > 0);
    }
    client c = get();
    c.secret = "another";
    refused(&c, VK_SIGV4_SIGNATURE, "SignatureDoesNotMatch", 403);
}

/* CVE-2025-31489 and its kin: no form of payload is a way around the signature. */
static void every_payload_form_needs_the_secret(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        vk_sigv4_payload want;
    } forms[] = {
        {EMPTY_HASH, VK_SIGV4_HASHED},
        {"UNSIGNED-PAYLOAD", VK_SIGV4_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", VK_SIGV4_STREAM_UNSIGNED_TRAILER},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", VK_SIGV4_STREAM_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", VK_SIGV4_STREAM_SIGNED_TRAILER},
    };
    for (size_t i = 0; i < VK_COUNT(forms); i++) {
        client c = get();
        put_as(&c, forms[i].text);
        assert_int_equal(ask(&c), VK_SIGV4_OK);
        assert_int_equal(grant.payload, forms[i].want);
        assert_true((grant.chain.scope_n > 0) == (i >= 3));
        c.secret = "another";
        refused(&c, VK_SIGV4_SIGNATURE, "SignatureDoesNotMatch", 403);
        if (i < 2)
            continue;
        c = get();
        put_as(&c, forms[i].text);
        c.method = "POST";
        refused(&c, VK_SIGV4_NO_STREAM_HERE, "InvalidRequest", 400);
        client p = presigned(); /* a signed query over a streaming header */
        p.method = "PUT";
        with(&p, "x-amz-content-sha256", forms[i].text);
        p.payload = forms[i].text;
        p.list = "host;x-amz-content-sha256";
        assert_int_equal(ask(&p), VK_SIGV4_OK);
        assert_int_equal(grant.payload, forms[i].want);
        p.list = "host";
        refused(&p, VK_SIGV4_UNSIGNED_HEADERS, "AccessDenied", 403);
    }
}

static void other_payloads_are_told_apart(void **state)
{
    VK_UNUSED(state);
    static const char *const unknown[] = {
        "", "x", "unsigned-payload", "UNSIGNED-PAYLOAD-TRAILER", EMPTY_HASH "0", "STREAMING"};
    static const char *const unsupported[] = {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-",
                                              "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
                                              "STREAMING-UNSIGNED-PAYLOAD"};
    client c = get();
    for (size_t i = 0; i < VK_COUNT(unknown); i++) {
        put_as(&c, unknown[i]);
        refused(&c, VK_SIGV4_PAYLOAD_FORM, "InvalidArgument", 400);
    }
    for (size_t i = 0; i < VK_COUNT(unsupported); i++) {
        put_as(&c, unsupported[i]);
        refused(&c, VK_SIGV4_PAYLOAD_UNSUPPORTED, "NotImplemented", 501);
        c.secret = "another"; /* nobody learns by it what is supported */
        refused(&c, VK_SIGV4_SIGNATURE, "SignatureDoesNotMatch", 403);
        c.secret = SECRET;
    }
    c = get();
    sent s;
    send_of(&c, &s);
    s.headers[1].name = VK_STR("x-other");
    assert_int_equal(verify(&s), VK_SIGV4_NO_PAYLOAD_HASH);
}

static void the_bodys_hash_is_compared(void **state)
{
    VK_UNUSED(state);
    client c = get();
    uint8_t hash[VK_SHA256];
    put_as(&c, EMPTY_HASH);
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    vk_sha256(VK_STR(""), hash);
    assert_true(vk_sigv4_payload_matches(&grant, hash));
    hash[31] ^= 1;
    assert_false(vk_sigv4_payload_matches(&grant, hash));
    vk_sigv4_grant_wipe(&grant);
    assert_null(grant.identity);
}

static void a_session_token_belongs_to_its_key(void **state)
{
    VK_UNUSED(state);
    client plain = get(), c = get(), p = presigned();
    with(&c, "x-amz-security-token", "TOKEN/+=");
    c.list = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    refused(&c, VK_SIGV4_TOKEN, "InvalidToken", 403);
    keys.token = "TOKEN/+=";
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    refused(&plain, VK_SIGV4_TOKEN, "InvalidToken", 403);
    keys.token = "TOKEN/+=x";
    refused(&c, VK_SIGV4_TOKEN, "InvalidToken", 403);
    keys.token = "TOKEN/+=";
    c.query = "X-Amz-Security-Token=TOKEN%2F%2B%3D"; /* in both places */
    refused(&c, VK_SIGV4_TOKEN, "InvalidToken", 403);
    c = get();
    c.query = "X-Amz-Security-Token=TOKEN%2F%2B%3D"; /* in the query of a header form */
    refused(&c, VK_SIGV4_TOKEN, "InvalidToken", 403);
    refused(&p, VK_SIGV4_TOKEN, "InvalidToken", 403);
}

static void the_date_is_one_and_is_a_date(void **state)
{
    VK_UNUSED(state);
    static const char *const wrong[] = {
        "20261123T181515",  "20261323T181515Z", "20261131T181515Z",  "20270229T181515Z",
        "20261123T241515Z", "20261123t181515Z", "2026-11-23T18:15Z", ""};
    client c = get();
    sent s;
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        send_of(&c, &s);
        s.headers[2].value = vk_str_z(wrong[i]);
        assert_int_equal(verify(&s), VK_SIGV4_NO_DATE);
    }
    send_of(&c, &s);
    s.headers[4] = s.headers[2];
    s.r.n_headers = 5;
    assert_int_equal(verify(&s), VK_SIGV4_NO_DATE);
    c.headers[2][0] = "date"; /* instead of x-amz-date; then `date` is what is listed */
    c.headers[2][1] = "Mon, 23 Nov 2026 18:15:15 GMT";
    c.list = "host;x-amz-content-sha256";
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    c.headers[2][1] = "Mon, 23 Nov 2026 18:15:16 GMT"; /* not the one that was signed */
    assert_int_equal(ask(&c), VK_SIGV4_SIGNATURE);
    c.headers[2][1] = "20261123T181515Z";
    assert_int_equal(ask(&c), VK_SIGV4_OK);
    c.headers[2][1] = "Monday, 23-Nov-26 18:15:15 GMT";
    assert_int_equal(ask(&c), VK_SIGV4_NO_DATE);
    c.headers[2][0] = "x-date";
    assert_int_equal(ask(&c), VK_SIGV4_NO_DATE);
}

static void days_are_counted_as_the_calendar_does(void **state)
{
    VK_UNUSED(state);
    client c = get();
    static const struct {
        const char *stamp;
        int64_t s;
    } cases[] = {{"20240229T000000Z", 1709164800}, {"20240301T000000Z", 1709251200},
                 {"20000229T235959Z", 951868799},  {"21000301T000000Z", 4107542400},
                 {"19700101T000000Z", 0},          {"20261231T235959Z", 1798761599}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char day[9];
        snprintf(day, sizeof day, "%.8s", cases[i].stamp);
        c = get();
        c.stamp = c.headers[2][1] = cases[i].stamp;
        c.day = day;
        assert_int_equal(ask_at(&c, cases[i].s * 1000), VK_SIGV4_OK);
        assert_true(grant.signed_at_ms == cases[i].s * 1000);
    }
}

static void targets_are_read_strictly(void **state)
{
    VK_UNUSED(state);
    static const char *const paths[] = {"", "b/k", "*", "/b/%", "/b/%2", "/b/%zz", "http://h/b/k"};
    static const char *const queries[] = {"a=%", "%2=a", "a=%g0"};
    client c = get();
    sent s;
    for (size_t i = 0; i < VK_COUNT(paths); i++) {
        send_of(&c, &s);
        s.r.path = vk_str_z(paths[i]);
        assert_int_equal(verify(&s), VK_SIGV4_BAD_TARGET);
    }
    for (size_t i = 0; i < VK_COUNT(queries); i++) {
        send_of(&c, &s);
        s.r.query = vk_str_z(queries[i]);
        assert_int_equal(verify(&s), VK_SIGV4_BAD_TARGET);
    }
    char many[2 * VK_SIGV4_PARAMS_MAX + 2];
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = i % 2 ? '&' : 'a';
    send_of(&c, &s);
    s.r.query = (vk_str){many, sizeof many - 1};
    assert_int_equal(verify(&s), VK_SIGV4_TOO_MANY);
}

/* ---- the canonical request ---- */

/* `path` and `query` as sent are signed as `canonical_path` and `canonical_query`. */
static void same_as(const char *path, const char *canonical_path, const char *query,
                    const char *canonical_query)
{
    client c = get();
    sent s;
    c.path = canonical_path;
    c.query = canonical_query;
    send_of(&c, &s);
    s.r.path = vk_str_z(path);
    s.r.query = vk_str_z(query);
    assert_int_equal(verify(&s), VK_SIGV4_OK);
}

static void encoding_has_one_form(void **state)
{
    VK_UNUSED(state);
    same_as("/b/a b", "/b/a%20b", "", "");
    same_as("/b/%7e%41%2d%2E%5f", "/b/~A-._", "", "");
    same_as("/b/a+b", "/b/a%2Bb", "", "");
    same_as("/b/%2f%2F", "/b/%2F%2F", "", "");
    same_as("/b/%252e%252e/x", "/b/%252e%252e/x", "", "");
    same_as("/b/../x/./y//z/", "/b/../x/./y//z/", "", "");
    same_as("/b/%2e%2e/x", "/b/../x", "", "");
    same_as("/b/\xc3\xa9", "/b/%C3%A9", "", "");
    same_as("/", "/", "", "");
    same_as("/b", "/b", "delete", "delete=");
    same_as("/b", "/b", "b=2&a=1&a=0&a", "a=&a=0&a=1&b=2");
    same_as("/b", "/b", "prefix-x=2&prefix=b&prefix=a", "prefix=a&prefix=b&prefix-x=2");
    same_as("/b", "/b", "p=a+b%2Bc&&q=%e9=x", "p=a%20b%2Bc&q=%E9%3Dx");
    same_as("/b", "/b", "p=/:@!$'()*,;", "p=%2F%3A%40%21%24%27%28%29%2A%2C%3B");
}

static void values_are_trimmed_and_joined(void **state)
{
    VK_UNUSED(state);
    client c = get();
    sent s;
    with(&c, "x-amz-meta-a", "one two,three,");
    c.list = "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a";
    send_of(&c, &s);
    s.headers[3].value = VK_STR("  one \t  two\t");
    s.headers[s.r.n_headers++] = (vk_sigv4_pair){VK_STR("X-Amz-Meta-A"), VK_STR("three")};
    s.headers[s.r.n_headers++] = (vk_sigv4_pair){VK_STR("x-amz-META-a"), VK_STR(" ")};
    assert_int_equal(verify(&s), VK_SIGV4_OK);
    s.headers[5].value = VK_STR("thre");
    assert_int_equal(verify(&s), VK_SIGV4_SIGNATURE);
}

/* ---- the cache ---- */

static void invented_ids_push_no_key_out(void **state)
{
    VK_UNUSED(state);
    vk_hmac256_key spare;
    vk_sigv4_key_name real = {VK_STR(ID), VK_STR("20261123"), VK_STR("auto"), 0, true};
    const vk_hmac256_key *k = vk_sigv4_cache_get(cache, &real, vk_secret_of(VK_STR(SECRET)), &spare);
    for (unsigned i = 0; i < 1000; i++) {
        client c = get();
        char id[16];
        snprintf(id, sizeof id, "junk-%u", i);
        c.id = id;
        assert_int_equal(ask(&c), VK_SIGV4_UNKNOWN_KEY);
    }
    /* the entry is still the one it was: another secret is not even looked at */
    uint8_t a[VK_SHA256], b[VK_SHA256];
    const vk_hmac256_key *again = vk_sigv4_cache_get(cache, &real, vk_secret_of(VK_STR("other")), &spare);
    assert_ptr_equal(k, again);
    vk_hmac256(again, VK_STR("x"), a);
    vk_sigv4_derive(vk_secret_of(VK_STR(SECRET)), real.day, real.region, VK_STR("s3"), &spare);
    vk_hmac256(&spare, VK_STR("x"), b);
    assert_memory_equal(a, b, sizeof a);
}

static void without_a_cache_it_is_the_same(void **state)
{
    VK_UNUSED(state);
    vk_sigv4_cache *kept = cache;
    client c = get(), p = presigned();
    cache = NULL;
    vk_sigv4_fail one = ask(&c), two = ask(&p);
    c.spoil = "sig";
    vk_sigv4_fail three = ask(&c);
    cache = kept;
    assert_int_equal(one, VK_SIGV4_OK);
    assert_int_equal(two, VK_SIGV4_OK);
    assert_int_equal(three, VK_SIGV4_SIGNATURE);
}

/* ---- the form ---- */

static vk_sigv4_fail post(const vk_sigv4_pair *fields, size_t n, int64_t at)
{
    const vk_sigv4_setup setup = {.lookup = lookup, .cache = cache};
    vk_sigv4_fail got = vk_sigv4_verify_post(&setup, fields, n, at, &grant);
    assert_true(got == VK_SIGV4_OK ? grant.identity == &keys : grant.identity == NULL);
    return got;
}

static void a_form_is_signed_like_a_request(void **state)
{
    VK_UNUSED(state);
    client c = get();
    char hex[65];
    sign(&c, "cG9saWN5", hex);
    vk_sigv4_pair f[8] = {{VK_STR("key"), VK_STR("k")},
                          {VK_STR("X-Amz-Algorithm"), VK_STR("AWS4-HMAC-SHA256")},
                          {VK_STR("x-amz-credential"), VK_STR(ID "/20261123/auto/s3/aws4_request")},
                          {VK_STR("X-AMZ-DATE"), VK_STR("20261123T181515Z")},
                          {VK_STR("Policy"), VK_STR("cG9saWN5")},
                          {VK_STR("x-amz-signature"), vk_str_z(hex)}};
    assert_int_equal(post(f, 6, now), VK_SIGV4_OK);
    assert_int_equal(post(f, 6, now + 24 * 60 * MINUTE), VK_SIGV4_OK); /* the policy says when it ends */
    assert_int_equal(post(f, 6, now + 7 * 24 * 60 * MINUTE + 1), VK_SIGV4_REQUEST_EXPIRED);
    assert_int_equal(post(f, 6, now - 16 * MINUTE), VK_SIGV4_REQUEST_EXPIRED);
    assert_int_equal(post(f, 1, now), VK_SIGV4_ANONYMOUS);
    for (int i = 1; i < 6; i++) { /* each of the five: left out, or twice */
        vk_sigv4_pair was = f[i];
        f[i].name = VK_STR("x-ignore-this");
        assert_int_equal(post(f, 6, now), VK_SIGV4_FORM_PART);
        f[i] = was;
        f[6] = was;
        assert_int_equal(post(f, 7, now), VK_SIGV4_FORM_TWICE);
    }
    assert_string_equal(vk_sigv4_error_of(VK_SIGV4_FORM_PART, VK_SIGV4_POST).code, "InvalidArgument");
    f[6] = (vk_sigv4_pair){VK_STR("AWSAccessKeyId"), VK_STR("x")};
    assert_int_equal(post(f, 7, now), VK_SIGV4_MECHANISM);
    f[6] = (vk_sigv4_pair){VK_STR("x-amz-security-token"), VK_STR("t")};
    assert_int_equal(post(f, 7, now), VK_SIGV4_TOKEN);
    keys.token = "t";
    assert_int_equal(post(f, 7, now), VK_SIGV4_OK);
    assert_int_equal(post(f, 6, now), VK_SIGV4_TOKEN);
    keys.token = NULL;
    f[4].value = VK_STR("cG9saWN6");
    assert_int_equal(post(f, 6, now), VK_SIGV4_SIGNATURE);
    f[4].value = VK_STR("cG9saWN5");
    f[2].value = VK_STR("nobody/20261123/auto/s3/aws4_request");
    assert_int_equal(post(f, 6, now), VK_SIGV4_UNKNOWN_KEY);
    f[2].value = VK_STR(ID "/20261122/auto/s3/aws4_request");
    assert_int_equal(post(f, 6, now), VK_SIGV4_SCOPE_DATE);
    f[2].value = VK_STR(ID "/20261123/auto/s3");
    assert_int_equal(post(f, 6, now), VK_SIGV4_MALFORMED);
    f[2].value = VK_STR(ID "/20261123/auto/s3/aws4_request");
    f[1].value = VK_STR("AWS4-HMAC-SHA512");
    assert_int_equal(post(f, 6, now), VK_SIGV4_MECHANISM);
}

static void every_reason_has_an_answer(void **state)
{
    VK_UNUSED(state);
    for (int why = VK_SIGV4_OK + 1; why < VK_SIGV4_FAILS; why++)
        for (int form = VK_SIGV4_HEADER; form <= VK_SIGV4_POST; form++) {
            vk_sigv4_error e = vk_sigv4_error_of((vk_sigv4_fail)why, (vk_sigv4_form)form);
            assert_true(e.code && e.code[0] && e.message && e.message[0]);
            assert_true(e.status >= 400 && e.status < 600);
        }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        T(the_control_rows_pass),
        T(without_a_signature_nobody_is_known),
        T(other_mechanisms_are_named),
        T(one_signature_only),
        T(the_authorization_header_is_read_strictly),
        T(parts_come_in_any_order),
        T(the_scope_is_ours),
        T(the_key_is_looked_at),
        T(clocks_may_differ_by_fifteen_minutes),
        T(a_presigned_url_has_an_end),
        T(a_parameter_of_the_signature_stands_once),
        T(headers_that_matter_are_signed),
        T(headers_of_the_signature_stand_once),
        T(memory_may_run_out),
        T(a_signature_is_for_one_request),
        T(every_payload_form_needs_the_secret),
        T(other_payloads_are_told_apart),
        T(the_bodys_hash_is_compared),
        T(a_session_token_belongs_to_its_key),
        T(the_date_is_one_and_is_a_date),
        T(days_are_counted_as_the_calendar_does),
        T(targets_are_read_strictly),
        T(encoding_has_one_form),
        T(values_are_trimmed_and_joined),
        T(invented_ids_push_no_key_out),
        T(without_a_cache_it_is_the_same),
        T(a_form_is_signed_like_a_request),
        T(every_reason_has_an_answer),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
