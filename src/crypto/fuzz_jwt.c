/* Any bytes as a token: what is taken has exactly three parts of strict base64url and an unambiguous RS256
 * header, and no made-up one verifies. And any header and claims in well-formed base64url. */
#include "crypto/jwt.h"

#include "core/encode.h"
#include "crypto/digest.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_rsa *key;

static void one(vk_str token, bool is_signed)
{
    vk_arena *a = vk_arena_new(4 << 20);
    const char *why = NULL;
    vk_jwt t;
    CHECK(a);
    vk_err e = vk_jwt_parse(a, vk_secret_of(token), &t, &why);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_TOO_LARGE || e == VK_E_NOMEM);
    CHECK((e == VK_OK) == (why == NULL));
    if (e == VK_OK) {
        size_t dots = 0;
        for (size_t i = 0; i < token.n; i++)
            dots += token.p[i] == '.';
        CHECK(dots == 2 && token.n <= VK_JWT_MAX && t.signature.n == VK_RSA_BYTES);
        CHECK(t.claims->type == VK_JSON_OBJECT && t.kid.n <= VK_JWT_KID_MAX);
        CHECK((vk_jwt_verify(&t, key) == VK_OK) == is_signed);
        (void)!vk_jwt_times(&t, 1000);
        /* Its parts, encoded again, are its text: there is no second text for it. */
        vk_buf b;
        vk_buf_init(&b, VK_JWT_MAX);
        vk_base64url(&b, t.signature.p, t.signature.n);
        CHECK(t.signed_part.n + 1 + b.n == token.n);
        CHECK(memcmp(token.p + t.signed_part.n + 1, b.p, b.n) == 0);
        vk_buf_free(&b);
    }
    vk_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!key)
        CHECK(vk_digest_init() == VK_OK && vk_rsa_new(&key) == VK_OK);
    if (size == 0)
        return 0;
    vk_str all = {(const char *)data + 1, size - 1}, header, claims = all;
    if (data[0] % 4 || !vk_str_cut(&claims, '\n', &header)) {
        one(all, false);
        return 0;
    }
    uint8_t signature[VK_RSA_BYTES] = {1};
    vk_buf b;
    vk_buf_init(&b, 4 * VK_JWT_MAX);
    vk_base64url(&b, header.p, header.n);
    vk_buf_ch(&b, '.');
    vk_base64url(&b, claims.p, claims.n);
    bool sign = data[0] == 0;
    if (sign)
        CHECK(vk_rsa_sign(key, vk_buf_view(&b), signature) == VK_OK);
    vk_buf_ch(&b, '.');
    vk_base64url(&b, signature, sizeof signature);
    CHECK(b.err == VK_OK);
    one(vk_buf_view(&b), sign);
    vk_buf_free(&b);
    return 0;
}
