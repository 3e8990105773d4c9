/* The decoder of aws-chunked bodies: vectors and what clients sent, in pieces of every size; AWS's published
 * chain; each bit changed, each prefix cut; and what the grammar refuses. */
#include "crypto/awschunked.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/encode.h"

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

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        fail_msg("no text \"%s\" in the data", key);
    return s;
}

static const char *header(const json_t *v, const char *name)
{
    size_t i;
    json_t *h;
    json_array_foreach(json_object_get(v, "headers"), i, h)
    {
        if (strcmp(json_string_value(json_array_get(h, 0)), name) == 0)
            return json_string_value(json_array_get(h, 1));
    }
    return "";
}

/* ---- a body and what it should become ---- */

typedef struct body {
    vk_sigv4_grant grant;
    int64_t decoded;
    const char *trailer;
    vk_str bytes;
} body;

static vk_sigv4_payload payload(const char *text)
{
    return strcmp(text, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") == 0   ? VK_SIGV4_STREAM_UNSIGNED_TRAILER
           : strcmp(text, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") == 0 ? VK_SIGV4_STREAM_SIGNED
                                                                     : VK_SIGV4_STREAM_SIGNED_TRAILER;
}

static void chain(vk_sigv4_grant *g, const char *secret, const char *stamp, const char *region,
                  const char *seed)
{
    vk_sigv4_derive(vk_secret_of(vk_str_z(secret)), (vk_str){stamp, 8}, vk_str_z(region), VK_STR("s3"),
                    &g->chain.key);
    memcpy(g->chain.stamp, stamp, VK_SIGV4_STAMP);
    g->chain.scope_n =
        (size_t)snprintf(g->chain.scope, sizeof g->chain.scope, "%.8s/%s/s3/aws4_request", stamp, region);
    assert_int_equal(vk_hex_decode(vk_str_z(seed), g->chain.signature, VK_SHA256), VK_OK);
}

enum { OUT_MAX = 1 << 17 };
static char out[OUT_MAX];
static size_t out_n;
static vk_awschunked d;

/* In pieces of `piece` bytes. What came of it; the data is in `out`. */
static vk_sigv4_fail decode(const body *b, size_t piece)
{
    out_n = 0;
    vk_sigv4_fail fail = vk_awschunked_begin(&d, &b->grant, b->decoded, vk_str_z(b->trailer));
    if (fail)
        return fail;
    vk_str rest = b->bytes;
    do {
        vk_str in = {rest.p, rest.n < piece ? rest.n : piece};
        rest.p += in.n;
        rest.n -= in.n;
        for (bool more = true; more;) {
            vk_str data = VK_STR_NONE;
            switch (vk_awschunked_next(&d, &in, &data)) {
            case VK_AWSCHUNK_DATA:
                assert_true(data.n > 0 && out_n + data.n <= sizeof out &&
                            out_n + data.n <= (uint64_t)b->decoded);
                memcpy(out + out_n, data.p, data.n);
                out_n += data.n;
                break;
            case VK_AWSCHUNK_MORE:
                assert_int_equal(in.n, 0);
                more = false;
                break;
            case VK_AWSCHUNK_END:
                assert_int_equal(in.n, 0);
                more = false;
                break;
            case VK_AWSCHUNK_BAD:
            default:
                assert_int_not_equal(vk_awschunked_why(&d), VK_SIGV4_OK);
                return vk_awschunked_why(&d);
            }
        }
    } while (rest.n);
    return vk_awschunked_why(&d);
}

static body of_vector(const json_t *all, const json_t *v)
{
    body b = {.decoded = strtoll(header(v, "x-amz-decoded-content-length"), NULL, 10),
              .trailer = header(v, "x-amz-trailer"),
              .bytes = vk_str_z(text_of(v, "body"))};
    b.grant.payload = payload(header(v, "x-amz-content-sha256"));
    chain(&b.grant, text_of(all, "signing_string_used_as_the_shared_value"), text_of(all, "date"),
          text_of(all, "region"), text_of(v, "signature"));
    return b;
}

static void whole_and_in_pieces(const body *b, const char *want)
{
    for (size_t piece = 1; piece <= b->bytes.n; piece++) {
        assert_int_equal(decode(b, piece), VK_SIGV4_OK);
        assert_true(out_n == (size_t)b->decoded);
        assert_true(!want || (out_n == strlen(want) && memcmp(out, want, out_n) == 0));
    }
}

static bool changes_nothing(const body *b, size_t at, int bit)
{
    char c = b->bytes.p[at];
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return bit == 5 && is_letter; /* hexadecimal digits of a size and names of trailers have two forms */
}

static void no_bit_may_change(const body *b)
{
    char copy[2048];
    assert_true(b->bytes.n <= sizeof copy);
    char before[64];
    assert_int_equal(decode(b, SIZE_MAX), VK_SIGV4_OK);
    size_t n = out_n;
    assert_true(n <= sizeof before);
    memcpy(before, out, n);
    for (size_t at = 0; at < b->bytes.n; at++)
        for (int bit = 0; bit < 8; bit++) {
            body x = *b;
            memcpy(copy, b->bytes.p, b->bytes.n);
            copy[at] = (char)(copy[at] ^ (1 << bit));
            x.bytes.p = copy;
            if (decode(&x, SIZE_MAX) == VK_SIGV4_OK)
                assert_true(changes_nothing(b, at, bit) && out_n == n && memcmp(out, before, n) == 0);
        }
}

static void no_prefix_is_a_body(const body *b)
{
    for (size_t n = 0; n < b->bytes.n; n++) {
        body x = *b;
        x.bytes.n = n;
        assert_int_equal(decode(&x, SIZE_MAX), VK_SIGV4_BODY_LENGTH);
    }
    char copy[2048];
    body x = *b;
    memcpy(copy, b->bytes.p, b->bytes.n);
    copy[b->bytes.n] = '\n';
    x.bytes = (vk_str){copy, b->bytes.n + 1};
    assert_int_equal(decode(&x, SIZE_MAX), VK_SIGV4_CHUNK);
    assert_int_equal(decode(&x, 1), VK_SIGV4_CHUNK);
}

static void the_length_is_exact(const body *b)
{
    body x = *b;
    x.decoded++;
    assert_int_equal(decode(&x, SIZE_MAX), VK_SIGV4_BODY_LENGTH);
    x.decoded -= 2;
    assert_int_equal(decode(&x, SIZE_MAX), x.decoded < 0 ? VK_SIGV4_NO_DECODED_LENGTH : VK_SIGV4_BODY_LENGTH);
    x.decoded = -1;
    assert_int_equal(decode(&x, SIZE_MAX), VK_SIGV4_NO_DECODED_LENGTH);
}

static void vectors_hold(void **state)
{
    VK_UNUSED(state);
    json_t *all = load("sigv4-vectors.json"), *v;
    size_t i, done = 0;
    json_array_foreach(json_object_get(all, "vectors"), i, v)
    {
        if (!json_object_get(v, "decoded_body"))
            continue;
        print_message("# %s\n", text_of(v, "name"));
        body b = of_vector(all, v);
        whole_and_in_pieces(&b, text_of(v, "decoded_body"));
        if (b.trailer[0])
            assert_true(vk_str_eqz(vk_awschunked_trailer(&d, VK_STR("X-Amz-Checksum-CRC32")), "DUoRhQ=="));
        assert_null(vk_awschunked_trailer(&d, VK_STR("x-other")).p);
        no_prefix_is_a_body(&b);
        the_length_is_exact(&b);
        if (b.grant.payload != VK_SIGV4_STREAM_UNSIGNED_TRAILER)
            no_bit_may_change(&b);
        done++;
    }
    assert_int_equal(done, 4);
    json_decref(all);
}

static void what_clients_sent_is_decoded(void **state)
{
    VK_UNUSED(state);
    json_t *all = load("captured-requests.json"), *v;
    size_t i, done = 0;
    json_array_foreach(json_object_get(all, "requests"), i, v)
    {
        if (strncmp(header(v, "x-amz-content-sha256"), "STREAMING", 9) != 0 &&
            strncmp(header(v, "X-Amz-Content-SHA256"), "STREAMING", 9) != 0)
            continue;
        const json_t *text = json_object_get(v, "body");
        if (!text) /* shown by head and tail only */
            continue;
        bool lower = header(v, "x-amz-content-sha256")[0] != 0;
        body b = {
            .decoded = strtoll(
                header(v, lower ? "x-amz-decoded-content-length" : "X-Amz-Decoded-Content-Length"), NULL, 10),
            .trailer = header(v, lower ? "x-amz-trailer" : "X-Amz-Trailer"),
            .bytes = vk_str_z(json_string_value(text))};
        b.grant.payload = VK_SIGV4_STREAM_UNSIGNED_TRAILER;
        whole_and_in_pieces(&b, NULL);
        assert_true(vk_awschunked_trailer(&d, vk_str_z(b.trailer)).n == 8);
        no_prefix_is_a_body(&b);
        done++;
    }
    assert_true(done >= 4);
    json_decref(all);
}

/* "Example calculations" of the S3 API reference: 65 KiB of `a` in two chunks. The key pair is the
 * documentation's, in pieces, so that no scanner takes it for one. */
static void awss_chain_holds(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_sigv4_payload form;
        const char *seed, *chunks[3], *trailer;
    } cases[] = {
        {VK_SIGV4_STREAM_SIGNED,
         "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
         {"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
          "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
          "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
         ""},
        {VK_SIGV4_STREAM_SIGNED_TRAILER,
         "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
         {"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
          "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
          "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
         "x-amz-checksum-crc32c:sOO8/Q==\r\n"
         "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"},
    };
    static char text[70000];
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        size_t n = (size_t)snprintf(text, sizeof text, "10000;chunk-signature=%s\r\n", cases[i].chunks[0]);
        memset(text + n, 'a', 65536);
        n += 65536;
        n +=
            (size_t)snprintf(text + n, sizeof text - n, "\r\n400;chunk-signature=%s\r\n", cases[i].chunks[1]);
        memset(text + n, 'a', 1024);
        n += 1024;
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n0;chunk-signature=%s\r\n%s\r\n",
                              cases[i].chunks[2], cases[i].trailer);
        body b = {.decoded = 66560, .trailer = i ? "x-amz-checksum-crc32c" : "", .bytes = {text, n}};
        b.grant.payload = cases[i].form;
        chain(&b.grant,
              "wJalrXUtnFEMI/K7MDENG"
              "/bPxRfiCYEXAMPLEKEY",
              "20130524T000000Z", "us-east-1", cases[i].seed);
        for (size_t piece = 997; piece < 70000; piece += 9973) {
            assert_int_equal(decode(&b, piece), VK_SIGV4_OK);
            assert_int_equal(out_n, 66560);
        }
        text[40000] = 'b';
        assert_int_equal(decode(&b, 1000), VK_SIGV4_CHUNK_SIGNATURE);
        assert_true(out_n < 65536);
    }
}

/* ---- the grammar ---- */

static vk_sigv4_fail unsigned_body(const char *text, size_t n, int64_t decoded, const char *trailer)
{
    body b = {.decoded = decoded, .trailer = trailer, .bytes = {text, n}};
    b.grant.payload = VK_SIGV4_STREAM_UNSIGNED_TRAILER;
    vk_sigv4_fail whole = decode(&b, SIZE_MAX), bytewise = decode(&b, 1);
    assert_int_equal(whole, bytewise);
    return whole;
}

static void the_grammar_is_strict(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int64_t decoded;
        const char *trailer;
        vk_sigv4_fail want;
    } cases[] = {
        {"0\r\n\r\n", 0, "", VK_SIGV4_OK},
        {"0000000000000003\r\nabc\r\n00\r\n\r\n", 3, "", VK_SIGV4_OK},
        {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 20, "", VK_SIGV4_OK},
        {"3\r\nabc\r\n0\r\na:b\r\n\r\n", 3, "a", VK_SIGV4_OK},
        {"3\r\nabc\r\n0\r\nA: b \r\n\r\n", 3, " a ", VK_SIGV4_OK},
        {"3\r\nabc\r\n0\r\nb:2\r\na:1\r\n\r\n", 3, "a,b", VK_SIGV4_OK},
        {"3\r\nabc\r\n0\r\na:b\n\r\n\r\n", 3, "a", VK_SIGV4_OK}, /* minio-go */
        {"3\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nabc\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nabc\r\n0\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nabcd\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nab\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"-1\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"+3\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"0x3\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {" 3\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3 \r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"g\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"00000000000000003\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3;a=b\r\nabc\r\n0\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3;chunk-signature="
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\nabc\r\n0\r\n\r\n",
         3, "", VK_SIGV4_CHUNK},
        {"ffffffffffffffff\r\nabc", 3, "", VK_SIGV4_BODY_LENGTH},
        {"4\r\nabcd\r\n0\r\n\r\n", 3, "", VK_SIGV4_BODY_LENGTH},
        {"0\r\n\r\n", 3, "", VK_SIGV4_BODY_LENGTH},
        {"3\r\nabc\r\n0\r\n", 3, "", VK_SIGV4_BODY_LENGTH},
        {"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 3, "", VK_SIGV4_BODY_LENGTH},
        {"3\r\nabc\r\n0\r\n\r\n\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 3, "", VK_SIGV4_CHUNK},
        {"3\r\nabc\r\n0\r\na:b\r\n\r\n", 3, "", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\nc:b\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:1\r\n\r\n", 3, "a,b", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:b\r\na:b\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na :b\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:b\x01\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:b\rc\r\n\r\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:b\n\n", 3, "a", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\na:b\nb:c\r\n\r\n", 3, "a,b", VK_SIGV4_TRAILER},
        {"3\r\nabc\r\n0\r\nx-amz-trailer-signature:"
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n\r\n",
         3, "", VK_SIGV4_TRAILER},
        {"0\r\n\r\n", 0, "x-amz-trailer-signature", VK_SIGV4_TRAILER},
        {"0\r\n\r\n", 0, "a,", VK_SIGV4_TRAILER},
        {"0\r\n\r\n", 0, "a,A", VK_SIGV4_TRAILER},
        {"0\r\n\r\n", 0, "a b", VK_SIGV4_TRAILER},
        {"0\r\n\r\n", 0, "a,b,c,d,e", VK_SIGV4_TRAILER},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_sigv4_fail got =
            unsigned_body(cases[i].text, strlen(cases[i].text), cases[i].decoded, cases[i].trailer);
        if (got != cases[i].want)
            fail_msg("case %zu (%s): %d instead of %d", i, cases[i].text, got, cases[i].want);
    }
}

static void lines_are_bounded(void **state)
{
    VK_UNUSED(state);
    static char text[1 << 16];
    memset(text, 'a', sizeof text);
    memcpy(text, "3;", 2);
    assert_int_equal(unsigned_body(text, sizeof text, 3, ""), VK_SIGV4_CHUNK);
    memset(text, '0', sizeof text);
    assert_int_equal(unsigned_body(text, sizeof text, 3, ""), VK_SIGV4_CHUNK);
    memset(text, 'a', sizeof text);
    memcpy(text, "0\r\na:", 5);
    assert_int_equal(unsigned_body(text, sizeof text, 0, "a"), VK_SIGV4_TRAILER);
    memcpy(text + 5 + VK_AWSCHUNK_VALUE_MAX, "\r\n\r\n", 5);
    assert_int_equal(unsigned_body(text, strlen(text), 0, "a"), VK_SIGV4_OK);
    memset(text + 5, 'a', VK_AWSCHUNK_VALUE_MAX + 8);
    memcpy(text + 6 + VK_AWSCHUNK_VALUE_MAX, "\r\n\r\n", 5);
    assert_int_equal(unsigned_body(text, strlen(text), 0, "a"), VK_SIGV4_TRAILER);
    memset(text, 'n', VK_AWSCHUNK_NAMES_MAX + 1);
    text[VK_AWSCHUNK_NAMES_MAX + 1] = 0;
    assert_int_equal(unsigned_body("0\r\n\r\n", 5, 0, text), VK_SIGV4_TRAILER);
}

/* A signed body of three pieces, with `a` and `b` exchanged, left out, or without what they need. */
static void the_chain_has_an_order(void **state)
{
    VK_UNUSED(state);
    json_t *all = load("sigv4-vectors.json"), *v;
    size_t i;
    json_array_foreach(json_object_get(all, "vectors"), i, v)
    {
        if (strcmp(text_of(v, "name"), "streaming-signed-trailer") != 0)
            continue;
        body b = of_vector(all, v);
        char text[2048];
        const char *first = text_of(v, "body"), *second = strstr(first, "\r\n5;") + 2,
                   *last = strstr(first, "\r\n0;") + 2;
        const char *trailer = strstr(last, "x-amz-checksum"), *signature = strstr(last, "x-amz-trailer-sig");
        snprintf(text, sizeof text, "%.*s%.*s%s", (int)(last - second), second, (int)(second - first), first,
                 last);
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_CHUNK_SIGNATURE);
        assert_true(out_n <= 5);
        snprintf(text, sizeof text, "%.*s%s", (int)(second - first), first, last);
        b.decoded = 6; /* a chunk is missing, and the length is made to fit */
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_CHUNK_SIGNATURE);
        b.decoded = 11;
        snprintf(text, sizeof text, "%.*s0\r\n%s", (int)(last - first), first, trailer);
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_CHUNK); /* the last chunk without its signature */
        snprintf(text, sizeof text, "%.*s\r\n", (int)(signature - first), first);
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_TRAILER); /* the trailer without its own */
        snprintf(text, sizeof text, "%.*s%s", (int)(trailer - first), first, signature);
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_TRAILER); /* nothing but that */
        snprintf(text, sizeof text, "%.*s%.*s\n\r\n%s", (int)(trailer - first), first,
                 (int)(signature - trailer - 2), trailer, signature);
        b.bytes = vk_str_z(text);
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_OK); /* minio-go */
        b.bytes = vk_str_z(first);
        b.grant.chain.signature[0] ^= 1; /* of another request */
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_CHUNK_SIGNATURE);
        assert_true(out_n <= 6);
        b.grant.chain.signature[0] ^= 1;
        b.grant.payload = VK_SIGV4_STREAM_SIGNED; /* a trailer that the form does not have */
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_TRAILER);
        b.trailer = "";
        assert_int_equal(decode(&b, SIZE_MAX), VK_SIGV4_CHUNK);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),      cmocka_unit_test(what_clients_sent_is_decoded),
        cmocka_unit_test(awss_chain_holds),  cmocka_unit_test(the_grammar_is_strict),
        cmocka_unit_test(lines_are_bounded), cmocka_unit_test(the_chain_has_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
