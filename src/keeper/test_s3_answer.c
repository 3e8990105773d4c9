#include "keeper/s3_answer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/buf.h"

static vk_arena *arena;

static int begin(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(1 << 22);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static vk_err read_it(const char *text, vk_s3a *out)
{
    vk_arena_reset(arena);
    return vk_s3a_read(arena, vk_str_z(text), out);
}

static void is(vk_str s, const char *want)
{
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.p, want, s.n);
}

static void documents(void **state)
{
    VK_UNUSED(state);
    vk_s3a a;
    assert_int_equal(
        read_it("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
                "<EncodingType>url</EncodingType><Contents><Key>a%2Fb%20c+d</Key><Size>12</Size>"
                "<Owner><ID>x</ID><Key>not a key</Key></Owner></Contents>"
                "<Contents><Size>0</Size><Key>e</Key></Contents></ListBucketResult>",
                &a),
        VK_OK);
    assert_int_equal(a.kind, VK_S3A_OBJECTS);
    assert_true(a.truncated);
    is(a.next, "t&1");
    assert_int_equal(a.n, 2);
    is(a.entries[0].key, "a/b c d");
    assert_int_equal(a.entries[0].size, 12);
    is(a.entries[1].key, "e");

    assert_int_equal(
        read_it("<ListMultipartUploadsResult><Upload><Key>k%</Key><UploadId>u</UploadId></Upload>"
                "</ListMultipartUploadsResult>",
                &a),
        VK_OK);
    assert_int_equal(a.kind, VK_S3A_UPLOADS);
    is(a.entries[0].key, "k%"); /* not encoded, since nothing says so */
    is(a.entries[0].id, "u");

    assert_int_equal(read_it("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
                             "<Code>InternalError</Code></Error></DeleteResult>",
                             &a),
                     VK_OK);
    assert_int_equal(a.kind, VK_S3A_DELETED);
    assert_int_equal(a.n, 1);
    is(a.entries[0].key, "b");
    is(a.entries[0].id, "InternalError");

    assert_int_equal(read_it("<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>", &a), VK_OK);
    assert_int_equal(a.kind, VK_S3A_ERROR);
    is(a.code, "NoSuchBucket");
}

static void hostile(void **state)
{
    VK_UNUSED(state);
    static const char *const bad[] = {
        "",
        "{\"success\":true}",
        "<html><body>no</body></html>",
        "<ListBucketResult>",
        "<ListBucketResult></ListBucketResult><x/>",
        "<!DOCTYPE a [<!ENTITY b "
        "\"c\">]><ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>",
        "<!DOCTYPE a><ListBucketResult></ListBucketResult>",
        "<ListBucketResult><Contents><Key>&nothing;</Key></Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%2</Key></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1e3</Size></Contents></ListBucketResult>",
        "<ListBucketResult><x><x><x><x><x><x><x><x><x></x></x></x></x></x></x></x></x></x></"
        "ListBucketResult>",
        "<ListBucketResult><Contents><Key>\xff</Key></Contents></ListBucketResult>",
    };
    vk_s3a a;
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (read_it(bad[i], &a) != VK_E_INVALID)
            fail_msg("taken: %s", bad[i]);
}

static void limits(void **state)
{
    VK_UNUSED(state);
    vk_s3a a;
    for (int more = 0; more < 2; more++) {
        vk_buf b;
        vk_buf_init(&b, 1 << 20);
        vk_buf_lit(&b, "<ListBucketResult>");
        for (int i = 0; i < VK_S3A_ENTRIES_MAX + more; i++)
            vk_buf_lit(&b, "<Contents><Key>k</Key></Contents>");
        vk_buf_lit(&b, "</ListBucketResult>");
        vk_arena_reset(arena);
        assert_int_equal(vk_s3a_read(arena, vk_buf_view(&b), &a), more ? VK_E_INVALID : VK_OK);
        vk_buf_clear(&b);
        vk_buf_lit(&b, "<ListBucketResult><Contents><Key>");
        for (int i = 0; i < VK_S3A_TEXT_MAX + more; i++)
            vk_buf_ch(&b, 'k');
        vk_buf_lit(&b, "</Key></Contents></ListBucketResult>");
        vk_arena_reset(arena);
        assert_int_equal(vk_s3a_read(arena, vk_buf_view(&b), &a), more ? VK_E_INVALID : VK_OK);
        vk_buf_free(&b);
    }
}

static void no_memory(void **state)
{
    VK_UNUSED(state);
    vk_s3a a;
    vk_arena *small = vk_arena_new(1024);
    assert_non_null(small);
    assert_int_equal(vk_s3a_read(small, VK_STR("<Error></Error>"), &a), VK_E_NOMEM);
    vk_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(documents, begin, end),
        cmocka_unit_test_setup_teardown(hostile, begin, end),
        cmocka_unit_test_setup_teardown(limits, begin, end),
        cmocka_unit_test_setup_teardown(no_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
