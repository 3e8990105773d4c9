/* The bytes of the audit log, and that nobody changes one of them unnoticed. */
#include "keeper/test_audit.h"

#include "core/encode.h"

/* ---- bytes */

static void record_bytes(void **state)
{
    vk_buf b;
    vk_audit_record back;
    uint8_t sum[VK_SHA256];
    char hex[65];
    VK_UNUSED(state);
    vk_audit_record r = {.seq = 7,
                         .time_ns = 1764400000123456789,
                         .epoch = 2,
                         .kind = VK_AUDIT_INTENT,
                         .build = VK_STR("shop"),
                         .service = VK_STR("payments"),
                         .actor = VK_STR("key s 3fa90c11"),
                         .op = VK_STR("customers.create"),
                         .host = VK_STR("api.stripe.com"),
                         .key_ref = {1, 2, 3, 4, 5, 6, 7, 8},
                         .rec_version = 3,
                         .trace = VK_STR("t1")};
    vk_buf_init(&b, VK_AR_MAX);
    vk_audit_encode(&r, &b);
    static const char front[] =
        "\0\x08\0\0\0\0\0\0\0\7\0\x08\x18\x7c\x68\x73\xb1\x0e\xcd\x15\0\x08\0\0\0\0\0\0\0\2\0"
        "\1\1\0\x08\0\0\0\0\0\0\0\0\0\0\0\4shop\0\x08payments";
    assert_memory_equal(b.p, front, sizeof front - 1);
    vk_sha256(vk_buf_view(&b), sum);
    vk_hex(hex, sum, sizeof sum);
    assert_string_equal(
        hex,
        "50944cfa17e33aaecfb3c6383487c3e693281c2d7d665395d329b7d874d766e9"); /* as docs/SECURITY.md writes it,
                                                                                computed by other means */
    assert_int_equal(vk_audit_decode(vk_buf_view(&b), &back), VK_OK);
    assert_true(vk_str_eq(back.op, r.op) && back.seq == 7 && back.time_ns == r.time_ns &&
                back.rec_version == 3);
    for (size_t n = 0; n < b.n; n++) /* no shorter one is one */
        assert_int_equal(vk_audit_decode((vk_str){b.p, n}, &back), VK_E_CORRUPT);
    vk_buf_ch(&b, 0);
    assert_int_equal(vk_audit_decode(vk_buf_view(&b), &back), VK_E_CORRUPT);
    vk_buf_free(&b);
}

static void checkpoint_bytes(void **state)
{
    uint8_t seed_of[32] = {1}, public_key[32], secret[64];
    char line[VK_AR_LINE];
    VK_UNUSED(state);
    crypto_sign_seed_keypair(public_key, secret, seed_of);
    vk_audit_checkpoint c = {.epoch = 3, .seq = 99, .time_ns = 5}, back;
    memcpy(c.sign, public_key, 32);
    vk_audit_checkpoint_sign(&c, secret);
    assert_true(vk_audit_checkpoint_ok(&c));
    vk_audit_checkpoint_line(&c, line);
    assert_int_equal(vk_audit_checkpoint_parse(vk_str_z(line), &back), VK_OK);
    assert_memory_equal(&c, &back, sizeof c);
    for (size_t n = 0; n < strlen(line); n++)
        assert_int_equal(vk_audit_checkpoint_parse((vk_str){line, n}, &back), VK_E_INVALID);
    back = c;
    back.seq++;
    assert_false(vk_audit_checkpoint_ok(&back));
    back = c;
    back.epoch++;
    assert_false(vk_audit_checkpoint_ok(&back));
    back = c;
    back.h[0] ^= 1;
    assert_false(vk_audit_checkpoint_ok(&back));
}

static void names(void **state)
{
    char name[VK_AR_NAME];
    VK_UNUSED(state);
    vk_audit_file_name(42, name);
    assert_string_equal(name, "0000000042.log");
    assert_int_equal(vk_audit_file_number(name), 42);
    static const char *const wrong[] = {"",
                                        "epoch",
                                        "42.log",
                                        "0000000042.log.gz",
                                        "00000000420.log",
                                        "000000004x.log",
                                        "0000000000.log",
                                        "9999999999.log"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_audit_file_number(wrong[i]), 0);
}

/* ---- a log that is changed */

static void small_log(logged *l, const uint8_t *auditor)
{
    l->at.auditor = auditor;
    l->at.checkpoints = l->sink;
    begin_log_of(l, true);
    use_and_answer(l);
    assert_int_equal(change(l, "keys.set stripe", "", 2), VK_OK);
    end_log(l);
}

/* The record in which that byte lies; 0: the header. */
static uint64_t record_at(const logged *l, size_t offset)
{
    vk_audit_reader r;
    vk_audit_record x;
    int fd = audit_dir(l);
    uint64_t seq = 0;
    assert_int_equal(vk_audit_reader_open(&r, fd, "0000000001.log", -1), VK_OK);
    while ((size_t)r.offset <= offset && vk_audit_reader_next(&r, &x, NULL) == VK_OK)
        seq = x.seq;
    vk_audit_reader_close(&r);
    close(fd);
    return seq;
}

static void every_byte(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    static uint64_t where[1 << 16];
    small_log(l, NULL);
    check_sound(l);
    path_of(l, 1, path);
    vk_str good = slurp(path);
    assert_true(good.n > 1000 && good.n < VK_COUNT(where));
    for (size_t i = 0; i < good.n; i++)
        where[i] = record_at(l, i);
    char *bad = malloc(good.n);
    assert_non_null(bad);
    for (int bit = 0; bit < 8; bit += 3)
        for (size_t i = 0; i < good.n; i++) {
            memcpy(bad, good.p, good.n);
            bad[i] = (char)(bad[i] ^ (1 << bit));
            spit(path, (vk_str){bad, good.n});
            if (i == 7 && bad[i] > '1' && bad[i] <= '9')
                continue; /* says that it is of a newer program, which is refused as a whole */
            if (check_with(l, VK_STR_NONE, NULL) == 0 || l->wrong_seq != where[i])
                print_error("byte %zu of record %llu:\n%s", i, (unsigned long long)where[i], l->found);
            assert_true(l->check.wrong > 0);
            assert_int_equal(l->wrong_seq, where[i]);
        }
    free(bad);
    drop_str(good);
}

static void dropped_tail(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    small_log(l, NULL);
    path_of(l, 1, path);
    vk_str good = slurp(path), marks = slurp(l->sink);
    /* Cut between two records, which the file alone cannot show. */
    vk_audit_reader r;
    vk_audit_record x;
    int fd = audit_dir(l);
    int64_t ends[16];
    size_t n = 0;
    assert_int_equal(vk_audit_reader_open(&r, fd, "0000000001.log", -1), VK_OK);
    while (vk_audit_reader_next(&r, &x, NULL) == VK_OK)
        ends[n++] = r.offset;
    vk_audit_reader_close(&r);
    close(fd);
    for (size_t i = 0; i < n; i++) {
        spit(path, (vk_str){good.p, (size_t)ends[i]});
        assert_int_equal(check_with(l, VK_STR_NONE, NULL), 0);
        assert_int_equal(check_with(l, marks, NULL), i + 2 < n ? 1 : 0); /* it covers all but itself */
        if (i + 2 < n)
            check_says(l, "newest records are missing");
    }
    drop_str(good);
    drop_str(marks);
}

/* Writes the log anew with one record changed, and all that needs no secret made good. */
static vk_str forge(const logged *l, uint64_t seq, const vk_hmac256_key *mac)
{
    vk_audit_reader r;
    vk_audit_record x;
    vk_audit_frame f;
    vk_buf out, record;
    uint8_t h[VK_SHA256];
    int fd = audit_dir(l);
    vk_buf_init(&out, 1 << 20);
    vk_buf_init(&record, VK_AR_MAX);
    assert_int_equal(vk_audit_reader_open(&r, fd, "0000000001.log", -1), VK_OK);
    vk_audit_header_write(&r.header, &out, h);
    while (vk_audit_reader_next(&r, &x, &f) == VK_OK) {
        if (x.seq == seq)
            x.host = VK_STR("api.stripe.evil");
        vk_buf_clear(&record);
        vk_audit_encode(&x, &record);
        vk_audit_frame_write(vk_buf_view(&record), mac, h, &out);
    }
    vk_audit_reader_close(&r);
    close(fd);
    vk_buf_free(&record);
    return vk_buf_view(&out);
}

static void forged(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    uint8_t pk[32], sk[32];
    vk_hmac256_key no_key;
    crypto_box_keypair(pk, sk);
    vk_hmac256_key_init(&no_key, VK_STR("guessed"));
    small_log(l, pk);
    path_of(l, 1, path);
    vk_str good = slurp(path), marks = slurp(l->sink);
    vk_str bad = forge(l, 3, &no_key);
    spit(path, bad);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "signature of this checkpoint"); /* the chain is good, the checkpoint behind it is not */
    assert_true(check_with(l, marks, NULL) > 0);
    check_says(l, "is another one up to this record");
    assert_true(check_with(l, VK_STR_NONE, sk) >= l->check.records);
    check_says(l, "not written with the key of its epoch");
    drop_str(bad);
    drop_str(good);
    drop_str(marks);
}

/* Another program's key, and checkpoints of another log. */
static void other_keys(void **state)
{
    logged *l = *state;
    uint8_t wrong[32] = {9};
    void *mine;
    small_log(l, NULL);
    vk_str marks = slurp(l->sink);
    int fd = audit_dir(l);
    vk_audit_check c = {.dir_fd = fd, .sign = wrong};
    assert_int_equal(vk_audit_verify(&c), VK_OK);
    assert_true(c.wrong > 0);
    uint8_t right[32];
    memcpy(right, c.signed_by, sizeof right);
    c = (vk_audit_check){.dir_fd = fd, .sign = right};
    assert_int_equal(vk_audit_verify(&c), VK_OK);
    assert_int_equal(c.wrong, 0);
    close(fd);
    assert_true(check_with(l, VK_STR("some text\n# a comment\n\n"), NULL) == 1);
    check_says(l, "1 lines of the given checkpoints are none");
    set_up(&mine);
    logged *other = mine;
    static const uint8_t other_seed[32] = "another one, also made for this";
    other->at.key = other_seed;
    small_log(other, NULL);
    assert_true(check_with(other, marks, NULL) > 0);
    check_says(other, "signed with another key");
    tear_down(&mine);
    drop_str(marks);
}

/* A file put in another's place, and one that is missing in the middle. */
static void exchanged_files(void **state)
{
    logged *l = *state;
    char one[PATH_MAX], two[PATH_MAX], three[PATH_MAX];
    l->at.file_bytes = 2000;
    begin_log_of(l, true);
    for (int i = 0; i < 40; i++)
        use_and_answer(l);
    end_log(l);
    check_sound(l);
    path_of(l, 2, one);
    path_of(l, 3, two);
    snprintf(three, sizeof three, "%s/kept", l->path);
    assert_int_equal(rename(one, three), 0);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "records are missing or were changed");
    vk_str other = slurp(two);
    spit(one, other);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "another file's name");
    drop_str(other);
    assert_int_equal(rename(three, one), 0);
    check_sound(l);
}

static void newer_and_none(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    small_log(l, NULL);
    path_of(l, 1, path);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "2", 1, 7), 1);
    close(fd);
    fd = audit_dir(l);
    vk_audit_check c = {.dir_fd = fd};
    assert_int_equal(vk_audit_verify(&c), VK_E_NEWER);
    assert_int_equal(vk_audit_prepare(&l->at, &l->a, l->why), VK_E_NEWER);
    assert_non_null(strstr(l->why, "newer valetkey"));
    unlink(path);
    assert_int_equal(vk_audit_verify(&c), VK_E_NOT_FOUND);
    close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_bytes),
        cmocka_unit_test(checkpoint_bytes),
        cmocka_unit_test(names),
        T(every_byte),
        T(dropped_tail),
        T(forged),
        T(other_keys),
        T(exchanged_files),
        T(newer_and_none),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
