/* The XML bodies: as clients send them, as nobody should, and past every limit. */
#include "services/storage/s3xml_read.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/buf.h"

static vk_arena *arena;

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static vk_s3_fail del(const char *body, vk_s3x_delete *d)
{
    vk_arena_reset(arena);
    return vk_s3x_read_delete(arena, vk_str_z(body), d);
}

static void keys_to_delete(void **state)
{
    vk_s3x_delete d;
    VK_UNUSED(state);
    assert_int_equal(
        del("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete" NS
            "><Object><Key>builds/x1/k</Key></Object>\n <Object><Key>a&amp;&lt;&#10;&#x20AC;</Key>"
            "<VersionId>null</VersionId><ETag>&quot;e&#34;</ETag></Object><Quiet>true</Quiet></Delete>",
            &d),
        VK_S3_OK);
    assert_true(d.quiet);
    assert_int_equal(d.n, 2);
    assert_true(vk_str_eqz(d.keys[0].key, "builds/x1/k") && d.keys[0].etag.n == 0);
    assert_true(vk_str_eqz(d.keys[1].key, "a&<\n\xe2\x82\xac") && vk_str_eqz(d.keys[1].etag, "\"e\""));
    assert_int_equal(
        del("<s:Delete xmlns:s='u'><s:Object><s:Key><![CDATA[<k>]]> </s:Key></s:Object></s:Delete>", &d),
        VK_S3_OK);
    assert_true(!d.quiet && vk_str_eqz(d.keys[0].key, "<k> "));
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *body;
        vk_s3_fail f;
    } cases[] = {
        {"", VK_S3_MALFORMED_XML},
        {"x", VK_S3_MALFORMED_XML},
        {"<Delete/>", VK_S3_MALFORMED_XML},
        {"<Delete><Object/></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key></Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key></Object>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key></Object></Delete><Delete/>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key></Object></Delete>x", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete>x<Object><Key>k</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k<b/></Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key><If>x</If></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Quiet>maybe</Quiet><Object><Key>k</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<delete><Object><Key>k</Key></Object></delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>&nbsp;</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>&#0;</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>\xff</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>\xc0\xae</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<s:Delete><Object><Key>k</Key></Object></s:Delete>", VK_S3_MALFORMED_XML},
        {"<!DOCTYPE Delete><Delete><Object><Key>k</Key></Object></Delete>", VK_S3_MALFORMED_XML},
        {"<!DOCTYPE d [<!ENTITY a \"aa\">]><Delete><Object><Key>&a;</Key></Object></Delete>",
         VK_S3_MALFORMED_XML},
        {"<!DOCTYPE d [<!ENTITY a SYSTEM "
         "\"file:///etc/hostname\">]><Delete><Object><Key>&a;</Key></Object></Delete>",
         VK_S3_MALFORMED_XML},
        {"<!DOCTYPE d SYSTEM \"http://127.0.0.1:1/d\"><Delete><Object><Key>k</Key></Object></Delete>",
         VK_S3_MALFORMED_XML},
        {"<Delete><Object><Key>k</Key><VersionId>v1</VersionId></Object></Delete>", VK_S3_NOT_IMPLEMENTED},
        {"<Delete><Object><Key>k</Key><Size>1</Size></Object></Delete>", VK_S3_NOT_IMPLEMENTED},
        {"<Delete><Object><Key>k</Key><LastModifiedTime>x</LastModifiedTime></Object></Delete>",
         VK_S3_NOT_IMPLEMENTED},
    };
    vk_s3x_delete d;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (del(cases[i].body, &d) != cases[i].f)
            fail_msg("%s", cases[i].body);
}

/* `n` times `middle` between the others. */
static vk_str many(vk_buf *b, const char *before, const char *middle, size_t n, const char *after)
{
    vk_buf_clear(b);
    vk_buf_z(b, before);
    for (size_t i = 0; i < n; i++)
        vk_buf_z(b, middle);
    vk_buf_z(b, after);
    assert_int_equal(b->err, VK_OK);
    return vk_buf_view(b);
}

static void limits(void **state)
{
    static const char object[] = "<Object><Key>k</Key></Object>", in[] = "<Delete><Object><Key>",
                      out[] = "</Key></Object></Delete>";
    vk_s3x_delete d;
    vk_s3x_complete c;
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, 8 << 20);
    vk_arena_reset(arena);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, "<Delete>", object, 1000, "</Delete>"), &d),
                     VK_S3_OK);
    assert_int_equal(d.n, 1000);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, "<Delete>", object, 1001, "</Delete>"), &d),
                     VK_S3_MALFORMED_XML);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, in, "k", VK_S3X_TEXT_MAX, out), &d), VK_S3_OK);
    assert_int_equal(d.keys[0].key.n, VK_S3X_TEXT_MAX);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, in, "k", VK_S3X_TEXT_MAX + 1, out), &d),
                     VK_S3_MALFORMED_XML);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, in, "&lt;", VK_S3X_TEXT_MAX + 1, out), &d),
                     VK_S3_MALFORMED_XML);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, "", "<a>", 600000, ""), &d), VK_S3_MALFORMED_XML);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, "", "<Delete>", 100000, ""), &d),
                     VK_S3_MALFORMED_XML);
    assert_int_equal(vk_s3x_read_delete(arena, many(&b, "<Delete>", " ", VK_S3X_BODY_MAX, "</Delete>"), &d),
                     VK_S3_MALFORMED_XML);
    /* UTF-8 only: expat follows the mark of UTF-16, whatever it is told */
    static const char wide[] = "\xff\xfe<\0D\0e\0l\0e\0t\0e\0/\0>\0";
    assert_int_equal(vk_s3x_read_delete(arena, (vk_str){wide, sizeof wide - 1}, &d), VK_S3_MALFORMED_XML);
    static const char part[] = "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>";
    vk_arena_reset(arena);
    assert_int_equal(
        vk_s3x_read_complete(
            arena, many(&b, "<CompleteMultipartUpload>", part, 10000, "</CompleteMultipartUpload>"), &c),
        VK_S3_OK);
    assert_int_equal(c.n, 10000);
    assert_int_equal(
        vk_s3x_read_complete(
            arena, many(&b, "<CompleteMultipartUpload>", part, 10001, "</CompleteMultipartUpload>"), &c),
        VK_S3_MALFORMED_XML);
    vk_buf_free(&b);
    vk_arena *small = vk_arena_new(4096); /* no memory is no malformed body */
    assert_non_null(small);
    assert_int_equal(vk_s3x_read_delete(small, VK_STR("<Delete><Object><Key>k</Key></Object></Delete>"), &d),
                     VK_S3_NO_MEMORY);
    vk_arena_free(small);
}

static vk_s3_fail complete(const char *parts, vk_s3x_complete *c)
{
    vk_arena_reset(arena);
    return vk_s3x_read_complete(
        arena, vk_arena_printf(arena, "<CompleteMultipartUpload" NS ">%s</CompleteMultipartUpload>", parts),
        c);
}

static void parts_to_complete(void **state)
{
    vk_s3x_complete c;
    VK_UNUSED(state);
    assert_int_equal(
        complete(
            "<Part><ETag>&#34;5f36&#34;</ETag><PartNumber>2</PartNumber></Part><Part><ChecksumCRC32>NhCmhg=="
            "</ChecksumCRC32><PartNumber>1</PartNumber><ETag>\"b5\"</ETag></Part>",
            &c),
        VK_S3_OK);
    assert_int_equal(c.n, 2);
    assert_true(c.parts[0].number == 2 && vk_str_eqz(c.parts[0].etag, "\"5f36\"") &&
                c.parts[0].sum_algo == 0);
    assert_true(c.parts[1].number == 1 && vk_str_eqz(c.parts[1].etag, "\"b5\""));
    assert_int_equal(c.parts[1].sum_algo, 1 + VK_CHECKSUM_CRC32);
    assert_memory_equal(c.parts[1].sum, "\x36\x10\xa6\x86", 4);
    static const char *const bad[] = {
        "",
        "<Part/>",
        "<Part><PartNumber>1</PartNumber></Part>",
        "<Part><ETag>e</ETag></Part>",
        "<Part><ETag>e</ETag><PartNumber>0</PartNumber></Part>",
        "<Part><ETag>e</ETag><PartNumber>10001</PartNumber></Part>",
        "<Part><ETag>e</ETag><PartNumber> 1</PartNumber></Part>",
        "<Part><ETag></ETag><PartNumber>1</PartNumber></Part>",
        "<Part><ETag>e</ETag><PartNumber>1</PartNumber><ChecksumCRC32>NhCmhg=</ChecksumCRC32></Part>",
        "<Part><ETag>e</ETag><PartNumber>1</PartNumber><ChecksumCRC32>NhCmhg==</"
        "ChecksumCRC32><ChecksumCRC32C>NhCmhg==</ChecksumCRC32C></Part>",
        "<Part><ETag>e</ETag><PartNumber>1</PartNumber><Part><ETag>e</ETag><PartNumber>1</PartNumber></"
        "Part></Part>",
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (complete(bad[i], &c) != VK_S3_MALFORMED_XML)
            fail_msg("%s", bad[i]);
}

static vk_s3_fail cors(const char *rules, vk_s3x_cors *c)
{
    vk_arena_reset(arena);
    return vk_s3x_read_cors(
        arena, vk_arena_printf(arena, "<CORSConfiguration" NS ">%s</CORSConfiguration>", rules), c);
}

static void cors_rules(void **state)
{
    vk_s3x_cors c;
    VK_UNUSED(state);
    assert_int_equal(
        cors("<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>*</AllowedOrigin></"
             "CORSRule><CORSRule>"
             "<ID>x</ID><AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</"
             "AllowedMethod><AllowedOrigin>https://*.a"
             "</AllowedOrigin><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"
             "<MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>",
             &c),
        VK_S3_OK);
    assert_int_equal(c.n, 2);
    assert_true(c.rules[0].origins.n == 1 && c.rules[0].methods.n == 1 && c.rules[0].headers.n == 0 &&
                !c.rules[0].id.p);
    assert_int_equal(c.rules[0].max_age_s, -1);
    assert_true(c.rules[1].methods.n == 2 && vk_str_eqz(c.rules[1].methods.at[1], "HEAD"));
    assert_true(vk_str_eqz(c.rules[1].origins.at[0], "https://*.a") &&
                vk_str_eqz(c.rules[1].headers.at[0], "x-amz-*"));
    assert_true(c.rules[1].max_age_s == 60 && vk_str_eqz(c.rules[1].expose.at[0], "ETag"));
#define ONE(x) "<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>*</AllowedOrigin>" x "</CORSRule>"
    static const char *const bad[] = {
        "",
        "<CORSRule/>",
        "<CORSRule><AllowedMethod>PUT</AllowedMethod></CORSRule>",
        "<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>",
        "<CORSRule><AllowedMethod>PATCH</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>",
        "<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>*.*</AllowedOrigin></CORSRule>",
        "<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>a&#13;&#10;b</AllowedOrigin></CORSRule>",
        ONE("<ExposeHeader>*</ExposeHeader>"),
        ONE("<ExposeHeader>a&#10;Set-Cookie: x</ExposeHeader>"),
        ONE("<AllowedHeader>a,b</AllowedHeader>"),
        ONE("<MaxAgeSeconds>-1</MaxAgeSeconds>"),
        ONE("<MaxAgeSeconds>1 </MaxAgeSeconds>"),
        ONE("<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>1</MaxAgeSeconds>"),
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (cors(bad[i], &c) != VK_S3_MALFORMED_XML)
            fail_msg("%s", bad[i]);
    assert_int_equal(cors(ONE("<AllowedHeader>*</AllowedHeader>"), &c), VK_S3_OK);
}

static void regions(void **state)
{
    vk_str r;
    VK_UNUSED(state);
    vk_arena_reset(arena);
    assert_int_equal(vk_s3x_read_create_bucket(arena, VK_STR(""), &r), VK_S3_OK);
    assert_int_equal(r.n, 0);
    assert_int_equal(vk_s3x_read_create_bucket(
                         arena,
                         VK_STR("<CreateBucketConfiguration" NS
                                "><LocationConstraint>auto</LocationConstraint></CreateBucketConfiguration>"),
                         &r),
                     VK_S3_OK);
    assert_true(vk_str_eqz(r, "auto"));
    assert_int_equal(
        vk_s3x_read_create_bucket(
            arena, VK_STR("<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>"), &r),
        VK_S3_MALFORMED_XML);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_to_delete),    cmocka_unit_test(what_is_refused), cmocka_unit_test(limits),
        cmocka_unit_test(parts_to_complete), cmocka_unit_test(cors_rules),      cmocka_unit_test(regions),
    };
    arena = vk_arena_new(16 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_arena_free(arena);
    return failed;
}
