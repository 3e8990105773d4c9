/* Upload forms as browsers send them, cut at every byte, and what is none. */
#include "services/storage/s3form.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;
static vk_s3form form;
static vk_buf file;

#define TYPE VK_STR("multipart/form-data; boundary=B")
#define PART(name, value) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(bytes)                                                                                     \
    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.png\"\r\nContent-Type: "             \
    "image/png\r\n\r\n" bytes "\r\n"
#define END "--B--\r\n"

/* In pieces of `first`, then of `then` bytes. */
static vk_s3_fail read_form(vk_str type, vk_str body, size_t first, size_t then)
{
    vk_arena_reset(arena);
    vk_buf_clear(&file);
    vk_s3_fail e = vk_s3form_begin(&form, arena, type);
    bool seen_file = false;
    for (size_t n = first; e == VK_S3_OK && body.n; n = then) {
        vk_str in = {body.p, n < body.n ? n : body.n}, data;
        body = (vk_str){body.p + in.n, body.n - in.n};
        while (in.n && e == VK_S3_OK) {
            size_t fields = form.n_fields;
            e = vk_s3form_feed(&form, &in, &data);
            vk_buf_str(&file, data);
            assert_true(!data.n || seen_file); /* the fields could be judged before any byte */
            assert_true(!seen_file || fields == form.n_fields);
            seen_file = seen_file || form.state == VK_S3FORM_FILE;
        }
    }
    return e == VK_S3_OK ? vk_s3form_end(&form) : e;
}

static void a_form(void **state)
{
    static const char body[] =
        PART("key", "a/${filename}") PART("Policy", "") PART("x-amz-meta-a", "1\r\n--\r\n--A")
            FILE_PART("\r\n--\r\r\n--Xbytes\0\r\n--") PART("after", "ignored") END;
    VK_UNUSED(state);
    const vk_str all = {body, sizeof body - 1};
    for (size_t first = 1; first <= all.n; first++) {
        for (size_t then = 1; then <= 3; then++) {
            assert_int_equal(read_form(TYPE, all, first, then), VK_S3_OK);
            assert_int_equal(form.n_fields, 3);
            assert_true(vk_str_eqz(form.fields[0].name, "key") &&
                        vk_str_eqz(form.fields[0].value, "a/${filename}"));
            assert_true(vk_str_eqz(form.fields[1].name, "Policy") && form.fields[1].value.n == 0);
            assert_true(vk_str_eqz(form.fields[2].value, "1\r\n--\r\n--A"));
            assert_true(vk_str_eqz(form.file_name, "x.png") && vk_str_eqz(form.file_type, "image/png"));
            assert_true(vk_str_eq(vk_buf_view(&file), VK_STR("\r\n--\r\r\n--Xbytes\0\r\n--")));
        }
    }
    /* No beginning of it is a whole file. */
    const char *after = memmem(body, all.n, PART("after", ""), sizeof PART("after", "") - 3);
    assert_non_null(after);
    for (size_t n = 0; n < (size_t)(after - body) + 3; n++)
        assert_int_equal(read_form(TYPE, (vk_str){body, n}, n ? n : 1, 1), VK_S3_MALFORMED_POST);
    assert_int_equal(read_form(TYPE, (vk_str){body, (size_t)(after - body) + 3}, 9, 9), VK_S3_OK);
}

static void what_a_browser_sent(void **state)
{
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    size_t i, seen = 0;
    VK_UNUSED(state);
    snprintf(path, sizeof path, "%s/tests/data/storage/captured-requests.json", root ? root : ".");
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, &why), *v;
    assert_non_null(all);
    json_array_foreach(json_object_get(all, "requests"), i, v)
    {
        if (strcmp(json_string_value(json_object_get(v, "step")), "presigned POST") != 0)
            continue;
        /* The data show its beginning and its end; between them goes a field of ours. */
        const char *head = json_string_value(json_object_get(v, "body_head")),
                   *tail = json_string_value(json_object_get(v, "body_tail"));
        assert_true(head && tail);
        vk_buf b;
        vk_buf_init(&b, 1 << 16);
        vk_buf_z(&b, head);
        vk_buf_lit(&b, "m-data; name=\"key\"\r\n\r\nk\r\n");
        vk_buf_add(&b, head, (size_t)(strstr(head, "\r\n") - head) + 2);
        vk_buf_lit(&b, "Content-Disposition: form-data; name=\"file\"; filename=\"x.png\"\r\nContent-Type: ");
        vk_buf_z(&b, tail);
        size_t k;
        json_t *pair;
        const char *type = "";
        json_array_foreach(json_object_get(v, "headers"), k, pair)
        {
            if (strcasecmp(json_string_value(json_array_get(pair, 0)), "content-type") == 0)
                type = json_string_value(json_array_get(pair, 1));
        }
        assert_int_equal(read_form(vk_str_z(type), vk_buf_view(&b), 7, 11), VK_S3_OK);
        assert_int_equal(form.n_fields, 1);
        assert_true(vk_str_eqz(vk_buf_view(&file), "PNGDATA") && vk_str_eqz(form.file_type, "image/png"));
        vk_buf_free(&b);
        seen++;
    }
    assert_int_equal(seen, 1);
    json_decref(all);
}

static void names(void **state)
{
    static const struct {
        const char *head;
        vk_s3_fail f;
        const char *name, *type;
    } cases[] = {
        {"Content-Disposition: form-data; name=\"file\"; filename=\"a;b\\\"c\\\\d\\e.png\"", VK_S3_OK,
         "a;b\"c\\d\\e.png", ""},
        {"content-disposition:form-data;name=FILE;filename=x", VK_S3_OK, "x", ""},
        {"Content-Disposition: form-data; filename=\"C:\\dir\\x\" ; name=file;", VK_S3_OK, "C:\\dir\\x", ""},
        {"Content-Disposition: form-data; name=\"file\"\r\nContent-Type:  a/b; c=d ", VK_S3_OK, "",
         "a/b; c=d"},
        {"X-Other: 1\r\nContent-Disposition: form-data; name=\"file\"", VK_S3_OK, "", ""},
        {"Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: binary", VK_S3_OK, "",
         ""},
        {"Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64",
         VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"file", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"file\" filename=x", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"key\"; name=\"file\"", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"\"", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: attachment; name=\"file\"", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"file\"\r\nContent-Disposition: form-data; name=\"file\"",
         VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data;\r\n name=\"file\"", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition: form-data; name=\"file\"\nX: y", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Disposition : form-data; name=\"file\"", VK_S3_MALFORMED_POST, "", ""},
        {"Content-Type: a/b", VK_S3_MALFORMED_POST, "", ""},
        {"nothing", VK_S3_MALFORMED_POST, "", ""},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char body[512];
        int n = snprintf(body, sizeof body, "--B\r\n%s\r\n\r\nz\r\n" END, cases[i].head);
        vk_s3_fail f = read_form(TYPE, (vk_str){body, (size_t)n}, 1, 1);
        if (f != cases[i].f || (f == VK_S3_OK && (!vk_str_eqz(form.file_name, cases[i].name) ||
                                                  !vk_str_eqz(form.file_type, cases[i].type))))
            fail_msg("%s: %d", cases[i].head, (int)f);
    }
}

static void boundaries(void **state)
{
    static const struct {
        const char *type;
        vk_s3_fail f;
    } cases[] = {
        {"Multipart/Form-Data;boundary=\"B\"", VK_S3_OK},
        {"multipart/form-data ; charset=utf-8; Boundary=B", VK_S3_OK},
        {"multipart/form-data; boundary=C", VK_S3_MALFORMED_POST},
        {"multipart/form-data; boundary=B; boundary=B", VK_S3_MALFORMED_POST},
        {"multipart/form-data", VK_S3_MALFORMED_POST},
        {"multipart/form-data; boundary=", VK_S3_MALFORMED_POST},
        {"multipart/form-data; boundary=\"B", VK_S3_MALFORMED_POST},
        {"multipart/form-data; boundary=\"B \"", VK_S3_MALFORMED_POST},
        {"multipart/form-data; boundary=\"B\r\n\"", VK_S3_MALFORMED_POST},
        {"multipart/mixed; boundary=B", VK_S3_MALFORMED_POST},
        {"", VK_S3_MALFORMED_POST},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (read_form(vk_str_z(cases[i].type), VK_STR(FILE_PART("z") END), 1, 1) != cases[i].f)
            fail_msg("%s", cases[i].type);
    char longest[128] = "multipart/form-data; boundary=";
    size_t n = strlen(longest);
    memset(longest + n, 'b', VK_S3FORM_BOUNDARY_MAX + 1);
    assert_int_equal(vk_s3form_begin(&form, arena, (vk_str){longest, n + VK_S3FORM_BOUNDARY_MAX}), VK_S3_OK);
    assert_int_equal(vk_s3form_begin(&form, arena, (vk_str){longest, n + VK_S3FORM_BOUNDARY_MAX + 1}),
                     VK_S3_MALFORMED_POST);
    static const char *const bodies[] = {"",
                                         "--B--\r\n",
                                         PART("key", "k") END,
                                         "x" FILE_PART("z") END,
                                         "\r\n" FILE_PART("z") END,
                                         "--B\r\n\r\nz\r\n" END,
                                         "--B \r\n",
                                         PART("key", "k\r\n--Bx") FILE_PART("z") END,
                                         FILE_PART("z") "--"};
    for (size_t i = 0; i < VK_COUNT(bodies); i++)
        if (read_form(TYPE, vk_str_z(bodies[i]), 1, 1) != VK_S3_MALFORMED_POST)
            fail_msg("%s", bodies[i]);
    assert_int_equal(read_form(TYPE, VK_STR(FILE_PART("") END), 1, 1), VK_S3_OK);
    assert_int_equal(file.n, 0);
}

static void limits(void **state)
{
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, 4 << 20);
    for (size_t over = 0; over < 2; over++) { /* a field */
        vk_buf_clear(&b);
        vk_buf_lit(&b, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
        for (size_t i = 0; i < VK_S3FORM_FIELD_MAX + over; i++)
            vk_buf_ch(&b, 'v');
        vk_buf_lit(&b, "\r\n" FILE_PART("z") END);
        assert_int_equal(read_form(TYPE, vk_buf_view(&b), 100, 4096), over ? VK_S3_FORM_TOO_LARGE : VK_S3_OK);
    }
    for (size_t over = 0; over < 2; over++) { /* how many */
        vk_buf_clear(&b);
        for (size_t i = 0; i < VK_POST_FIELDS_MAX + over; i++)
            vk_buf_lit(&b, PART("a", "v"));
        vk_buf_lit(&b, FILE_PART("z") END);
        assert_int_equal(read_form(TYPE, vk_buf_view(&b), 100, 4096), over ? VK_S3_FORM_TOO_LARGE : VK_S3_OK);
    }
    vk_buf_clear(&b); /* all together */
    for (size_t k = 0; k < 4; k++) {
        vk_buf_lit(&b, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
        for (size_t i = 0; i < VK_S3FORM_FIELD_MAX - 100; i++)
            vk_buf_ch(&b, 'v');
        vk_buf_lit(&b, "\r\n");
    }
    vk_buf_lit(&b, FILE_PART("z") END);
    assert_int_equal(read_form(TYPE, vk_buf_view(&b), 100, 4096), VK_S3_FORM_TOO_LARGE);
    vk_buf_clear(&b); /* a head */
    vk_buf_lit(&b, "--B\r\nX: ");
    for (size_t i = 0; i < VK_S3FORM_PART_HEAD_MAX; i++)
        vk_buf_ch(&b, 'v');
    assert_int_equal(read_form(TYPE, vk_buf_view(&b), 100, 4096), VK_S3_FORM_TOO_LARGE);
    vk_buf_clear(&b); /* the file has no limit here */
    vk_buf_lit(&b, "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n");
    for (size_t i = 0; i < 1 << 20; i++)
        vk_buf_ch(&b, "\r\n--"[i % 4]);
    vk_buf_lit(&b, "\r\n" END);
    assert_int_equal(read_form(TYPE, vk_buf_view(&b), 100, 4096), VK_S3_OK);
    assert_int_equal(file.n, 1 << 20);
    vk_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form), cmocka_unit_test(what_a_browser_sent),
        cmocka_unit_test(names),  cmocka_unit_test(boundaries),
        cmocka_unit_test(limits),
    };
    arena = vk_arena_new(1 << 20);
    vk_buf_init(&file, 4 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_buf_free(&file);
    vk_arena_free(arena);
    return failed;
}
