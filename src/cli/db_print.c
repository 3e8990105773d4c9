#include "cli/db_print.h"

#include "cli/api.h"
#include "cli/out.h"
#include "core/encode.h"
#include "core/json_write.h"

enum { CELL_MAX = 200, BLOB_SHOWN = 24, JSON_MAX = 256 * 1024 * 1024 };

static void put_blob(vk_str base64, vk_buf *out)
{
    vk_arena *a = vk_arena_new(base64.n * 2 + 65536);
    vk_str bytes;
    if (a && vk_base64_decode(a, base64, &bytes) == VK_OK) {
        char hex[2 * BLOB_SHOWN + 1];
        size_t n = bytes.n < BLOB_SHOWN ? bytes.n : BLOB_SHOWN;
        vk_hex(hex, bytes.p, n);
        vk_buf_printf(out, "x'%s%s'", hex, n < bytes.n ? "…" : "");
        if (n < bytes.n)
            vk_buf_printf(out, " (%zu bytes)", bytes.n);
    }
    vk_arena_free(a);
}

static void add_cell(vk_table *t, const vk_json *v)
{
    vk_str type = vk_json_str(vk_json_get(v, VK_STR("type")));
    const vk_json *value = vk_json_get(v, VK_STR("value"));
    vk_buf b;
    vk_buf_init(&b, 1024 * 1024);
    bool number = false;
    vk_tone tone = VK_PLAIN;
    if (vk_str_eqz(type, "null")) {
        vk_buf_lit(&b, "NULL");
        tone = VK_DIM;
    } else if (vk_str_eqz(type, "integer")) {
        vk_buf_str(&b, vk_json_str(value));
        number = true;
    } else if (vk_str_eqz(type, "float")) {
        number = true;
        if (value && value->type == VK_JSON_DOUBLE)
            vk_json_double(&b, value->u.d);
        else if (value && value->type == VK_JSON_INT)
            vk_buf_printf(&b, "%lld.0", (long long)value->u.i);
        else
            vk_buf_lit(&b, "NULL");
    } else if (vk_str_eqz(type, "blob")) {
        put_blob(vk_json_str(vk_json_get(v, VK_STR("base64"))), &b);
        tone = VK_DIM;
    } else {
        vk_str s = vk_json_str(value);
        bool cut = s.n > CELL_MAX;
        size_t n = cut ? CELL_MAX : s.n;
        while (cut && n && ((unsigned char)s.p[n] & 0xc0) == 0x80) /* not in the middle of a character */
            n--;
        vk_buf_add(&b, s.p, n);
        if (cut)
            vk_buf_lit(&b, "…");
    }
    vk_table_cell(t, vk_buf_view(&b), tone, number);
    vk_buf_free(&b);
}

/* One text column with one row or long lines, such as a schema: as it is, not as a table. */
static bool is_prose(const vk_json *result)
{
    const vk_json *col = vk_reply_items(vk_json_get(result, VK_STR("cols")));
    return col && !col->next && vk_str_eqz(vk_json_str(vk_json_get(col, VK_STR("name"))), "sql");
}

static void print_prose(const vk_json *rows)
{
    for (const vk_json *r = vk_reply_items(rows); r; r = r->next) {
        const vk_json *v = vk_reply_items(r);
        vk_str left = vk_json_str(vk_json_get(v, VK_STR("value"))), line;
        while (left.n) {
            vk_buf b;
            vk_buf_init(&b, 64 * 1024 * 1024);
            if (!vk_str_cut(&left, '\n', &line)) {
                line = left;
                left = VK_STR_NONE;
            }
            vk_text_visible(&b, line);
            printf(VK_STR_FMT "%s\n", VK_STR_ARG(vk_buf_view(&b)), left.n ? "" : ";");
            vk_buf_free(&b);
        }
    }
}

static void print_table(const vk_json *result)
{
    const vk_json *cols = vk_json_get(result, VK_STR("cols")), *rows = vk_json_get(result, VK_STR("rows"));
    vk_table *t = vk_table_new(cols->count);
    if (!t)
        return;
    size_t i = 0;
    for (const vk_json *c = vk_reply_items(cols); c; c = c->next, i++) {
        /* A column of numbers has its name on the right too. */
        const vk_json *first = vk_reply_items(vk_reply_items(rows));
        for (size_t k = 0; first && k < i; k++)
            first = first->next;
        vk_str type = vk_json_str(vk_json_get(first, VK_STR("type")));
        vk_table_cell(t, vk_json_str(vk_json_get(c, VK_STR("name"))), VK_BOLD,
                      vk_str_eqz(type, "integer") || vk_str_eqz(type, "float"));
    }
    for (const vk_json *r = vk_reply_items(rows); r; r = r->next)
        for (const vk_json *v = vk_reply_items(r); v; v = v->next)
            add_cell(t, v);
    if (!vk_table_print(t, stdout, 0))
        vk_failed("nomem", "The result does not fit into memory; add a LIMIT.");
}

static void put_json_value(vk_jw *w, const vk_json *v)
{
    vk_str type = vk_json_str(vk_json_get(v, VK_STR("type")));
    const vk_json *value = vk_json_get(v, VK_STR("value"));
    if (vk_str_eqz(type, "integer")) /* digits as they are: 64 bits do not fit a double */
        vk_jw_raw(w, vk_json_str(value));
    else if (vk_str_eqz(type, "float") && value && value->type == VK_JSON_DOUBLE)
        vk_jw_double(w, value->u.d);
    else if (vk_str_eqz(type, "float") && value && value->type == VK_JSON_INT)
        vk_jw_i64(w, value->u.i);
    else if (vk_str_eqz(type, "text"))
        vk_jw_str(w, vk_json_str(value));
    else if (vk_str_eqz(type, "blob")) {
        vk_jw_obj(w);
        vk_jw_kstr(w, "base64", vk_json_str(vk_json_get(v, VK_STR("base64"))));
        vk_jw_obj_end(w);
    } else {
        vk_jw_null(w);
    }
}

static void print_json(const vk_json *result)
{
    const vk_json *cols = vk_json_get(result, VK_STR("cols"));
    vk_buf b;
    vk_buf_init(&b, JSON_MAX);
    vk_jw w = vk_jw_on(&b);
    int64_t changes = 0;
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("columns"));
    vk_jw_arr(&w);
    for (const vk_json *c = vk_reply_items(cols); c; c = c->next)
        vk_jw_str(&w, vk_json_str(vk_json_get(c, VK_STR("name"))));
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR("rows"));
    vk_jw_arr(&w);
    for (const vk_json *r = vk_reply_items(vk_json_get(result, VK_STR("rows"))); r; r = r->next) {
        const vk_json *c = vk_reply_items(cols);
        vk_jw_obj(&w);
        for (const vk_json *v = vk_reply_items(r); v && c; v = v->next, c = c->next) {
            vk_jw_key(&w, vk_json_str(vk_json_get(c, VK_STR("name"))));
            put_json_value(&w, v);
        }
        vk_jw_obj_end(&w);
    }
    vk_jw_arr_end(&w);
    if (vk_json_i64(vk_json_get(result, VK_STR("affected_row_count")), &changes) == VK_OK)
        vk_jw_ki64(&w, "changes", changes);
    vk_jw_obj_end(&w);
    if (b.err)
        vk_failed("too_large", "The result does not fit into memory; add a LIMIT.");
    else
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
    fflush(stdout);
    vk_buf_free(&b);
}

void vk_db_print_result(const vk_json *result, bool json, bool notes)
{
    const vk_json *cols = vk_json_get(result, VK_STR("cols")), *rows = vk_json_get(result, VK_STR("rows"));
    int64_t changes = 0;
    if (json) {
        print_json(result);
        return;
    }
    if (cols && cols->count) {
        if (is_prose(result))
            print_prose(rows);
        else
            print_table(result);
        if (notes && rows)
            printf("%s(%u row%s)%s\n", vk_tone_begin(stdout, VK_DIM), rows->count,
                   rows->count == 1 ? "" : "s", vk_tone_end(stdout));
    } else if (notes && vk_json_i64(vk_json_get(result, VK_STR("affected_row_count")), &changes) == VK_OK) {
        printf("%sOK, %lld row%s changed%s\n", vk_tone_begin(stdout, VK_DIM), (long long)changes,
               changes == 1 ? "" : "s", vk_tone_end(stdout));
    }
    fflush(stdout);
}

void vk_db_print_error(bool json, const char *code, const char *text)
{
    if (!json) {
        fflush(stdout);
        fprintf(stderr, "%serror:%s %s\n", vk_tone_begin(stderr, VK_BAD), vk_tone_end(stderr), text);
        return;
    }
    vk_buf b;
    vk_buf_init(&b, 1024 * 1024);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("error"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "code", vk_str_z(code));
    vk_jw_kstr(&w, "message", vk_str_z(text));
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
    fflush(stdout);
    vk_buf_free(&b);
}
