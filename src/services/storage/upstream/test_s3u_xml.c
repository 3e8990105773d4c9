/* What vendors answer, what they should not, and past every limit. */
#include "services/storage/upstream/xml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/buf.h"

static vk_arena *arena;

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static int begin(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(32 << 20);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static vk_s3_fail read(const char *body, vk_s3u_doc *d)
{
    vk_arena_reset(arena);
    return vk_s3u_read(arena, vk_str_z(body), d);
}

static void a_listing(void **state)
{
    vk_s3u_doc d;
    VK_UNUSED(state);
    assert_int_equal(
        read(HEAD "<ListBucketResult" NS
                  "><Name>org</Name><Prefix>builds/shop/</Prefix><KeyCount>3</KeyCount>"
                  "<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\n"
                  "<NextContinuationToken>a+b%2Fc==</NextContinuationToken>"
                  "<Contents><Key>builds/shop/a+b%2Bc%C3%A4</Key><LastModified>2026-11-23T18:15:15.123Z"
                  "</LastModified><ETag>&quot;0123-4&quot;</ETag><Size>5368709120</Size>"
                  "<Owner><ID>x</ID><Key>no key</Key></Owner><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
                  "<ChecksumType>COMPOSITE</ChecksumType><StorageClass>STANDARD</StorageClass></Contents>"
                  "<Contents><Key>k</Key><Size>0</Size></Contents>"
                  "<CommonPrefixes><Prefix>builds/shop/%2520/</Prefix></CommonPrefixes></ListBucketResult>",
             &d),
        VK_S3_OK);
    assert_int_equal(d.kind, VK_S3U_LIST);
    assert_true(d.truncated && d.n_entries == 2 && d.n_prefixes == 1);
    assert_true(vk_str_eqz(d.next_id, "a+b%2Fc==")); /* opaque */
    assert_true(vk_str_eqz(d.entries[0].key, "builds/shop/a b+c\xc3\xa4"));
    assert_true(vk_str_eqz(d.entries[0].etag, "0123-4") && d.entries[0].size == INT64_C(5368709120));
    assert_int_equal(d.entries[0].mtime_ms, INT64_C(1795457715000));
    assert_true(vk_str_eqz(d.entries[0].sum_algo, "CRC32") && vk_str_eqz(d.entries[0].sum_type, "COMPOSITE"));
    assert_true(d.entries[1].size == 0 && d.entries[1].mtime_ms == -1 && !d.entries[1].etag.p);
    assert_true(vk_str_eqz(d.prefixes[0], "builds/shop/%20/"));
    /* one who does not encode says so by its silence */
    assert_int_equal(read("<ListBucketResult><IsTruncated>false</IsTruncated><NextMarker>a+b</NextMarker>"
                          "<Contents><Key>100%</Key></Contents></ListBucketResult>",
                          &d),
                     VK_S3_OK);
    assert_true(vk_str_eqz(d.entries[0].key, "100%") && vk_str_eqz(d.next, "a+b") && !d.truncated);
}

static void others(void **state)
{
    vk_s3u_doc d;
    VK_UNUSED(state);
    assert_int_equal(
        read(
            "<ListMultipartUploadsResult><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u/2"
            "</NextUploadIdMarker><IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>u/1</UploadId>"
            "<Initiated>2026-11-23T18:15:15Z</Initiated></Upload><CommonPrefixes><Prefix>p/</Prefix>"
            "</CommonPrefixes></ListMultipartUploadsResult>",
            &d),
        VK_S3_OK);
    assert_true(d.kind == VK_S3U_UPLOADS && vk_str_eqz(d.next, "k") && vk_str_eqz(d.next_id, "u/2"));
    assert_true(vk_str_eqz(d.entries[0].id, "u/1") && d.entries[0].mtime_ms == INT64_C(1795457715000));
    assert_true(d.n_prefixes == 1 && vk_str_eqz(d.prefixes[0], "p/"));
    assert_int_equal(
        read("<ListPartsResult><NextPartNumberMarker>7</NextPartNumberMarker><Part><PartNumber>7</PartNumber>"
             "<ETag>\"e\"</ETag><Size>5</Size><LastModified>2026-11-23T18:15:15.000Z</LastModified></Part>"
             "</ListPartsResult>",
             &d),
        VK_S3_OK);
    assert_true(d.kind == VK_S3U_PARTS && d.entries[0].number == 7 && vk_str_eqz(d.entries[0].etag, "e"));
    assert_int_equal(read("<InitiateMultipartUploadResult><UploadId>abc</UploadId>"
                          "</InitiateMultipartUploadResult>",
                          &d),
                     VK_S3_OK);
    assert_true(d.kind == VK_S3U_CREATED && vk_str_eqz(d.id, "abc"));
    assert_int_equal(read(" \n \n<CompleteMultipartUploadResult><Location>x</Location><ETag>&quot;e-2&quot;"
                          "</ETag></CompleteMultipartUploadResult>",
                          &d),
                     VK_S3_OK);
    assert_true(d.kind == VK_S3U_COMPLETED && vk_str_eqz(d.etag, "e-2"));
    static const char *const copied[] = {"CopyObjectResult", "CopyPartResult"};
    for (size_t i = 0; i < VK_COUNT(copied); i++) {
        char body[200];
        snprintf(body, sizeof body, "<%s><ETag>e</ETag><LastModified>2026-11-23T18:15:15</LastModified></%s>",
                 copied[i], copied[i]);
        assert_int_equal(read(body, &d), VK_S3_OK);
        assert_true(d.kind == VK_S3U_COPIED && vk_str_eqz(d.etag, "e") && d.mtime_ms > 0);
    }
    assert_int_equal(
        read("<Error><Code>NoSuchKey</Code><Message>no &amp; no</Message><Key>k</Key></Error>", &d),
        VK_S3_OK);
    assert_true(d.kind == VK_S3U_ERROR && vk_str_eqz(d.code, "NoSuchKey"));
    assert_true(vk_str_eqz(d.message, "no & no"));
}

static void refused(void **state)
{
    static const char *const all[] = {
        "",
        " ",
        "x",
        "<html><body>502</body></html>",
        "<ListBucketResult>",
        "<ListBucketResult></Error>",
        "<ListBucketResult/><ListBucketResult/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Error><Code>&b;</Code></Error>",
        "<!DOCTYPE Error SYSTEM \"file:///etc/passwd\"><Error><Code>a</Code></Error>",
        "<Error><Code>&b;</Code></Error>",
        "<Error><Code>\xff</Code></Error>",
        "\xfe\xff<Error/>",
        "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1e3</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><LastModified>today</LastModified></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><LastModified>2026-02-31T00:00:00.000Z</LastModified></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>perhaps</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents>"
        "</ListBucketResult>",
    };
    vk_s3u_doc d;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++)
        if (read(all[i], &d) != VK_S3_MALFORMED_XML)
            fail_msg("%s", all[i]);
}

/* `n` times `each` within a listing. */
static vk_s3_fail many(const char *each, size_t n, vk_s3u_doc *d)
{
    vk_buf b;
    vk_buf_init(&b, 16 << 20);
    vk_buf_lit(&b, "<ListBucketResult>");
    for (size_t i = 0; i < n; i++)
        vk_buf_z(&b, each);
    vk_buf_lit(&b, "</ListBucketResult>");
    vk_arena_reset(arena);
    vk_s3_fail f = vk_s3u_read(arena, vk_buf_view(&b), d);
    vk_buf_free(&b);
    return f;
}

static void limits(void **state)
{
    static char text[VK_S3U_TEXT_MAX + 100];
    vk_s3u_doc d;
    VK_UNUSED(state);
    assert_int_equal(many("<Contents><Key>k</Key></Contents>", VK_S3U_ENTRIES_MAX, &d), VK_S3_OK);
    assert_int_equal(d.n_entries, VK_S3U_ENTRIES_MAX);
    assert_int_equal(many("<Contents/>", VK_S3U_ENTRIES_MAX + 1, &d), VK_S3_MALFORMED_XML);
    assert_int_equal(many("<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>", VK_S3U_ENTRIES_MAX, &d),
                     VK_S3_OK);
    assert_int_equal(many("<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>", VK_S3U_ENTRIES_MAX + 1, &d),
                     VK_S3_MALFORMED_XML);
    assert_int_equal(many("<Other><Contents/></Other>", 3 * VK_S3U_ENTRIES_MAX, &d), VK_S3_OK);
    assert_int_equal(d.n_entries, 0);
    assert_int_equal(many("<a><b><c><d><e><f>x</f></e></d></c></b></a>", 2, &d), VK_S3_OK);
    assert_int_equal(many("<a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>", 1, &d),
                     VK_S3_MALFORMED_XML);
    snprintf(text, sizeof text, "<NextMarker>%0*d</NextMarker>", VK_S3U_TEXT_MAX, 0);
    assert_int_equal(many(text, 1, &d), VK_S3_OK);
    snprintf(text, sizeof text, "<NextMarker>%0*d</NextMarker>", VK_S3U_TEXT_MAX + 1, 0);
    assert_int_equal(many(text, 1, &d), VK_S3_MALFORMED_XML);
    snprintf(text, sizeof text, "<Contents><Other>%0*d</Other></Contents>", VK_S3U_TEXT_MAX, 0);
    assert_int_equal(many(text, 1000, &d), VK_S3_OK);
    assert_int_equal(many(text, 2100, &d), VK_S3_MALFORMED_XML); /* more than VK_S3U_XML_MAX */
}

static void little_memory(void **state)
{
    vk_s3u_doc d;
    VK_UNUSED(state);
    for (size_t room = 4096; room < 64 << 10; room += 512) {
        vk_arena *small = vk_arena_new(room);
        vk_s3_fail f = vk_s3u_read(
            small, VK_STR("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>"), &d);
        assert_true(f == VK_S3_OK || f == VK_S3_NO_MEMORY);
        vk_arena_free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing), cmocka_unit_test(others),        cmocka_unit_test(refused),
        cmocka_unit_test(limits),    cmocka_unit_test(little_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
