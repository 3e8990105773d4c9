/* The verifier against signatures that others made: the vectors of tests/data/storage, AWS's published
 * examples, and what unmodified clients really sent. Then one bit of each byte of them changed. Rules and
 * refusals: test_sigv4_rules.c. */
#include "crypto/sigv4.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/encode.h"

enum { ARENA = 1 << 20 };

typedef struct fixture {
    json_t *vectors, *captured;
    vk_arena *arena;
    vk_sigv4_cache *cache;
} fixture;

static json_t *load(const char *name)
{
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/storage/%s", root ? root : ".", name);
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &why);
    if (!j)
        fail_msg("%s: %s", path, why.text);
    return j;
}

static int begin(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->vectors = load("sigv4-vectors.json");
    f->captured = load("captured-requests.json");
    f->arena = vk_arena_new(ARENA);
    f->cache = vk_sigv4_cache_new(16);
    assert_non_null(f->arena);
    assert_non_null(f->cache);
    *state = f;
    return 0;
}

static int end(void **state)
{
    fixture *f = *state;
    if (!f)
        return 0;
    json_decref(f->vectors);
    json_decref(f->captured);
    vk_arena_free(f->arena);
    vk_sigv4_cache_free(f->cache);
    free(f);
    return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        fail_msg("no text \"%s\" in the data", key);
    return s;
}

/* ---- what the verifier knows ---- */

typedef struct known {
    const char *ids[2], *secret, *token;
    int seen;
} known;

static void lookup(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    known *k = arg;
    for (int i = 0; i < 2; i++)
        if (k->ids[i] && vk_str_eqz(id, k->ids[i]))
            *key_r = (vk_sigv4_key){.state = VK_SIGV4_KEY_GOOD,
                                    .secret = vk_secret_of(vk_str_z(k->secret)),
                                    .token = k->token ? vk_secret_of(vk_str_z(k->token)) : VK_SECRET_NONE,
                                    .identity = k};
    k->seen++;
}

typedef struct asked {
    vk_sigv4_request r;
    vk_sigv4_pair headers[VK_SIGV4_HEADERS_MAX];
} asked;

static void target(asked *q, const char *target)
{
    vk_str rest = vk_str_z(target);
    if (!vk_str_cut(&rest, '?', &q->r.path))
        q->r.path = rest, rest = VK_STR_NONE;
    q->r.query = rest;
}

static void add(asked *q, const char *name, const char *value)
{
    q->headers[q->r.n_headers++] = (vk_sigv4_pair){vk_str_z(name), vk_str_z(value)};
    q->r.headers = q->headers;
}

static int64_t stamp_ms(vk_str stamp)
{
    char text[32];
    int64_t ms;
    snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.000Z", stamp.p, stamp.p + 4, stamp.p + 6,
             stamp.p + 9, stamp.p + 11, stamp.p + 13);
    assert_int_equal(vk_clock_parse(vk_str_z(text), &ms), VK_OK);
    return ms;
}

static vk_str date_in(const asked *q)
{
    for (size_t i = 0; i < q->r.n_headers; i++)
        if (vk_str_ieq(q->headers[i].name, VK_STR("x-amz-date")))
            return q->headers[i].value;
    const char *at = q->r.query.n ? strstr(q->r.query.p, "X-Amz-Date=") : NULL;
    return at ? (vk_str){at + 11, VK_SIGV4_STAMP} : VK_STR_NONE;
}

static void ask_of(asked *q, const json_t *v)
{
    size_t i;
    json_t *h;
    memset(q, 0, sizeof *q);
    q->r.method = vk_str_z(text_of(v, "method"));
    target(q, text_of(v, "target"));
    json_array_foreach(json_object_get(v, "headers"), i, h)
    {
        add(q, json_string_value(json_array_get(h, 0)), json_string_value(json_array_get(h, 1)));
    }
    if (json_object_get(v, "authorization"))
        add(q, "Authorization", text_of(v, "authorization"));
    vk_str date = date_in(q);
    if (date.p)
        q->r.now_ms = stamp_ms(date);
}

static vk_sigv4_fail verify(fixture *f, known *k, const asked *q, vk_sigv4_grant *g, vk_sigv4_trace *t)
{
    const vk_sigv4_setup s = {.lookup = lookup, .arg = k, .cache = f->cache};
    vk_arena_reset(f->arena);
    return vk_sigv4_verify(&s, &q->r, f->arena, g, t);
}

static known of_vectors(const fixture *f, const json_t *v)
{
    known k = {.ids = {text_of(f->vectors, "access_key_id")},
               .secret = text_of(f->vectors, "signing_string_used_as_the_shared_value")};
    if (v && strstr(text_of(v, "name"), "session-token"))
        k.token = strcmp(text_of(v, "form"), "query") == 0 ? "FAKESESSIONTOKEN/+=" : NULL;
    return k;
}

/* The session token of a vector in header form stands in its headers. */
static void take_token(known *k, const asked *q)
{
    for (size_t i = 0; i < q->r.n_headers; i++)
        if (vk_str_ieq(q->headers[i].name, VK_STR("x-amz-security-token")))
            k->token = q->headers[i].value.p;
    if (q->r.query.n && strstr(q->r.query.p, "X-Amz-Security-Token=SESSIONTOKEN%2F%2B%3D"))
        k->token = "SESSIONTOKEN/+=";
}

static void vectors_hold(void **state)
{
    fixture *f = *state;
    size_t i, done = 0;
    json_t *v;
    json_array_foreach(json_object_get(f->vectors, "vectors"), i, v)
    {
        asked q;
        vk_sigv4_grant g;
        vk_sigv4_trace t;
        if (strcmp(text_of(v, "form"), "post") == 0)
            continue;
        print_message("# %s\n", text_of(v, "name"));
        known k = of_vectors(f, v);
        ask_of(&q, v);
        take_token(&k, &q);
        assert_int_equal(verify(f, &k, &q, &g, &t), VK_SIGV4_OK);
        assert_ptr_equal(g.identity, &k);
        assert_true(vk_str_eqz(g.access_key_id, k.ids[0]));
        assert_true(vk_str_eqz(t.canonical_request, text_of(v, "canonical_request")));
        assert_true(vk_str_eqz(t.string_to_sign, text_of(v, "string_to_sign")));
        assert_int_equal(g.form, strcmp(text_of(v, "form"), "query") == 0 ? VK_SIGV4_QUERY : VK_SIGV4_HEADER);
        done++;
    }
    assert_int_equal(done, 25);
}

static void the_posted_vector_holds(void **state)
{
    fixture *f = *state;
    size_t i, k_, done = 0;
    json_t *v, *field;
    json_array_foreach(json_object_get(f->vectors, "vectors"), i, v)
    {
        vk_sigv4_pair fields[16];
        size_t n = 0;
        vk_sigv4_grant g;
        known k = of_vectors(f, NULL);
        const vk_sigv4_setup s = {.lookup = lookup, .arg = &k, .cache = f->cache};
        int64_t now = stamp_ms(VK_STR("20261123T182000Z"));
        if (strcmp(text_of(v, "form"), "post") != 0)
            continue;
        json_array_foreach(json_object_get(v, "fields"), k_, field)
        {
            fields[n++] = (vk_sigv4_pair){vk_str_z(json_string_value(json_array_get(field, 0))),
                                          vk_str_z(json_string_value(json_array_get(field, 1)))};
        }
        assert_int_equal(vk_sigv4_verify_post(&s, fields, n, now, &g), VK_SIGV4_OK);
        assert_int_equal(g.form, VK_SIGV4_POST);
        assert_ptr_equal(g.identity, &k);
        for (size_t x = 0; x < n; x++) { /* a byte of any of its parts */
            bool ours =
                vk_str_starts(fields[x].name, VK_STR("X-Amz-")) || vk_str_eqz(fields[x].name, "Policy");
            size_t covered =
                fields[x].value.n; /* the time of day is covered by a condition of the policy only */
            if (vk_str_eqz(fields[x].name, "X-Amz-Date"))
                covered = VK_SIGV4_DAY;
            for (size_t b = 0; ours && b < covered; b++) {
                char copy[2048];
                vk_str was = fields[x].value;
                assert_true(was.n <= sizeof copy);
                memcpy(copy, was.p, was.n);
                copy[b] = (char)(copy[b] ^ (1 << (b % 7)));
                fields[x].value = (vk_str){copy, was.n};
                assert_int_not_equal(vk_sigv4_verify_post(&s, fields, n, now, &g), VK_SIGV4_OK);
                assert_null(g.identity);
                fields[x].value = was;
            }
        }
        done++;
    }
    assert_int_equal(done, 1);
}

static void the_derived_key_is_the_published_one(void **state)
{
    fixture *f = *state;
    vk_hmac256_key k, want;
    uint8_t raw[VK_SHA256], a[VK_SHA256], b[VK_SHA256];
    const char *secret = text_of(f->vectors, "signing_string_used_as_the_shared_value");
    vk_sigv4_derive(vk_secret_of(vk_str_z(secret)), VK_STR("20261123"), VK_STR("auto"), VK_STR("s3"), &k);
    assert_int_equal(vk_hex_decode(vk_str_z(text_of(f->vectors, "derived_signing_key_hex")), raw, sizeof raw),
                     VK_OK);
    vk_hmac256_key_init(&want, (vk_str){(char *)raw, sizeof raw});
    vk_hmac256(&k, VK_STR("x"), a);
    vk_hmac256(&want, VK_STR("x"), b);
    assert_memory_equal(a, b, sizeof a);
}

/* Which client signs with which key: both ids of the recording have the same secret. */
static known of_captured(void)
{
    return (known){.ids = {"vk_build_abc", "vk"}, .secret = "SECRETSECRETSECRETSECRETSECRETSECRET"};
}

static void what_clients_sent_is_verified(void **state)
{
    fixture *f = *state;
    size_t i, good = 0, bad = 0, none = 0;
    json_t *v;
    json_array_foreach(json_object_get(f->captured, "requests"), i, v)
    {
        asked q;
        vk_sigv4_grant g;
        vk_sigv4_trace t;
        known k = of_captured();
        ask_of(&q, v);
        take_token(&k, &q);
        vk_sigv4_fail got = verify(f, &k, &q, &g, &t);
        const char *verdict = text_of(v, "verified");
        if (strcmp(verdict, "MATCH") == 0) {
            if (got)
                fail_msg("%s, %s: %s", text_of(v, "client"), text_of(v, "step"),
                         vk_sigv4_error_of(got, t.form).message);
            assert_true(vk_str_eqz(t.canonical_request, text_of(v, "canonical_request")));
            assert_ptr_equal(g.identity, &k);
            good++;
        } else if (strcmp(verdict, "MISMATCH") ==
                   0) { /* curl without the payload's hash; a path that fetch normalised */
            assert_int_equal(got, q.r.query.n ? VK_SIGV4_SIGNATURE : VK_SIGV4_NO_PAYLOAD_HASH);
            assert_null(g.identity);
            bad++;
        } else {
            assert_int_equal(got, VK_SIGV4_ANONYMOUS);
            none++;
        }
    }
    assert_int_equal(good, 98);
    assert_int_equal(bad, 2);
    assert_int_equal(none, 1);
}

/* ---- AWS's examples: "Authenticating Requests" of the S3 API reference ---- */

/* The documentation's key pair, in pieces, so that no scanner takes it for one. */
#define AWS_ID                                                                                               \
    "AKIAIOSF"                                                                                               \
    "ODNN7EXAMPLE"
#define AWS_SECRET                                                                                           \
    "wJalrXUtnFEMI/K7MDENG"                                                                                  \
    "/bPxRfiCYEXAMPLEKEY"
#define AWS_SCOPE AWS_ID "/20130524/us-east-1/s3/aws4_request"

static void awss_examples_hold(void **state)
{
    static const struct {
        const char *method, *target, *headers[8][2];
    } cases[] = {
        {"GET",
         "/test.txt",
         {{"Host", "examplebucket.s3.amazonaws.com"},
          {"Range", "bytes=0-9"},
          {"x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
          {"x-amz-date", "20130524T000000Z"},
          {"Authorization", "AWS4-HMAC-SHA256 Credential=" AWS_SCOPE
                            ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}}},
        {"GET",
         "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" AWS_ID
         "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
         "&X-Amz-SignedHeaders=host&X-Amz-Signature="
         "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
         {{"Host", "examplebucket.s3.amazonaws.com"}}},
        {"PUT",
         "/examplebucket/chunkObject.txt",
         {{"Host", "s3.amazonaws.com"},
          {"x-amz-date", "20130524T000000Z"},
          {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
          {"Content-Encoding", "aws-chunked"},
          {"x-amz-decoded-content-length", "66560"},
          {"Content-Length", "66824"},
          {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
          {"Authorization",
           "AWS4-HMAC-SHA256 Credential=" AWS_SCOPE
           ",SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
           "x-amz-decoded-content-length;x-amz-storage-class,"
           "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}}},
    };
    fixture *f = *state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        asked q = {.r.method = vk_str_z(cases[i].method)};
        vk_sigv4_grant g;
        vk_sigv4_trace t;
        known k = {.ids = {AWS_ID}, .secret = AWS_SECRET};
        target(&q, cases[i].target);
        for (size_t h = 0; h < 8 && cases[i].headers[h][0]; h++)
            add(&q, cases[i].headers[h][0], cases[i].headers[h][1]);
        q.r.now_ms = stamp_ms(VK_STR("20130524T000000Z"));
        assert_int_equal(verify(f, &k, &q, &g, &t), VK_SIGV4_OK);
    }
}

/* ---- one bit of anything ---- */

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Flips bit `bit` of byte `b` of *part and expects a refusal; the same text in other letters (%2b for %2B,
 * Host for host) is the one change that may pass, when the canonical request stays what it was. */
static void flip(fixture *f, known *k, asked *q, vk_str *part, size_t b, unsigned bit, const char *canonical)
{
    static char copy[16384];
    vk_str was = *part;
    vk_sigv4_grant g;
    vk_sigv4_trace t;
    assert_true(was.n <= sizeof copy);
    memcpy(copy, was.p, was.n);
    copy[b] = (char)(copy[b] ^ (1 << bit));
    *part = (vk_str){copy, was.n};
    if (verify(f, k, q, &g, &t) == VK_SIGV4_OK) {
        if (!(bit == 5 && letter(was.p[b]) && vk_str_eqz(t.canonical_request, canonical)))
            fail_msg("byte %zu, bit %u of \"%.*s\" may be changed", b, bit, (int)was.n, was.p);
    } else {
        assert_null(g.identity);
    }
    *part = was;
}

/* How many bits were changed. */
static size_t flip_all(fixture *f, known *k, asked *q, const json_t *v, unsigned bits)
{
    size_t done = 0;
    vk_sigv4_grant g;
    vk_sigv4_trace t;
    assert_int_equal(verify(f, k, q, &g, &t), VK_SIGV4_OK);
    const char *canonical = text_of(v, "canonical_request"), *listed = strrchr(canonical, '\n');
    const char *list = listed - 1;
    while (list[-1] != '\n')
        list--;
    char names[2048];
    snprintf(names, sizeof names, ";%.*s;", (int)(listed - list), list);
    vk_str *parts[3] = {&q->r.method, &q->r.path, &q->r.query};
    for (int p = 0; p < 3; p++)
        for (size_t b = 0; b < parts[p]->n; b++)
            for (unsigned bit = 0; bit < 8; bit++)
                if (bits == 8 || bit == b % 8)
                    flip(f, k, q, parts[p], b, bit, canonical), done++;
    for (size_t h = 0; h < q->r.n_headers; h++) {
        char name[256] = ";";
        vk_str n = q->headers[h].name;
        for (size_t i = 0; i < n.n; i++)
            name[i + 1] = (char)(letter(n.p[i]) ? n.p[i] | 0x20 : n.p[i]);
        name[n.n + 1] = ';';
        name[n.n + 2] = 0;
        if (!strstr(names, name) && strcmp(name, ";authorization;") != 0)
            continue;
        for (int p = 0; p < 2; p++) {
            vk_str *part = p ? &q->headers[h].value : &q->headers[h].name;
            for (size_t b = 0; b < part->n; b++)
                for (unsigned bit = 0; bit < 8; bit++)
                    if (bits == 8 || bit == b % 8)
                        flip(f, k, q, part, b, bit, canonical), done++;
        }
    }
    return done;
}

static void no_bit_of_a_vector_may_change(void **state)
{
    fixture *f = *state;
    size_t i, done = 0;
    json_t *v;
    json_array_foreach(json_object_get(f->vectors, "vectors"), i, v)
    {
        asked q;
        if (strcmp(text_of(v, "form"), "post") == 0)
            continue;
        known k = of_vectors(f, v);
        ask_of(&q, v);
        take_token(&k, &q);
        done += flip_all(f, &k, &q, v, 8);
    }
    assert_true(done > 50000);
}

static void no_bit_of_what_clients_sent_may_change(void **state)
{
    fixture *f = *state;
    size_t i, done = 0;
    json_t *v;
    json_array_foreach(json_object_get(f->captured, "requests"), i, v)
    {
        asked q;
        known k = of_captured();
        if (strcmp(text_of(v, "verified"), "MATCH") != 0)
            continue;
        ask_of(&q, v);
        take_token(&k, &q);
        done += flip_all(f, &k, &q, v, 1);
    }
    assert_true(done > 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),
        cmocka_unit_test(the_posted_vector_holds),
        cmocka_unit_test(the_derived_key_is_the_published_one),
        cmocka_unit_test(what_clients_sent_is_verified),
        cmocka_unit_test(awss_examples_hold),
        cmocka_unit_test(no_bit_of_a_vector_may_change),
        cmocka_unit_test(no_bit_of_what_clients_sent_may_change),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
