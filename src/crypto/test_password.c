/* Passwords. The digests were made by others: argon2 by hash-wasm 4, bcrypt by bcryptjs 3, PBKDF2 by Python's
 * hashlib. */
#include "crypto/password.h"

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define S(lit) vk_secret_of(VK_STR(lit))

static vk_secret z(const char *text)
{
    return vk_secret_of(vk_str_z(text));
}

static const struct {
    vk_password_kind kind;
    const char *digest, *password;
    bool outdated;
} theirs[] = {
    {VK_PASSWORD_ARGON2ID,
     "$argon2id$v=19$m=19456,t=2,p=1$AQgPFh0kKzI5QEdOVVxjag$tO2prMuT+y72cZXePb7M1VG9hFsHVsW0aO+6KWwoRZo",
     "correct horse", false},
    {VK_PASSWORD_ARGON2ID,
     "$argon2id$v=19$m=65536,t=3,p=4$AQgPFh0kKzI5QEdOVVxjag$ikslq+QVSTfntm4qy8JdW+fCRl/xoNxwwgIKNQ6C3/M",
     "correct horse", false},
    {VK_PASSWORD_ARGON2ID, "$argon2id$v=19$m=32,t=1,p=4$AQgPFh0kKzI$vh0AmXWAUvEThSvwMb47yQ", "correct horse",
     true},
    {VK_PASSWORD_ARGON2I,
     "$argon2i$v=19$m=64,t=3,p=2$AQgPFh0kKzI5QEdOVVxjag$09OT1ZnKx0ZZoEBCSIyTt8a3E4cz70oq", "correct horse",
     true},
    {VK_PASSWORD_ARGON2I,
     "$argon2i$v=19$m=64,t=1,p=1$AQgPFh0kKzI5QEdOVVxjag$No0Uwzfoq/UNG5T+4whiRNe3Guy5aCDOjjw0IQFHRQk",
     "correct horse", true},
    {VK_PASSWORD_BCRYPT, "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse",
     true},
    {VK_PASSWORD_BCRYPT, "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse",
     true},
    {VK_PASSWORD_BCRYPT, "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "correct horse",
     true},
    {VK_PASSWORD_BCRYPT, "$2b$04$abcdefghijklmnopqrstuurg9D0m2lGm03fVJLHMxpdeQPImOOsBm",
     "p\xc3\xa4ssw\xc3\xb6rd\xe2\x98\x83", true},
    {VK_PASSWORD_PBKDF2_SHA256,
     "pbkdf2_sha256$1000$c2FsdHNhbHQxMjM0NTY3OA==$4k505osG8KMN4wotSosGJPlhKDtLiyB61aw4ZQGUPTA=",
     "correct horse", true},
    {VK_PASSWORD_PBKDF2_SHA256, /* without padding */
     "pbkdf2_sha256$1000$c2FsdHNhbHQxMjM0NTY3OA$4k505osG8KMN4wotSosGJPlhKDtLiyB61aw4ZQGUPTA", "correct horse",
     true},
    {VK_PASSWORD_PBKDF2_SHA256_DJANGO,
     "pbkdf2_sha256$1000$seasalt4you$MVmHzcBpqXkYyKhgyWpAFEvU80COLCmmm/AOIm5OZ7k=", "correct horse", true},
};

static void those_of_others(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(theirs); i++) {
        vk_secret digest = z(theirs[i].digest), password = z(theirs[i].password);
        assert_int_equal(vk_password_digest_check(theirs[i].kind, digest), VK_OK);
        assert_int_equal(vk_password_verify(theirs[i].kind, digest, password), VK_OK);
        assert_int_equal(vk_password_verify(theirs[i].kind, digest, S("correct horsf")), VK_E_UNAUTHORIZED);
        assert_int_equal(vk_password_verify(theirs[i].kind, digest, S("")), VK_E_UNAUTHORIZED);
        assert_int_equal(vk_password_verify(theirs[i].kind, digest, VK_SECRET_NONE), VK_E_UNAUTHORIZED);
        assert_int_equal(vk_password_verify(theirs[i].kind, digest, S("correct horse\0")), VK_E_UNAUTHORIZED);
        assert_int_equal(vk_password_is_outdated(theirs[i].kind, digest), theirs[i].outdated);
        for (int k = 0; k < VK_PASSWORD_KINDS; k++) { /* a digest is of no other kind */
            bool both = k >= VK_PASSWORD_PBKDF2_SHA256 && theirs[i].kind >= VK_PASSWORD_PBKDF2_SHA256;
            if (k != (int)theirs[i].kind && !both)
                assert_int_equal(vk_password_digest_check((vk_password_kind)k, digest), VK_E_INVALID);
        }
    }
}

static void each_character_of_a_digest_counts(void **state)
{
    VK_UNUSED(state);
    static const size_t which[] = {2, 4, 6, 9, 11};
    for (size_t w = 0; w < VK_COUNT(which); w++) {
        char text[256];
        size_t n = strlen(theirs[which[w]].digest);
        for (size_t i = 0; i < n; i++) {
            memcpy(text, theirs[which[w]].digest, n);
            text[i] = text[i] == 'B' ? 'R' : 'B';
            vk_err e = vk_password_verify(theirs[which[w]].kind, vk_secret_of((vk_str){text, n}),
                                          z(theirs[which[w]].password));
            /* The last character of 16 bytes of salt in bcrypt's base64 has four bits that do not count. */
            bool spare = theirs[which[w]].kind == VK_PASSWORD_BCRYPT && (i == 28 || i == 59);
            if (!spare && e == VK_OK)
                fail_msg("with character %zu changed, %s is taken", i, theirs[which[w]].digest);
        }
        if (theirs[which[w]].digest[n - 1] == '=')
            n--;                       /* padding may be left out */
        for (size_t i = 0; i < n; i++) /* cut off */
            assert_int_not_equal(vk_password_verify(theirs[which[w]].kind,
                                                    vk_secret_of((vk_str){theirs[which[w]].digest, i}),
                                                    z(theirs[which[w]].password)),
                                 VK_OK);
    }
}

static void bcrypt_sees_72_bytes(void **state)
{
    VK_UNUSED(state);
    vk_secret digest = S("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"); /* of 80 times x */
    char text[600];
    memset(text, 'x', sizeof text);
    assert_int_equal(vk_password_verify(VK_PASSWORD_BCRYPT, digest, vk_secret_of((vk_str){text, 80})), VK_OK);
    assert_int_equal(vk_password_verify(VK_PASSWORD_BCRYPT, digest, vk_secret_of((vk_str){text, 72})), VK_OK);
    assert_int_equal(vk_password_verify(VK_PASSWORD_BCRYPT, digest, vk_secret_of((vk_str){text, 600})),
                     VK_OK);
    assert_int_equal(vk_password_verify(VK_PASSWORD_BCRYPT, digest, vk_secret_of((vk_str){text, 71})),
                     VK_E_UNAUTHORIZED);
}

static void ours(void **state)
{
    VK_UNUSED(state);
    char a[VK_PASSWORD_DIGEST_MAX + 1], b[VK_PASSWORD_DIGEST_MAX + 1];
    assert_int_equal(vk_password_hash(S("correct horse"), a), VK_OK);
    assert_int_equal(vk_password_hash(S("correct horse"), b), VK_OK);
    assert_string_not_equal(a, b);
    assert_memory_equal(a, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_int_equal(strlen(a), 31 + 22 + 1 + 43);
    assert_int_equal(vk_password_verify(VK_PASSWORD_ARGON2ID, z(a), S("correct horse")), VK_OK);
    assert_int_equal(vk_password_verify(VK_PASSWORD_ARGON2ID, z(a), S("correct hors")), VK_E_UNAUTHORIZED);
    assert_false(vk_password_is_outdated(VK_PASSWORD_ARGON2ID, z(a)));
    assert_int_equal(vk_password_hash(S("short"), a), VK_E_INVALID);
    assert_int_equal(vk_password_hash(S("null\0null"), a), VK_E_INVALID);
}

static void what_may_be_chosen(void **state)
{
    VK_UNUSED(state);
    char text[80];
    memset(text, 'x', sizeof text);
    assert_int_equal(vk_password_judge(VK_SECRET_NONE), VK_PASSWORD_TOO_SHORT);
    assert_int_equal(vk_password_judge(S("1234567")), VK_PASSWORD_TOO_SHORT);
    assert_int_equal(vk_password_judge(S("12345678")), VK_PASSWORD_GOOD);
    /* characters, not bytes */
    assert_int_equal(vk_password_judge(S("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4")), VK_PASSWORD_TOO_SHORT);
    assert_int_equal(vk_password_judge(S("\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4"
                                         "\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4")),
                     VK_PASSWORD_GOOD);
    assert_int_equal(vk_password_judge(vk_secret_of((vk_str){text, 72})), VK_PASSWORD_GOOD);
    assert_int_equal(vk_password_judge(vk_secret_of((vk_str){text, 73})), VK_PASSWORD_TOO_LONG);
    assert_int_equal(vk_password_judge(S("1234567\xff")), VK_PASSWORD_NO_TEXT);
    assert_int_equal(vk_password_judge(S("1234567\xc3")), VK_PASSWORD_NO_TEXT);
    assert_int_equal(vk_password_judge(S("1234567\0")), VK_PASSWORD_NO_TEXT);
}

static void names_of_kinds(void **state)
{
    VK_UNUSED(state);
    vk_password_kind kind;
    for (int k = 0; k < VK_PASSWORD_KINDS; k++) {
        assert_true(vk_password_kind_of(vk_str_z(vk_password_kind_name((vk_password_kind)k)), &kind));
        assert_int_equal(kind, k);
    }
    assert_false(vk_password_kind_of(VK_STR("md5"), &kind));
    assert_false(vk_password_kind_of(VK_STR("Bcrypt"), &kind));
    assert_false(vk_password_kind_of(VK_STR(""), &kind));
}

static void what_is_refused_before_anything_is_computed(void **state)
{
    VK_UNUSED(state);
#define TAIL "$AQgPFh0kKzI5QEdOVVxjag$tO2prMuT+y72cZXePb7M1VG9hFsHVsW0aO+6KWwoRZo"
#define BC "abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
#define PB "$c2FsdHNhbHQxMjM0NTY3OA==$4k505osG8KMN4wotSosGJPlhKDtLiyB61aw4ZQGUPTA="
    static const struct {
        vk_password_kind kind;
        vk_str digest;
        vk_err e;
    } cases[] = {
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=65536,t=4,p=16" TAIL), VK_OK},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=65537,t=1,p=1" TAIL), VK_E_TOO_LARGE},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=65536,t=5,p=1" TAIL), VK_E_TOO_LARGE},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=4294967295,t=4294967295,p=1" TAIL), VK_E_TOO_LARGE},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=65536,t=1,p=17" TAIL), VK_E_TOO_LARGE},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=4294967296,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=99999999999999999999,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=7,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=16,t=1,p=4" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=0,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=0" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=064,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=+64,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=16$m=64,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$m=64,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2d$v=19$m=64,t=1,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$t=1,m=64,p=1" TAIL), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=1" TAIL "="), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=1" TAIL "$"), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=1" TAIL "\0"), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=1$$AAAA"), VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR("$argon2id$v=19$m=64,t=1,p=1$AQgPFh0kKzI5QEdOVVxjag$AAAA"),
         VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID,
         VK_STR("$argon2id$v=19$m=64,t=1,p=1$AQgPFh0kKzI5QEdOVVxj\xb8g$AAAAAAAAAAAAAAAAAAAAAA"),
         VK_E_INVALID},
        {VK_PASSWORD_ARGON2ID, VK_STR(""), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$13$" BC), VK_OK},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$14$" BC), VK_E_TOO_LARGE},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$31$" BC), VK_E_TOO_LARGE},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$32$" BC), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$03$" BC), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2x$04$" BC), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2$04$0" BC), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$04$" BC "e"), VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$6$rounds=5000$abcdefgh$0123456789012345678901234567890123"),
         VK_E_INVALID},
        {VK_PASSWORD_BCRYPT, VK_STR("$2b$04$abcdefghijklmnopqrst:ujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"),
         VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$1500000" PB), VK_OK},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$1500001" PB), VK_E_TOO_LARGE},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$0" PB), VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$-1" PB), VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha512$1000" PB), VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$1000$$AAAA"), VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256, VK_STR("pbkdf2_sha256$1000$c2FsdA==$AAAA"), VK_E_INVALID},
        {VK_PASSWORD_PBKDF2_SHA256_DJANGO,
         VK_STR("pbkdf2_sha256$1000$$4k505osG8KMN4wotSosGJPlhKDtLiyB61aw4ZQGUPTA="), VK_E_INVALID},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_secret digest = vk_secret_of(cases[i].digest);
        if (vk_password_digest_check(cases[i].kind, digest) != cases[i].e)
            fail_msg("case %zu: %s", i, vk_err_name(vk_password_digest_check(cases[i].kind, digest)));
        if (cases[i].e != VK_OK)
            assert_int_equal(vk_password_verify(cases[i].kind, digest, S("correct horse")), cases[i].e);
    }
    char text[VK_PASSWORD_DIGEST_MAX + 2];
    memset(text, 'x', sizeof text);
    for (int k = 0; k < VK_PASSWORD_KINDS; k++)
        assert_int_equal(
            vk_password_digest_check((vk_password_kind)k, vk_secret_of((vk_str){text, sizeof text})),
            VK_E_INVALID);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_others),
        cmocka_unit_test(each_character_of_a_digest_counts),
        cmocka_unit_test(bcrypt_sees_72_bytes),
        cmocka_unit_test(ours),
        cmocka_unit_test(what_may_be_chosen),
        cmocka_unit_test(names_of_kinds),
        cmocka_unit_test(what_is_refused_before_anything_is_computed),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
