/* Rows straight from SQLite into the answer; no tree is built. Shapes: docs of libSQL's Hrana, §3.3 and §3.4
 * of its spec. */
#include "services/database/embedded/db.h"

#include "core/encode.h"
#include "core/json_write.h"

/* SQLite could not lay the value out in one piece (a zeroblob, a text without its NUL). */
static bool no_memory(vk_buf *out, const void *p, int n)
{
    if (p || n == 0)
        return false;
    out->err = VK_E_NOMEM;
    return true;
}

void vk_put_value(vk_buf *out, sqlite3_stmt *st, int col)
{
    switch (sqlite3_column_type(st, col)) {
    case SQLITE_INTEGER:
        vk_buf_lit(out, "{\"type\":\"integer\",\"value\":\"");
        vk_buf_i64(out, sqlite3_column_int64(st, col));
        vk_buf_lit(out, "\"}");
        return;
    case SQLITE_FLOAT:
        vk_buf_lit(out, "{\"type\":\"float\",\"value\":");
        vk_json_double(out, sqlite3_column_double(st, col));
        vk_buf_ch(out, '}');
        return;
    case SQLITE_TEXT: {
        const char *p = (const char *)sqlite3_column_text(st, col);
        int n = sqlite3_column_bytes(st, col);
        if (no_memory(out, p, n))
            return;
        vk_buf_lit(out, "{\"type\":\"text\",\"value\":");
        vk_json_quote(out, (vk_str){p, (size_t)n});
        vk_buf_ch(out, '}');
        return;
    }
    case SQLITE_BLOB: {
        const void *p = sqlite3_column_blob(st, col);
        int n = sqlite3_column_bytes(st, col);
        if (no_memory(out, p, n))
            return;
        vk_buf_lit(out, "{\"type\":\"blob\",\"base64\":\"");
        vk_base64(out, p, (size_t)n, false);
        vk_buf_lit(out, "\"}");
        return;
    }
    default:
        vk_buf_lit(out, "{\"type\":\"null\"}");
    }
}

/* Names and types lie in as many places as there are: together they are read faster. */
static void keep_cols(vk_cached *c, const char *p, size_t n, int prepared)
{
    char *cols = c->used && n <= VK_DB_CACHE_COLS ? malloc(n) : NULL;
    free(c->cols);
    c->cols = cols;
    if (!cols)
        return;
    memcpy(cols, p, n);
    c->n_cols = (uint32_t)n;
    c->cols_prepared = prepared;
}

static void put_cols(vk_buf *out, sqlite3_stmt *st)
{
    int n = sqlite3_column_count(st);
    vk_buf_ch(out, '[');
    for (int i = 0; i < n; i++) {
        const char *type = sqlite3_column_decltype(st, i);
        if (i)
            vk_buf_ch(out, ',');
        vk_buf_lit(out, "{\"name\":");
        vk_json_quote(out, vk_str_z(sqlite3_column_name(st, i)));
        vk_buf_lit(out, ",\"decltype\":");
        if (type)
            vk_json_quote(out, vk_str_z(type));
        else
            vk_buf_lit(out, "null");
        vk_buf_ch(out, '}');
    }
    vk_buf_ch(out, ']');
}

void vk_put_cols(vk_buf *out, vk_cached *c)
{
    int prepared = sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (c->cols && c->cols_prepared == prepared) {
        vk_buf_add(out, c->cols, c->n_cols);
        return;
    }
    size_t at = out->n;
    put_cols(out, c->st);
    if (!out->err)
        keep_cols(c, out->p + at, out->n - at, prepared);
}

void vk_put_error(vk_buf *out, const vk_sqlerr *e)
{
    vk_buf_lit(out, "{\"message\":");
    vk_json_quote(out, e->message);
    vk_buf_lit(out, ",\"code\":");
    vk_json_quote(out, vk_str_z(e->code));
    vk_buf_ch(out, '}');
}
