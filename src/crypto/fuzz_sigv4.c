/* Requests of any bytes before the verifier. The first byte says how: as they are (nothing the fuzzer makes
 * may ever be let through), or signed by us in header or query form, as far as they can be signed (then the
 * signature must be right, and one bit less of it wrong). Lines: method, path, query, SignedHeaders, then a
 * header each. */
#include "core/encode.h"
#include "crypto/sigv4.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

#define SECRET "correct-horse-battery-staple"
#define DAY "20261123"
#define STAMP DAY "T181515Z"

enum { AS_IT_IS, HEADER, QUERY, MODES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_sigv4_cache *cache;

static void lookup(void *arg, vk_str id, vk_sigv4_key *key_r)
{
    CHECK(id.n > 0 && id.n <= VK_SIGV4_ID_MAX && !memchr(id.p, '/', id.n));
    if (vk_str_eqz(id, "id"))
        *key_r = (vk_sigv4_key){
            .state = VK_SIGV4_KEY_GOOD, .secret = vk_secret_of(VK_STR(SECRET)), .identity = arg};
}

static vk_sigv4_fail verify(const vk_sigv4_request *r, vk_arena *a, vk_sigv4_trace *t, bool cached)
{
    vk_sigv4_grant g;
    const vk_sigv4_setup s = {.lookup = lookup, .arg = &cache, .cache = cached ? cache : NULL};
    vk_sigv4_fail fail = vk_sigv4_verify(&s, r, a, &g, t);
    CHECK(fail >= VK_SIGV4_OK && fail < VK_SIGV4_FAILS);
    CHECK(fail == VK_SIGV4_OK ? g.identity == &cache : g.identity == NULL);
    if (fail)
        CHECK(vk_sigv4_error_of(fail, t->form).status >= 400);
    return fail;
}

static vk_str line(vk_str *rest)
{
    vk_str one;
    if (!vk_str_cut(rest, '\n', &one)) {
        one = *rest;
        *rest = VK_STR_NONE;
    }
    return one;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!cache)
        cache = vk_sigv4_cache_new(4);
    vk_arena *a = vk_arena_new(data[0] & 0x80 ? 8192 : 1 << 20);
    CHECK(cache && a);
    int mode = (data[0] & 0x7f) % MODES;
    vk_str rest = {(const char *)data + 1, size - 1};
    vk_sigv4_pair headers[VK_SIGV4_HEADERS_MAX + 8];
    vk_sigv4_request r = {.headers = headers, .now_ms = INT64_C(1795457715000)};
    r.method = line(&rest);
    r.path = line(&rest);
    r.query = line(&rest);
    vk_str list = line(&rest);
    while (rest.n && r.n_headers < VK_SIGV4_HEADERS_MAX + 2) {
        vk_str value = line(&rest), name;
        if (!vk_str_cut(&value, ':', &name))
            name = value, value = VK_STR_NONE;
        if (name.n)
            headers[r.n_headers++] = (vk_sigv4_pair){name, value};
    }
    vk_sigv4_trace t, again;
    char *text = malloc(size + 1024), hex[2 * VK_SHA256 + 1];
    CHECK(text);
    vk_str *signature = NULL;
    int n = 0;
    if (mode == HEADER) {
        n = snprintf(text, size + 1024,
                     "AWS4-HMAC-SHA256 Credential=id/" DAY
                     "/auto/s3/aws4_request, SignedHeaders=%.*s, Signature=%064d",
                     (int)list.n, list.p, 0);
        headers[r.n_headers++] = (vk_sigv4_pair){VK_STR("Authorization"), {text, (size_t)n}};
        headers[r.n_headers++] = (vk_sigv4_pair){VK_STR("X-Amz-Date"), VK_STR(STAMP)};
        signature = &headers[r.n_headers - 2].value;
    } else if (mode == QUERY) {
        n = snprintf(text, size + 1024,
                     "%.*s&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=id/" DAY "/auto/s3/aws4_request"
                     "&X-Amz-Date=" STAMP "&X-Amz-Expires=60&X-Amz-SignedHeaders=%.*s&X-Amz-Signature=%064d",
                     (int)r.query.n, r.query.p, (int)list.n, list.p, 0);
        r.query = (vk_str){text, (size_t)n};
        signature = &r.query;
    }
    vk_sigv4_fail fail = verify(&r, a, &t, true);
    CHECK(fail != VK_SIGV4_OK);
    CHECK(vk_arena_used(a) <= 8 * (size + 512) + 4096);
    /* Text with a NUL ends the printing above: what was signed is then not the whole input, which is fine. */
    if (signature && fail == VK_SIGV4_SIGNATURE && memcmp(text + n - 64, "0000", 4) == 0) {
        vk_hmac256_key key;
        uint8_t raw[VK_SHA256];
        vk_sigv4_derive(vk_secret_of(VK_STR(SECRET)), VK_STR(DAY), VK_STR("auto"), VK_STR("s3"), &key);
        vk_hmac256(&key, t.string_to_sign, raw);
        vk_hex(hex, raw, sizeof raw);
        memcpy(text + n - 64, hex, 64);
        fail = verify(&r, a, &again, data[0] & 0x40);
        CHECK(fail != VK_SIGV4_SIGNATURE);
        if (fail != VK_SIGV4_NO_MEMORY) {
            CHECK(vk_str_eq(t.canonical_request, again.canonical_request));
            text[n - 1] = text[n - 1] == '0' ? '1' : '0';
            fail = verify(&r, a, &again, true);
            CHECK(fail == VK_SIGV4_SIGNATURE || fail == VK_SIGV4_NO_MEMORY);
        }
    }
    free(text);
    vk_arena_free(a);
    return 0;
}
