/* Every body of an answer, byte for byte as unmodified SDKs were seen to read it
 * (tests/data/storage/responses.json); and what becomes of keys that XML cannot hold. */
#include "services/storage/s3xml_write.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t at_ms =
    INT64_C(1795457715123); /* 2026-11-23T18:15:15.123Z: answers have whole seconds */

#define MD5 VK_STR("5d41402abc4b2a76b9719d911017c592")
#define OWNER_ID VK_STR("b_01EXAMPLE")
#define BUCKET VK_STR("app-bucket")
#define UPLOAD VK_STR("3f9c1b7ed2a84c5f9b0e6a7d8c1f2e34")
static const vk_s3w_sum crc = {VK_CHECKSUM_CRC32, {"NhCmhg==", 8}, {"FULL_OBJECT", 11}};
static const vk_s3w_sum no_sum = {.kind = VK_CHECKSUM_KINDS};

static json_t *samples;
static vk_buf out;

static void is_sample(const char *name)
{
    json_t *body = json_object_get(json_object_get(json_object_get(samples, "responses"), name), "body");
    assert_non_null(body);
    assert_int_equal(out.err, VK_OK);
    if (!vk_str_eqz(vk_buf_view(&out), json_string_value(body)))
        fail_msg("%s: " VK_STR_FMT, name, VK_STR_ARG(out));
    vk_buf_clear(&out);
}

static void is(const char *text)
{
    assert_int_equal(out.err, VK_OK);
    if (!vk_str_eqz(vk_buf_view(&out), text))
        fail_msg(VK_STR_FMT, VK_STR_ARG(out));
    vk_buf_clear(&out);
}

static void listings(void **state)
{
    VK_UNUSED(state);
    vk_s3w_object o = {VK_STR("builds/b1/a b.txt"), at_ms, MD5, VK_STR_NONE, VK_STR_NONE, 5, OWNER_ID};
    vk_s3w_prefix p = {VK_STR("builds/b1/img/")};
    vk_s3w_list l = {.url = true,
                     .bucket = BUCKET,
                     .prefix = VK_STR("builds/b1/"),
                     .marker = VK_STR(""),
                     .next_marker = VK_STR("builds/b1/a b.txt"),
                     .key_count = -1,
                     .max_keys = 1,
                     .delimiter = VK_STR("/"),
                     .truncated = true,
                     .objects = &o,
                     .n_objects = 1};
    vk_s3w_list_objects(&out, &l);
    is_sample("ListObjects");

    l.marker = l.next_marker = VK_STR_NONE;
    l.start_after = VK_STR("builds/b1/");
    l.next_token = VK_STR("opaque.token-1");
    l.key_count = l.max_keys = 2;
    l.prefixes = &p;
    l.n_prefixes = 1;
    o.owner = VK_STR_NONE;
    o.sum_algo = VK_STR("CRC32");
    o.sum_type = VK_STR("FULL_OBJECT");
    vk_s3w_list_objects(&out, &l);
    is_sample("ListObjectsV2");

    o = (vk_s3w_object){VK_STR("builds/b1/k"), at_ms, MD5, VK_STR_NONE, VK_STR_NONE, 5, OWNER_ID};
    const vk_s3w_versions v = {.bucket = BUCKET,
                               .prefix = VK_STR(""),
                               .key_marker = VK_STR(""),
                               .version_marker = VK_STR(""),
                               .max_keys = 1000,
                               .objects = &o,
                               .n_objects = 1};
    vk_s3w_list_versions(&out, &v);
    is_sample("ListObjectVersions");

    const vk_s3w_bucket b = {BUCKET, at_ms};
    const vk_s3w_buckets all = {OWNER_ID, &b, 1};
    vk_s3w_list_buckets(&out, &all);
    is_sample("ListBuckets");

    const vk_s3w_upload u = {VK_STR("builds/b1/big"), UPLOAD, OWNER_ID, at_ms, VK_STR_NONE, VK_STR_NONE};
    const vk_s3w_uploads us = {.bucket = BUCKET,
                               .key_marker = VK_STR(""),
                               .id_marker = VK_STR(""),
                               .prefix = VK_STR("builds/b1/"),
                               .max_uploads = 1000,
                               .uploads = &u,
                               .n_uploads = 1};
    vk_s3w_list_uploads(&out, &us);
    is_sample("ListMultipartUploads");

    const vk_s3w_part part = {1, at_ms, MD5, no_sum, 5242880};
    const vk_s3w_parts parts = {.bucket = BUCKET,
                                .key = VK_STR("builds/b1/big"),
                                .upload_id = UPLOAD,
                                .next_marker = 1,
                                .max_parts = 1,
                                .truncated = true,
                                .parts = &part,
                                .n_parts = 1,
                                .owner = OWNER_ID};
    vk_s3w_list_parts(&out, &parts);
    is_sample("ListParts");
}

static void results(void **state)
{
    VK_UNUSED(state);
    vk_s3w_created_upload(&out, BUCKET, VK_STR("builds/b1/big"), UPLOAD);
    is_sample("CreateMultipartUpload");
    vk_s3w_copied(&out, false, at_ms, MD5, NULL);
    is_sample("CopyObject");
    vk_s3w_copied(&out, true, at_ms, MD5, &no_sum);
    is_sample("UploadPartCopy");
    vk_s3w_completed c = {VK_STR("http://127.0.0.1:4503/app-bucket/builds/b1/big"), BUCKET,
                          VK_STR("builds/b1/big"), VK_STR("9b2cf535f27731c974343645a3985328-3"), crc};
    vk_s3w_completed_upload(&out, &c);
    is_sample("CompleteMultipartUpload");
    c = (vk_s3w_completed){VK_STR("http://127.0.0.1:4503/app-bucket/builds/b1/x.png"), BUCKET,
                           VK_STR("builds/b1/x.png"), MD5, crc};
    vk_s3w_posted(&out, &c);
    is_sample("PostObject201");

    const vk_s3w_deleted k = {VK_STR("builds/b1/k")};
    const vk_s3w_not_deleted n = {VK_STR("builds/other/k"), VK_STR("AccessDenied"), VK_STR("Access Denied")};
    const vk_s3w_deletes d = {&k, 1, &n, 1};
    vk_s3w_delete_result(&out, &d);
    is_sample("DeleteObjects");

    const vk_s3w_part part = {1, -1, VK_STR_NONE, {VK_CHECKSUM_CRC32, {"NhCmhg==", 8}, {NULL, 0}}, 5};
    vk_s3w_attributes o = {.etag = MD5,
                           .sum = crc,
                           .parts = 1,
                           .next_marker = 1,
                           .max_parts = 1000,
                           .part = &part,
                           .n_part = 1,
                           .storage_class = VK_STR("STANDARD"),
                           .size = 5};
    vk_s3w_object_attributes(&out, &o);
    is_sample("GetObjectAttributes");
    o = (vk_s3w_attributes){.sum = no_sum, .parts = -1, .size = 5};
    vk_s3w_object_attributes(&out, &o);
    is("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<GetObjectAttributesResponse "
       "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ObjectSize>5</ObjectSize></"
       "GetObjectAttributesResponse>");
    vk_s3w_location(&out, VK_STR("auto"));
    is_sample("GetBucketLocation");
    vk_s3w_versioning(&out);
    is_sample("GetBucketVersioning");
}

static void cors_goes_there_and_back(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(1 << 20);
    const vk_str origins[] = {VK_STR("https://*.preview.example")},
                 methods[] = {VK_STR("GET"), VK_STR("PUT")}, headers[] = {VK_STR("*")},
                 expose[] = {VK_STR("ETag")};
    const vk_s3x_rule r = {VK_STR("preview"), {origins, 1}, {methods, 2}, {headers, 1}, {expose, 1}, 3600};
    vk_s3x_cors c = {&r, 1}, back;
    vk_s3w_cors(&out, &c);
    is_sample("GetBucketCors");
    vk_s3w_cors(&out, &c);
    vk_str text = vk_arena_dup(a, vk_buf_view(&out));
    vk_buf_clear(&out);
    assert_int_equal(vk_s3x_read_cors(a, text, &back), VK_S3_OK);
    vk_s3w_cors(&out, &back);
    is_sample("GetBucketCors");
    vk_arena_free(a);
}

static void errors(void **state)
{
    VK_UNUSED(state);
    vk_s3w_failure f = {.code = VK_STR("QuotaExceeded"),
                        .message =
                            VK_STR("build b1 is over its 100 MB storage quota (used 99.8 MB, upload 5.0 MB)"),
                        .resource = VK_STR("/app-bucket/builds/b1/k"),
                        .request_id = VK_STR("4442587FB7D0A2F9")};
    vk_s3w_error(&out, &f);
    is_sample("Error");
    const vk_s3w_extra key = {"Key", VK_STR("builds/b1/k")};
    f = (vk_s3w_failure){
        VK_STR("NoSuchKey"), VK_STR("The specified key does not exist."), &key, 1, VK_STR_NONE, VK_STR("R1")};
    vk_s3w_error(&out, &f);
    is_sample("NoSuchKey");
    f = (vk_s3w_failure){VK_STR("C"), VK_STR("<b>\"'&"), NULL, 0, {"/b/\0\xff\x01", 6}, VK_STR("R")};
    vk_s3w_error(&out, &f);
    is("<?xml version=\"1.0\" "
       "encoding=\"UTF-8\"?>\n<Error><Code>C</Code><Message>&lt;b&gt;&quot;'&amp;</Message>"
       "<Resource>/b/\xef\xbf\xbd\xef\xbf\xbd&#x1;</Resource><RequestId>R</RequestId></Error>");
}

static void odd_keys(void **state)
{
    static const struct {
        const char *key, *plain, *url;
    } cases[] = {
        {"a b+c/d~.-_", "a b+c/d~.-_", "a%20b%2Bc/d~.-_"},
        {"<&>\"'", "&lt;&amp;&gt;&quot;'", "%3C%26%3E%22%27"},
        {"\x01\x1f\x7f", "&#x1;&#x1F;&#x7F;", "%01%1F%7F"},
        {"\t\n\r", "\t\n&#xD;", "%09%0A%0D"},
        {"\xc3\xa9\xf0\x9f\x9a\x80", "\xc3\xa9\xf0\x9f\x9a\x80", "%C3%A9%F0%9F%9A%80"},
        {"\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "&#xFFFE;&#xFFFF;\xef\xbf\xbd",
         "%EF%BF%BE%EF%BF%BF%EF%BF%BD"},
        {"%41", "%41", "%2541"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        for (int url = 0; url < 2; url++) {
            const vk_s3w_list l = {.url = url,
                                   .bucket = VK_STR("b"),
                                   .marker = vk_str_z(cases[i].key),
                                   .key_count = -1,
                                   .max_keys = -1};
            char want[512];
            snprintf(want, sizeof want,
                     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                     "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                     "<Name>b</Name><Marker>%s</Marker>%s<IsTruncated>false</IsTruncated></ListBucketResult>",
                     url ? cases[i].url : cases[i].plain, url ? "<EncodingType>url</EncodingType>" : "");
            vk_s3w_list_objects(&out, &l);
            is(want);
        }
    }
}

static void a_full_buffer_is_an_error(void **state)
{
    VK_UNUSED(state);
    vk_buf small;
    vk_buf_init(&small, 64);
    vk_s3w_location(&small, VK_STR("auto"));
    assert_int_equal(small.err, VK_E_TOO_LARGE);
    vk_buf_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listings), cmocka_unit_test(results),  cmocka_unit_test(cors_goes_there_and_back),
        cmocka_unit_test(errors),   cmocka_unit_test(odd_keys), cmocka_unit_test(a_full_buffer_is_an_error),
    };
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/storage/responses.json", root ? root : ".");
    samples = json_load_file(path, 0, &why);
    if (!samples) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        return 1;
    }
    vk_buf_init(&out, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_buf_free(&out);
    json_decref(samples);
    return failed;
}
