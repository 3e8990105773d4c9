/* An upload form of any bytes, read in one piece and in pieces that the first byte seeds: both must give the
 * same fields, the same file and the same verdict. With the top bit, the first line is the Content-Type. */
#include "services/storage/s3form.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct outcome {
    vk_s3_fail fail;
    vk_s3form_state state;
    size_t n_fields;
    vk_buf all; /* names, values, the file */
} outcome;

static void run(vk_str type, vk_str body, uint32_t seed, outcome *o)
{
    static vk_s3form f;
    vk_arena *a = vk_arena_new(1 << 20);
    CHECK(a);
    vk_buf file;
    vk_buf_init(&file, 1 << 20);
    o->fail = vk_s3form_begin(&f, a, type);
    while (o->fail == VK_S3_OK && body.n) {
        size_t n = seed ? 1 + (seed >> 16) % 7 : body.n;
        seed = seed * 1664525 + (seed ? 1013904223 : 0);
        vk_str in = {body.p, n < body.n ? n : body.n}, data;
        body = (vk_str){body.p + in.n, body.n - in.n};
        while (in.n && o->fail == VK_S3_OK) {
            size_t before = in.n;
            vk_s3form_state was = f.state;
            o->fail = vk_s3form_feed(&f, &in, &data);
            CHECK(o->fail != VK_S3_OK || in.n < before || f.state != was || data.n);
            CHECK(data.n == 0 || was == VK_S3FORM_FILE);
            vk_buf_str(&file, data);
        }
    }
    CHECK(o->fail == VK_S3_OK || f.state == VK_S3FORM_BAD);
    o->fail = o->fail == VK_S3_OK ? vk_s3form_end(&f) : o->fail;
    o->state = f.state;
    o->n_fields = f.n_fields;
    vk_buf_init(&o->all, 4 << 20);
    CHECK(f.n_fields <= VK_POST_FIELDS_MAX);
    for (size_t i = 0; i < f.n_fields; i++) {
        CHECK(f.fields[i].name.n && f.fields[i].value.n <= VK_S3FORM_FIELD_MAX);
        vk_buf_printf(&o->all, "%zu %zu ", f.fields[i].name.n, f.fields[i].value.n);
        vk_buf_str(&o->all, f.fields[i].name);
        vk_buf_str(&o->all, f.fields[i].value);
    }
    vk_buf_str(&o->all, f.file_name);
    vk_buf_ch(&o->all, '|');
    vk_buf_str(&o->all, f.file_type);
    vk_buf_ch(&o->all, '|');
    vk_buf_str(&o->all, vk_buf_view(&file));
    CHECK(file.err == VK_OK && o->all.err == VK_OK);
    vk_buf_free(&file);
    vk_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    vk_str body = {(const char *)data + 1, size - 1}, type = VK_STR("multipart/form-data; boundary=B");
    if (data[0] & 0x80 && !vk_str_cut(&body, '\n', &type))
        return 0;
    outcome whole, cut;
    run(type, body, 0, &whole);
    run(type, body, 1 + (uint32_t)data[0] * 2654435761u, &cut);
    CHECK(whole.fail == cut.fail && whole.state == cut.state && whole.n_fields == cut.n_fields);
    CHECK(vk_str_eq(vk_buf_view(&whole.all), vk_buf_view(&cut.all)));
    vk_buf_free(&whole.all);
    vk_buf_free(&cut.all);
    return 0;
}
