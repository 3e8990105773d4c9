/* The storage library: every operation. Listings, crashes and threads have files of their own. */
#include "services/storage/embedded/test_objects_rig.h"

static void put_get_delete(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, VK_OB_INLINE_MAX, VK_OB_INLINE_MAX + 1, 70001, 9 << 20};
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    assert_non_null(s);
    char key[32];
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        snprintf(key, sizeof key, "dir/k%zu", i);
        assert_int_equal(rig_put(s, key, sizes[i], (uint32_t)i), VK_OB_OK);
        assert_int_equal(rig_is(s, key, sizes[i], (uint32_t)i), VK_OB_OK);
    }
    /* Small ones lie in the index, large ones in files. */
    int64_t bytes;
    assert_int_equal(rig_files(&bytes), 3);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
    s = rig_open();
    for (size_t i = 0; i < VK_COUNT(sizes);
         i++) { /* each becomes the next one's size, and all kinds change */
        size_t j = (i + 3) % VK_COUNT(sizes);
        snprintf(key, sizeof key, "dir/k%zu", i);
        assert_int_equal(rig_is(s, key, sizes[i], (uint32_t)i), VK_OB_OK);
        assert_int_equal(rig_put(s, key, sizes[j], 100), VK_OB_OK);
        assert_int_equal(rig_is(s, key, sizes[j], 100), VK_OB_OK);
        assert_true(rig_consistent(s));
    }
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        snprintf(key, sizeof key, "dir/k%zu", i);
        assert_int_equal(rig_delete(s, key), VK_OB_OK);
        assert_int_equal(rig_is(s, key, 0, 0), VK_OB_NO_SUCH_KEY);
        assert_int_equal(rig_delete(s, key), VK_OB_OK);
    }
    vk_ob_usage u;
    vk_ob_usage_now(s, &u);
    assert_int_equal(u.bytes, 0);
    assert_int_equal(u.objects, 0);
    assert_int_equal(rig_files(&bytes), 0);
    /* "a" and "a/b" at once, and long segments. */
    char longest[VK_OB_KEY_MAX + 1] = {0};
    memset(longest, 'x', VK_OB_KEY_MAX);
    assert_int_equal(rig_put(s, "a", 1, 1), VK_OB_OK);
    assert_int_equal(rig_put(s, "a/b", 2, 2), VK_OB_OK);
    assert_int_equal(rig_put(s, longest, 3, 3), VK_OB_OK);
    assert_int_equal(rig_put(s, "", 4, 4), VK_OB_OK);
    assert_int_equal(rig_is(s, "a", 1, 1), VK_OB_OK);
    assert_int_equal(rig_is(s, longest, 3, 3), VK_OB_OK);
    assert_int_equal(rig_is(s, "", 4, 4), VK_OB_OK);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

static void metadata(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_arena *a = vk_arena_new(1 << 20);
    vk_buf h;
    vk_str name, value;
    vk_ob_object o;
    vk_ob_put *p;
    vk_buf_init(&h, 1 << 20);
    vk_ob_header_add(&h, VK_STR("content-type"), VK_STR("image/png"));
    vk_ob_header_add(&h, VK_STR("x-amz-meta-name"), VK_STR("caf\xc3\xa9"));
    vk_ob_commit c = {.headers = vk_buf_view(&h),
                      .sum = {.algo = 3, .type = 1, .n = 4, .value = {1, 2, 3, 4}}};
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), -1, &p), VK_OB_OK);
    assert_int_equal(rig_finish(p, 10, 1, &c, &o), VK_OB_OK);
    assert_int_equal(o.size, 10);
    assert_int_equal(strlen(o.etag), 32);
    int64_t then = o.mtime_ms;
    assert_int_equal(vk_ob_head(s, a, VK_STR("k"), &o), VK_OB_OK);
    assert_int_equal(o.mtime_ms, then);
    assert_int_equal(o.sum.algo, 3);
    assert_int_equal(o.sum.type, 1);
    assert_int_equal(o.sum.n, 4);
    assert_memory_equal(o.sum.value, "\1\2\3\4", 4);
    assert_true(vk_ob_header_next(&o.headers, &name, &value) && vk_str_eqz(value, "image/png"));
    assert_true(vk_ob_header_next(&o.headers, &name, &value) && vk_str_eqz(value, "caf\xc3\xa9"));
    assert_false(vk_ob_header_next(&o.headers, &name, &value));
    /* Replaced as a whole. */
    assert_int_equal(rig_put(s, "k", 10, 2), VK_OB_OK);
    assert_int_equal(vk_ob_head(s, a, VK_STR("k"), &o), VK_OB_OK);
    assert_int_equal(o.headers.n, 0);
    assert_int_equal(o.sum.algo, 0);
    static char large[VK_OB_HEADERS_MAX + 1];
    c.headers = (vk_str){large, sizeof large};
    assert_int_equal(rig_put_with(s, "k", 10, 3, c), VK_OB_METADATA_TOO_LARGE);
    assert_int_equal(rig_is(s, "k", 10, 2), VK_OB_OK);
    assert_int_equal(vk_ob_head(s, a, VK_STR("none"), &o), VK_OB_NO_SUCH_KEY);
    assert_true(rig_consistent(s));
    vk_buf_free(&h);
    vk_arena_free(a);
    vk_ob_close(s);
}

static void conditions(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    uint8_t md5[16];
    char body[20000], etag[64] = "\"";
    assert_int_equal(rig_put_with(s, "k", 20000, 1, (vk_ob_commit){.if_none_match_any = true}), VK_OB_OK);
    assert_int_equal(rig_put_with(s, "k", 20000, 2, (vk_ob_commit){.if_none_match_any = true}),
                     VK_OB_PRECONDITION);
    rig_fill(body, sizeof body, 1);
    rig_md5(body, sizeof body, md5);
    vk_hex(etag + 1, md5, 16);
    etag[33] = '"';
    assert_int_equal(rig_put_with(s, "k", 20000, 2, (vk_ob_commit){.if_match = VK_STR("\"0\"")}),
                     VK_OB_PRECONDITION);
    assert_int_equal(rig_is(s, "k", 20000, 1), VK_OB_OK);
    assert_int_equal(rig_put_with(s, "k", 20000, 2, (vk_ob_commit){.if_match = vk_str_z(etag)}), VK_OB_OK);
    assert_int_equal(rig_is(s, "k", 20000, 2), VK_OB_OK);
    assert_int_equal(rig_put_with(s, "none", 1, 1, (vk_ob_commit){.if_match = VK_STR("*")}),
                     VK_OB_NO_SUCH_KEY);
    vk_ob_delete d[4] = {{.key = VK_STR("k"), .if_match = vk_str_z(etag)},
                         {.key = VK_STR("none")},
                         {.key = VK_STR("none"), .if_match = VK_STR("*")},
                         {.key = VK_STR("k"), .if_match = VK_STR("*")}};
    assert_int_equal(vk_ob_delete_keys(s, d, 4), VK_OB_OK);
    assert_int_equal(d[0].result, VK_OB_PRECONDITION);
    assert_int_equal(d[1].result, VK_OB_OK);
    assert_false(d[1].was_there);
    assert_int_equal(d[2].result, VK_OB_NO_SUCH_KEY);
    assert_int_equal(d[3].result, VK_OB_OK);
    assert_true(d[3].was_there);
    static vk_ob_delete many[VK_OB_DELETE_MAX + 1];
    assert_int_equal(vk_ob_delete_keys(s, many, VK_OB_DELETE_MAX + 1), VK_OB_INVALID);
    assert_true(rig_consistent(s)); /* nothing of what was refused is left */
    vk_ob_close(s);
}

static void sizes_as_announced(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), 10, &p), VK_OB_OK);
    assert_int_equal(vk_ob_put_write(p, VK_STR("12345")), VK_OB_OK);
    assert_int_equal(vk_ob_put_commit(p, &c, NULL), VK_OB_INCOMPLETE);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), 10, &p), VK_OB_OK);
    assert_int_equal(vk_ob_put_write(p, VK_STR("12345678901")), VK_OB_INCOMPLETE);
    assert_int_equal(vk_ob_put_write(p, VK_STR("1")), VK_OB_INCOMPLETE); /* only abort is left */
    assert_int_equal(vk_ob_put_commit(p, &c, NULL), VK_OB_INCOMPLETE);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), -2, &p), VK_OB_INVALID);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), 100000, &p), VK_OB_OK);
    static char bytes[50000];
    assert_int_equal(vk_ob_put_write(p, (vk_str){bytes, sizeof bytes}), VK_OB_OK);
    vk_ob_put_abort(p);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

static void readers_keep_what_they_read(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_arena *a = vk_arena_new(1 << 16);
    static const size_t sizes[] = {100, 100000};
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        vk_ob_object o;
        vk_ob_reader *r;
        char *got, want[100000];
        assert_int_equal(rig_put(s, "k", sizes[i], 1), VK_OB_OK);
        assert_int_equal(vk_ob_get(s, a, VK_STR("k"), &o, &r), VK_OB_OK);
        assert_int_equal(rig_put(s, "k", 7, 2), VK_OB_OK);
        assert_int_equal(rig_delete(s, "k"), VK_OB_OK);
        rig_fill(want, sizes[i], 1);
        assert_int_equal(rig_read(r, 0, o.size, &got), VK_OB_OK);
        assert_memory_equal(got, want, sizes[i]);
        free(got);
        assert_int_equal(rig_read(r, 50, 20, &got), VK_OB_OK);
        assert_memory_equal(got, want + 50, 20);
        free(got);
        vk_ob_piece x;
        assert_int_equal(vk_ob_read(r, o.size, &x), VK_OB_INVALID_RANGE);
        assert_int_equal(vk_ob_read(r, -1, &x), VK_OB_INVALID_RANGE);
        vk_ob_reader_close(r);
        assert_true(rig_consistent(s));
    }
    vk_arena_free(a);
    vk_ob_close(s);
}

/* ---- multipart */

enum { BIG = VK_OB_PART_LEAST };

static void multipart(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_arena *a = vk_arena_new(1 << 20);
    uint8_t id[16], other[16];
    vk_ob_claim part[4];
    vk_ob_object o, again;
    vk_ob_commit c = {.sum = {.algo = 1, .n = 1, .value = {9}}};
    assert_int_equal(rig_put(s, "k", 50000, 9), VK_OB_OK);
    assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR("\0\1a\0\1b"), 4, 1, id), VK_OB_OK);
    assert_int_equal(rig_part(s, "k", id, 7, 1000, 7, &part[2]), VK_OB_OK); /* in any order, with gaps */
    assert_int_equal(rig_part(s, "k", id, 1, BIG, 99, &part[3]), VK_OB_OK);
    assert_int_equal(rig_part(s, "k", id, 1, BIG + 3, 1, &part[0]), VK_OB_OK); /* the last one wins */
    assert_int_equal(rig_part(s, "k", id, 2, BIG, 2, &part[1]), VK_OB_OK);
    assert_int_equal(rig_part(s, "k", id, 10000, 5, 5, NULL), VK_OB_OK); /* will not be listed */
    assert_true(rig_consistent(s));
    vk_ob_usage u;
    vk_ob_usage_now(s, &u);
    assert_int_equal(u.part_bytes, 2 * BIG + 3 + 4096 + 4096); /* small ones as 4 KiB */
    assert_int_equal(u.uploads, 1);

    /* Refused, and nothing changes. */
    vk_ob_put *p;
    assert_int_equal(vk_ob_part_begin(s, VK_STR("k"), id, 0, 1, &p), VK_OB_INVALID);
    assert_int_equal(vk_ob_part_begin(s, VK_STR("k"), id, 10001, 1, &p), VK_OB_INVALID);
    assert_int_equal(vk_ob_part_begin(s, VK_STR("other"), id, 1, 1, &p), VK_OB_NO_SUCH_UPLOAD);
    memcpy(other, id, 16);
    other[0] ^= 1;
    assert_int_equal(vk_ob_part_begin(s, VK_STR("k"), other, 1, 1, &p), VK_OB_NO_SUCH_UPLOAD);
    vk_ob_claim wrong[3] = {part[1], part[0], part[2]};
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 3, &c, &o), VK_OB_INVALID_PART_ORDER);
    wrong[0] = wrong[1] = part[0];
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 2, &c, &o), VK_OB_INVALID_PART_ORDER);
    wrong[0] = part[3]; /* the ETag of the part that was replaced */
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 1, &c, &o), VK_OB_INVALID_PART);
    wrong[0] = part[0];
    wrong[1] = (vk_ob_claim){.number = 3};
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 2, &c, &o), VK_OB_INVALID_PART);
    wrong[1] = (vk_ob_claim){.number = 10000 + 1};
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 2, &c, &o), VK_OB_INVALID_PART);
    wrong[0] = part[2];
    wrong[1] = part[2];
    wrong[1].number = 10000;
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 2, &c, &o), VK_OB_PART_TOO_SMALL);
    wrong[0] = part[0];
    wrong[0].sum = (vk_ob_sum){.algo = 1, .n = 4};
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, wrong, 1, &c, &o), VK_OB_INVALID_PART);
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, part, 0, &c, &o), VK_OB_INVALID);
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("x"), id, part, 3, &c, &o), VK_OB_NO_SUCH_UPLOAD);
    vk_ob_commit once = c;
    once.if_none_match_any = true;
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, part, 3, &once, &o), VK_OB_PRECONDITION);
    assert_int_equal(rig_is(s, "k", 50000, 9), VK_OB_OK);
    assert_true(rig_consistent(s));

    /* The ETag of ETags, by definition. */
    uint8_t md5s[48], md5[16];
    char etag[48];
    for (int i = 0; i < 3; i++)
        memcpy(md5s + 16 * i, part[i].md5, 16);
    rig_md5(md5s, 48, md5);
    vk_hex(etag, md5, 16);
    snprintf(etag + 32, 8, "-3");
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, part, 3, &c, &o), VK_OB_OK);
    assert_string_equal(o.etag, etag);
    assert_int_equal(o.size, 2 * BIG + 3 + 1000);
    assert_true(rig_consistent(s)); /* the part that was not listed has gone, and so has the old object */
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, part, 3, &c, &again), VK_OB_OK);
    assert_string_equal(again.etag, etag);
    assert_int_equal(again.size, o.size);
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("y"), id, part, 3, &c, &o), VK_OB_NO_SUCH_UPLOAD);
    assert_int_equal(vk_ob_upload_abort(s, VK_STR("k"), id), VK_OB_NO_SUCH_UPLOAD);

    /* Read over the borders, and by part. */
    char *want = malloc(2 * BIG + 2000), *got;
    vk_ob_reader *r;
    assert_non_null(want);
    rig_fill(want, BIG + 3, 1);
    rig_fill(want + BIG + 3, BIG, 2);
    rig_fill(want + 2 * BIG + 3, 1000, 7);
    assert_int_equal(vk_ob_get(s, a, VK_STR("k"), &o, &r), VK_OB_OK);
    assert_int_equal(o.parts, 3);
    assert_int_equal(o.sum.algo, 1);
    assert_int_equal(rig_read(r, 0, o.size, &got), VK_OB_OK);
    assert_memory_equal(got, want, (size_t)o.size);
    free(got);
    assert_int_equal(rig_read(r, BIG, 10, &got), VK_OB_OK);
    assert_memory_equal(got, want + BIG, 10);
    free(got);
    int64_t start, size;
    assert_true(vk_ob_reader_part(r, 2, &start, &size));
    assert_int_equal(start, BIG + 3);
    assert_int_equal(size, BIG);
    assert_false(vk_ob_reader_part(r, 3, &start, &size));
    vk_ob_part parts[3];
    size_t n;
    bool more;
    assert_int_equal(vk_ob_object_parts(s, a, VK_STR("k"), 1, 1, &again, parts, &n, &more), VK_OB_OK);
    assert_true(n == 1 && more && parts[0].number == 2 && parts[0].start == BIG + 3);
    assert_int_equal(vk_ob_object_parts(s, a, VK_STR("k"), 1, 2, &again, parts, &n, &more), VK_OB_OK);
    assert_true(n == 2 && !more && parts[1].number == 7);

    /* Its files stay until the last reader has gone, and a sweep knows it. */
    vk_ob_reader *second;
    int64_t bytes, removed;
    assert_int_equal(vk_ob_get(s, a, VK_STR("k"), &o, &second), VK_OB_OK);
    assert_int_equal(rig_delete(s, "k"), VK_OB_OK);
    assert_int_equal(vk_ob_sweep(s, &removed), VK_OB_OK);
    assert_int_equal(removed, 0);
    vk_ob_reader_close(r);
    assert_int_equal(rig_files(&bytes), 3);
    assert_int_equal(rig_read(second, 0, o.size, &got), VK_OB_OK);
    assert_memory_equal(got, want, (size_t)o.size);
    free(got);
    vk_ob_reader_close(second);
    assert_int_equal(rig_files(&bytes), 0);
    assert_true(rig_consistent(s));
    free(want);
    vk_arena_free(a);
    vk_ob_close(s);
}

static void uploads_end(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_arena *a = vk_arena_new(1 << 16);
    uint8_t id[3][16];
    vk_ob_put *p;
    vk_ob_upload u;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    size_t n;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR("h"), 2, 1, id[i]), VK_OB_OK);
        assert_int_equal(rig_part(s, "k", id[i], 1, 100, 1, NULL), VK_OB_OK);
    }
    assert_int_equal(vk_ob_upload_get(s, a, VK_STR("k"), id[0], &u), VK_OB_OK);
    assert_true(u.sum_algo == 2 && u.sum_type == 1 && vk_str_eqz(u.headers, "h"));
    /* A part that is on its way when the upload ends. */
    assert_int_equal(vk_ob_part_begin(s, VK_STR("k"), id[0], 2, 3, &p), VK_OB_OK);
    assert_int_equal(vk_ob_put_write(p, VK_STR("abc")), VK_OB_OK);
    assert_int_equal(vk_ob_upload_abort(s, VK_STR("k"), id[0]), VK_OB_OK);
    assert_int_equal(vk_ob_put_commit(p, &c, NULL), VK_OB_NO_SUCH_UPLOAD);
    assert_int_equal(vk_ob_upload_get(s, a, VK_STR("k"), id[0], &u), VK_OB_NO_SUCH_UPLOAD);
    assert_true(rig_consistent(s));
    assert_int_equal(vk_ob_upload_expire(s, u.created_ms - 1000, &n), VK_OB_OK);
    assert_int_equal(n, 0);
    assert_int_equal(vk_ob_upload_expire(s, u.created_ms + 3600000, &n), VK_OB_OK);
    assert_int_equal(n, 2);
    vk_ob_usage now;
    vk_ob_usage_now(s, &now);
    assert_int_equal(now.uploads + now.part_bytes, 0);
    assert_true(rig_consistent(s));
    /* So many at once and no more. */
    vk_ob_quota q = usual_quota;
    q.uploads = 2;
    vk_ob_set_quota(s, &q);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR(""), 0, 0, id[i]),
                         i < 2 ? VK_OB_OK : VK_OB_BUSY);
    vk_arena_free(a);
    vk_ob_close(s);
}

/* ---- copies */

static vk_ob_err copy(vk_ob *s, const char *from, int64_t at, int64_t n, const char *to, bool hash)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    vk_ob_put *p = NULL;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob_err e = vk_ob_get(s, a, vk_str_z(from), &o, &r);
    if (e != VK_OB_OK) {
        vk_arena_free(a);
        return e;
    }
    e = vk_ob_put_begin(s, vk_str_z(to), n, &p);
    if (e == VK_OB_OK) {
        if (!hash && vk_hex_decode(vk_str_z(o.etag), c.md5, 16) != VK_OK)
            e = VK_OB_INVALID;
        if (e == VK_OB_OK)
            e = vk_ob_put_copy(p, r, at, n, hash ? c.md5 : NULL, NULL);
        if (e == VK_OB_OK)
            e = vk_ob_put_commit(p, &c, NULL);
        else
            vk_ob_put_abort(p);
    }
    vk_ob_reader_close(r);
    vk_arena_free(a);
    return e;
}

static void copies(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    uint8_t id[16];
    vk_ob_claim part[2];
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob_object o;
    static const size_t sizes[] = {0, 100, VK_OB_INLINE_MAX, 1000000};
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        assert_int_equal(rig_put(s, "from", sizes[i], 4), VK_OB_OK);
        for (int hash = 0; hash < 2; hash++) {
            assert_int_equal(copy(s, "from", 0, (int64_t)sizes[i], "to", hash), VK_OB_OK);
            assert_int_equal(rig_is(s, "to", sizes[i], 4), VK_OB_OK);
            assert_int_equal(copy(s, "to", 0, (int64_t)sizes[i], "to", hash), VK_OB_OK); /* onto itself */
            assert_int_equal(rig_is(s, "to", sizes[i], 4), VK_OB_OK);
        }
        assert_true(rig_consistent(s));
    }
    assert_int_equal(copy(s, "none", 0, 0, "to", true), VK_OB_NO_SUCH_KEY);
    assert_int_equal(copy(s, "from", 0, 1000001, "to", true), VK_OB_INVALID_RANGE);
    assert_int_equal(rig_is(s, "to", 1000000, 4), VK_OB_OK);
    /* An object of several parts becomes one of one piece, with an MD5 of its own. */
    assert_int_equal(vk_ob_upload_create(s, VK_STR("m"), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(rig_part(s, "m", id, 1, BIG, 1, &part[0]), VK_OB_OK);
    assert_int_equal(rig_part(s, "m", id, 2, 77, 2, &part[1]), VK_OB_OK);
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("m"), id, part, 2, &c, &o), VK_OB_OK);
    assert_int_equal(copy(s, "m", 0, BIG + 77, "m", true), VK_OB_OK);
    assert_int_equal(rig_is(s, "m", BIG, 1), VK_OB_CORRUPT);
    char *want = malloc(BIG + 77);
    uint8_t md5[16];
    char etag[40];
    assert_non_null(want);
    rig_fill(want, BIG, 1);
    rig_fill(want + BIG, 77, 2);
    rig_md5(want, BIG + 77, md5);
    vk_hex(etag, md5, 16);
    vk_arena *a = vk_arena_new(1 << 16);
    assert_int_equal(vk_ob_head(s, a, VK_STR("m"), &o), VK_OB_OK);
    assert_string_equal(o.etag, etag);
    assert_int_equal(o.parts, 0);
    vk_arena_free(a);
    free(want);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

/* ---- quota, settings */

static void quota(void **state)
{
    VK_UNUSED(state);
    vk_ob_quota q = {.bytes = 100000, .objects = 3, .object_bytes = 60000, .uploads = 5};
    vk_ob *s = rig_open_with(&q);
    vk_ob_put *p, *p2;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    assert_int_equal(rig_put(s, "a", 60001, 1), VK_OB_TOO_LARGE);
    assert_int_equal(rig_put(s, "a", 60000, 1), VK_OB_OK);
    assert_int_equal(rig_put(s, "b", 40001, 1), VK_OB_QUOTA);
    /* What is under way is counted. */
    assert_int_equal(vk_ob_put_begin(s, VK_STR("b"), 30000, &p), VK_OB_OK);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("c"), 10001, &p2), VK_OB_QUOTA);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("c"), 10000, &p2), VK_OB_OK);
    assert_int_equal(rig_finish(p2, 10000, 2, &c, NULL), VK_OB_OK);
    assert_int_equal(rig_put(s, "d", 0, 1), VK_OB_QUOTA); /* a third key is reserved */
    vk_ob_put_abort(p);
    assert_int_equal(rig_put(s, "d", 30000, 1), VK_OB_OK);
    assert_int_equal(rig_put(s, "e", 0, 1), VK_OB_QUOTA);
    /* An overwrite counts the difference. */
    assert_int_equal(rig_put(s, "a", 59000, 3), VK_OB_OK);
    assert_int_equal(rig_put(s, "a", 60000, 3), VK_OB_OK);
    assert_int_equal(rig_put(s, "d", 30001, 3), VK_OB_QUOTA);
    /* …but not when what it counted on has gone to others meanwhile. */
    assert_int_equal(vk_ob_put_begin(s, VK_STR("a"), 60000, &p), VK_OB_OK);
    assert_int_equal(rig_delete(s, "a"), VK_OB_OK);
    assert_int_equal(rig_put(s, "x", 50000, 4), VK_OB_OK);
    assert_int_equal(rig_finish(p, 60000, 5, &c, NULL), VK_OB_QUOTA);
    assert_int_equal(rig_is(s, "a", 0, 0), VK_OB_NO_SUCH_KEY);
    assert_true(rig_consistent(s));
    /* Without a length it is counted while it comes. */
    assert_int_equal(rig_delete(s, "x"), VK_OB_OK);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("x"), -1, &p), VK_OB_OK);
    assert_int_equal(rig_finish(p, 60001, 5, &c, NULL), VK_OB_TOO_LARGE);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("x"), -1, &p), VK_OB_OK);
    assert_int_equal(rig_finish(p, 60000, 5, &c, NULL), VK_OB_OK);
    assert_true(rig_consistent(s));
    /* Parts count from the start. */
    uint8_t id[16];
    assert_int_equal(rig_delete(s, "x"), VK_OB_OK);
    assert_int_equal(vk_ob_upload_create(s, VK_STR("y"), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(rig_part(s, "y", id, 1, 60000, 1, NULL), VK_OB_OK);
    assert_int_equal(rig_part(s, "y", id, 2, 1, 1, NULL), VK_OB_QUOTA);
    assert_int_equal(rig_part(s, "y", id, 1, 60000, 2, NULL), VK_OB_OK);
    assert_true(rig_consistent(s));
    /* A quota that was lowered below what is there refuses what grows, and nothing else. */
    q.bytes = 10;
    vk_ob_set_quota(s, &q);
    assert_int_equal(rig_put(s, "d", 20000, 6), VK_OB_OK);
    assert_int_equal(rig_put(s, "d", 20001, 6), VK_OB_QUOTA);
    assert_int_equal(rig_is(s, "d", 20000, 6), VK_OB_OK);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

static void settings_and_versions(void **state)
{
    VK_UNUSED(state);
    uint64_t order;
    vk_ob *s = rig_open();
    vk_arena *a = vk_arena_new(1 << 20);
    vk_str rules;
    static char large[VK_OB_CORS_MAX + 1];
    assert_int_equal(vk_ob_cors_get(s, a, &rules), VK_OB_NO_SUCH_CORS);
    assert_int_equal(vk_ob_cors_set(s, (vk_str){large, sizeof large}, &order), VK_OB_INVALID);
    assert_int_equal(vk_ob_cors_set(s, VK_STR("one"), &order), VK_OB_OK);
    assert_int_equal(vk_ob_cors_set(s, VK_STR("two"), &order), VK_OB_OK);
    vk_ob_close(s);
    s = rig_open();
    assert_int_equal(vk_ob_cors_get(s, a, &rules), VK_OB_OK);
    assert_true(vk_str_eqz(rules, "two"));
    assert_int_equal(vk_ob_cors_delete(s, &order), VK_OB_OK);
    assert_int_equal(vk_ob_cors_get(s, a, &rules), VK_OB_NO_SUCH_CORS);
    char path[sizeof s->path];
    snprintf(path, sizeof path, "%s", s->path);
    vk_ob_close(s);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(vk_ob_open(rig_fd, rig_dir, "demo", &usual_quota, &s), VK_OB_NEWER);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd,
                           "this is no database, not by a long way; and it is longer than a header of "
                           "SQLite's, which is a hundred bytes",
                           100),
                     100);
    close(fd);
    assert_int_equal(vk_ob_open(rig_fd, rig_dir, "demo", &usual_quota, &s), VK_OB_CORRUPT);
    vk_arena_free(a);
}

static void sweep(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    int64_t removed, bytes;
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    assert_int_equal(rig_put(s, "k", 50000, 1), VK_OB_OK);
    int fd = openat(s->blobs_fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        assert_int_equal(mkdirat(s->blobs_fd, "a", 0700), 0);
        fd = openat(s->blobs_fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    close(openat(fd, "a0000000000000000000000000000000", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    close(openat(fd, "not-ours", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    /* Beside one that is under way. */
    assert_int_equal(vk_ob_put_begin(s, VK_STR("l"), 60000, &p), VK_OB_OK);
    char *b = malloc(60000);
    rig_fill(b, 60000, 3);
    rig_md5(b, 60000, c.md5);
    assert_int_equal(vk_ob_put_write(p, (vk_str){b, 30000}), VK_OB_OK);
    assert_int_equal(vk_ob_sweep(s, &removed), VK_OB_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(vk_ob_put_write(p, (vk_str){b + 30000, 30000}), VK_OB_OK);
    assert_int_equal(vk_ob_put_commit(p, &c, NULL), VK_OB_OK);
    free(b);
    assert_int_equal(rig_is(s, "l", 60000, 3), VK_OB_OK);
    assert_int_equal(rig_is(s, "k", 50000, 1), VK_OB_OK);
    assert_int_equal(unlinkat(fd, "not-ours", 0), 0);
    /* A file that is gone is said to be. */
    vk_ob_close(s);
    s = rig_open();
    assert_int_equal(rig_files(&bytes), 2);
    for (int i = 0; i < 16; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/builds/demo/blobs/%x", rig_dir, (unsigned)i);
        folder_remove(path);
    }
    assert_int_equal(rig_is(s, "k", 50000, 1), VK_OB_CORRUPT);
    close(fd);
    vk_ob_close(s);
}

struct names {
    char all[8][64];
    int64_t sizes[8];
    size_t n;
};

static bool note_name(void *arg, const char *name, int64_t size)
{
    struct names *x = arg;
    assert_true(x->n < 8);
    snprintf(x->all[x->n], sizeof x->all[0], "%s", name);
    x->sizes[x->n++] = size;
    return true;
}

static void copy_index(vk_ob *s, char path[80], struct names *out)
{
    snprintf(path, 80, "%s/copy", rig_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(vk_ob_copy_index(s, path), VK_OB_OK);
    *out = (struct names){.n = 0};
    assert_int_equal(vk_ob_copied_names(path, note_name, out), VK_OK);
}

static bool all_there(const struct names *x)
{
    struct stat st;
    for (size_t i = 0; i < x->n; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/builds/demo/%s", rig_dir, x->all[i]);
        if (stat(path, &st) != 0 || st.st_size != x->sizes[i] || (i && strcmp(x->all[i - 1], x->all[i]) >= 0))
            return false;
    }
    return true;
}

/* What a copy of the index names stays while files are held, whatever becomes of the objects. */
static void held_for_a_copy(void **state)
{
    VK_UNUSED(state);
    char path[80];
    struct names names;
    int64_t bytes;
    uint8_t id[16];
    vk_ob *s = rig_open();
    vk_ob_put *p;
    assert_int_equal(rig_put(s, "small", 10, 1), VK_OB_OK);
    assert_int_equal(rig_put(s, "a", 20000, 2), VK_OB_OK);
    assert_int_equal(rig_put(s, "b", 30000, 3), VK_OB_OK);
    assert_int_equal(vk_ob_upload_create(s, VK_STR("up"), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(vk_ob_part_begin(s, VK_STR("up"), id, 1, 5, &p), VK_OB_OK);
    assert_int_equal(vk_ob_put_write(p, VK_STR("12345")), VK_OB_OK);
    assert_int_equal(
        vk_ob_put_commit(p, &(vk_ob_commit){.headers = VK_STR(""), .if_match = VK_STR("")}, NULL), VK_OB_OK);
    vk_ob_hold_files(s);
    vk_ob_hold_files(s);
    copy_index(s, path, &names);
    assert_int_equal(names.n, 3);
    assert_true(all_there(&names));
    assert_int_equal(rig_put(s, "a", 40000, 4), VK_OB_OK);
    assert_int_equal(rig_delete(s, "b"), VK_OB_OK);
    assert_int_equal(vk_ob_upload_abort(s, VK_STR("up"), id), VK_OB_OK);
    assert_true(all_there(&names));
    int64_t swept;
    assert_int_equal(vk_ob_sweep(s, &swept), VK_OB_OK);
    assert_true(all_there(&names));
    vk_ob_release_files(s);
    assert_true(all_there(&names));
    vk_ob_release_files(s);
    assert_false(all_there(&names));
    assert_int_equal(rig_files(&bytes), 1);
    assert_true(rig_consistent(s));
    struct names later;
    copy_index(s, path, &later);
    assert_true(later.n == 1 && all_there(&later));
    vk_ob_close(s);
}

/* No index of ours has such rows; one that was restored may. Each is an error and nothing else; totals are
 * mended. */
static vk_ob_err after(const char *change, bool reopen)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob *s = rig_open();
    vk_ob_object o;
    vk_ob_reader *r = NULL;
    assert_int_equal(sqlite3_exec(s->writer->db, change, NULL, NULL, NULL), SQLITE_OK);
    if (reopen) {
        vk_ob_err e;
        vk_ob_close(s);
        e = vk_ob_open(rig_fd, rig_dir, "demo", &usual_quota, &s);
        vk_arena_free(a);
        if (e == VK_OB_OK) {
            assert_true(rig_consistent(s)); /* totals that cannot be are counted again */
            vk_ob_close(s);
        }
        return e;
    }
    vk_ob_err e = vk_ob_get(s, a, VK_STR("k"), &o, &r);
    if (e == VK_OB_OK)
        vk_ob_reader_close(r);
    vk_arena_free(a);
    vk_ob_close(s);
    return e;
}

static void rows_of_others(void **state)
{
    VK_UNUSED(state);
    static const char *const objects[] = {
        "UPDATE objects SET size = -5",
        "UPDATE objects SET size = size + 1",
        "UPDATE objects SET parts = 4294967297",
        "UPDATE objects SET parts = -1",
        "UPDATE objects SET parts = 100000000",
        "UPDATE objects SET parts = 1",
        "UPDATE objects SET blob = zeroblob(16)",
        "UPDATE objects SET blob = zeroblob(9)",
        "UPDATE objects SET etag = hex(zeroblob(100))",
        "UPDATE extents SET start = start + 1",
        "UPDATE extents SET start = -1 WHERE start = 0",
        "UPDATE extents SET size = 9223372036854775807 WHERE start = 0",
        "UPDATE extents SET size = -1 WHERE start > 0",
        "UPDATE extents SET blob = '../../../../x' WHERE start > 0",
        "DELETE FROM extents WHERE start > 0",
    };
    static const char *const totals[] = {
        "UPDATE usage SET bytes = -1000",
        "UPDATE usage SET objects = 9223372036854775807",
        "UPDATE usage SET part_bytes = -1",
        "UPDATE extents SET content = 9223372036854775807",
    };
    for (size_t i = 0; i < VK_COUNT(objects) + VK_COUNT(totals); i++) {
        bool total = i >= VK_COUNT(objects);
        const char *change = total ? totals[i - VK_COUNT(objects)] : objects[i];
        uint8_t id[16];
        vk_ob_claim claims[2];
        vk_ob_commit c = {.headers = VK_STR_NONE};
        rig_make();
        vk_ob *s = rig_open();
        assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR(""), 0, 0, id), VK_OB_OK);
        assert_int_equal(rig_part(s, "k", id, 1, VK_OB_PART_LEAST, 1, &claims[0]), VK_OB_OK);
        assert_int_equal(rig_part(s, "k", id, 2, 100, 2, &claims[1]), VK_OB_OK);
        assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, claims, 2, &c, NULL), VK_OB_OK);
        vk_arena *a = vk_arena_new(1 << 16);
        vk_ob_object o;
        vk_ob_reader *r;
        assert_int_equal(vk_ob_head(s, a, VK_STR("k"), &o), VK_OB_OK); /* leaves a connection open */
        assert_int_equal(vk_ob_get_now(s, a, VK_STR("k"), &o, &r), VK_OB_OK);
        vk_ob_reader_close(r);
        assert_int_equal(sqlite3_exec(s->writer->db, "UPDATE objects SET parts = 65", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(vk_ob_get_now(s, a, VK_STR("k"), &o, &r), VK_OB_BUSY); /* much to read for a loop */
        assert_int_equal(vk_ob_get(s, a, VK_STR("k"), &o, &r), VK_OB_CORRUPT);
        assert_int_equal(sqlite3_exec(s->writer->db, "UPDATE objects SET parts = 2", NULL, NULL, NULL),
                         SQLITE_OK);
        vk_arena_free(a);
        vk_ob_close(s);
        vk_ob_err e = after(change, total);
        if (e != (strncmp(change, "UPDATE usage", 12) == 0 ? VK_OB_OK : VK_OB_CORRUPT))
            fail_msg("%s: %s", change, vk_ob_errs[e].message);
        rig_unmake();
    }
}

/* The index has a largest size too: what is stored beside bytes is not free. */
static void index_is_bounded(void **state)
{
    VK_UNUSED(state);
    static char headers[VK_OB_HEADERS_MAX];
    char key[16];
    vk_ob_err e = VK_OB_OK;
    int n = 0;
    vk_ob *s = rig_open();
    assert_int_equal(sqlite3_exec(s->writer->db, "PRAGMA max_page_count = 200", NULL, NULL, NULL), SQLITE_OK);
    for (; n < 200 && e == VK_OB_OK; n++) {
        snprintf(key, sizeof key, "k%d", n);
        e = rig_put_with(s, key, 0, 1, (vk_ob_commit){.headers = {headers, sizeof headers}});
    }
    assert_int_equal(e, VK_OB_QUOTA);
    assert_true(n > 20);
    assert_true(rig_consistent(s));
    assert_int_equal(rig_delete(s, "k1"), VK_OB_OK); /* makes room */
    e = rig_put_with(s, "again", 0, 1, (vk_ob_commit){.headers = {headers, sizeof headers}});
    assert_int_equal(e, VK_OB_OK);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

/* What could keep a thread for ever is not run. */
static void views_and_triggers(void **state)
{
    VK_UNUSED(state);
    static const char trap[] =
        "CREATE TRIGGER t BEFORE INSERT ON objects BEGIN INSERT INTO finished SELECT randomblob(16), '', 0, "
        "0, '', 0, 0, 0, '' FROM objects; SELECT raise(ABORT, 'trap'); END;"
        "DROP TABLE parts; CREATE VIEW parts AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
        "n) SELECT zeroblob(16) AS upload, i AS number, 1 AS size, 0 AS md5, 0 AS mtime, zeroblob(16) AS "
        "blob, "
        "0 AS sum_algo, 0 AS sum_type, 0 AS sum FROM n";
    uint8_t id[16] = {0};
    vk_ob_part parts[1];
    size_t n;
    bool more;
    int64_t removed;
    vk_ob *s = rig_open();
    assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(sqlite3_exec(s->writer->db, trap, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(rig_put(s, "small", 10, 1), VK_OB_OK);
    assert_int_equal(rig_is(s, "small", 10, 1), VK_OB_OK);
    assert_int_equal(vk_ob_upload_parts(s, VK_STR("k"), id, 0, 1, parts, &n, &more), VK_OB_NOMEM);
    assert_int_equal(vk_ob_sweep(s, &removed),
                     VK_OB_OK); /* there is no file that it would have to look for */
    vk_ob_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(put_get_delete),
        RIG_TEST(metadata),
        RIG_TEST(conditions),
        RIG_TEST(sizes_as_announced),
        RIG_TEST(readers_keep_what_they_read),
        RIG_TEST(multipart),
        RIG_TEST(uploads_end),
        RIG_TEST(copies),
        RIG_TEST(quota),
        RIG_TEST(settings_and_versions),
        RIG_TEST(sweep),
        RIG_TEST(held_for_a_copy),
        cmocka_unit_test(rows_of_others),
        RIG_TEST(index_is_bounded),
        RIG_TEST(views_and_triggers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
