/* Any bytes as a digest of each kind: what is found good has at most the work that the limits allow, and its
 * check ends with an answer. Only cheap ones are computed. */
#include "crypto/password.h"

#include "crypto/digest.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A second, looser reading: the number behind `name`. */
static unsigned long long after(vk_str s, const char *name)
{
    char text[VK_PASSWORD_DIGEST_MAX + 1];
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    const char *at = strstr(text, name);
    CHECK(at);
    return strtoull(at + strlen(name), NULL, 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        CHECK(vk_digest_init() == VK_OK);
    ready = true;
    if (size < 1)
        return 0;
    vk_password_kind kind = (vk_password_kind)(data[0] % VK_PASSWORD_KINDS);
    vk_str text = {(const char *)data + 1, size - 1};
    vk_secret digest = vk_secret_of(text), password = vk_secret_of(VK_STR("correct horse"));
    vk_err e = vk_password_digest_check(kind, digest);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_TOO_LARGE);
    if (e != VK_OK) {
        CHECK(vk_password_verify(kind, digest, password) == e);
        CHECK(vk_password_is_outdated(kind, digest));
        return 0;
    }
    unsigned long long m = 0, t = 0, rounds = 0;
    if (kind <= VK_PASSWORD_ARGON2I) {
        m = after(text, "$m=");
        t = after(text, ",t=");
        CHECK(m <= VK_PASSWORD_M_MAX && m * t <= VK_PASSWORD_WORK_MAX);
    } else if (kind == VK_PASSWORD_BCRYPT) {
        rounds = 1ull << after((vk_str){text.p + 3, text.n - 3}, "$");
        CHECK(rounds <= 1ull << VK_PASSWORD_BCRYPT_MAX);
    } else {
        rounds = after(text, "$");
        CHECK(rounds <= VK_PASSWORD_PBKDF2_MAX);
    }
    if (m * t <= 256 && rounds <= 64) {
        e = vk_password_verify(kind, digest, password);
        CHECK(e == VK_OK || e == VK_E_UNAUTHORIZED || (kind == VK_PASSWORD_BCRYPT && e == VK_E_INVALID));
    }
    return 0;
}
