/* Listings of parts, and of uploads that are open. */
#include "services/storage/embedded/inside.h"
#include "services/storage/embedded/list_walk.h"

static vk_ob_err read_parts(vk_ob_conn *c, const uint8_t id[16], int after, size_t max, vk_ob_part *out,
                            size_t *n_r, bool *more_r)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_PARTS);
    vk_ob_bind(st, 1, (vk_str){(const char *)id, 16});
    vk_ob_bind_i(st, 2, after);
    size_t n = 0;
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW && n < max) {
        vk_ob_part *p = &out[n++];
        vk_str md5 = vk_ob_col(st, 2);
        *p = (vk_ob_part){.number = sqlite3_column_int(st, 0),
                          .size = sqlite3_column_int64(st, 1),
                          .mtime_ms = sqlite3_column_int64(st, 3)};
        if (md5.n == 16)
            memcpy(p->md5, md5.p, 16);
        vk_ob_read_sum(st, 5, &p->sum);
    }
    *more_r = rc == SQLITE_ROW;
    *n_r = n;
    sqlite3_reset(st);
    return vk_ob_sql_err(rc);
}

vk_ob_err vk_ob_upload_parts(vk_ob *s, vk_str key, const uint8_t id[16], int after, size_t max,
                             vk_ob_part *out, size_t *n_r, bool *more_r)
{
    vk_ob_conn *c;
    vk_ob_upload u;
    vk_arena *a = vk_arena_new(VK_OB_HEADERS_MAX + 8 * VK_OB_KEY_MAX);
    vk_ob_err e = a ? vk_ob_upload_get(s, a, key, id, &u) : VK_OB_NOMEM;
    vk_arena_free(a);
    if (e == VK_OB_OK)
        e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = read_parts(c, id, after, max, out, n_r, more_r);
    vk_ob_conn_put(s, c);
    return e;
}

/* ---- open uploads */

static void seek(sqlite3_stmt *st, const vk_ob_walk *w, const uint8_t *id)
{
    vk_ob_bind(st, 1, (vk_str){w->from, w->n_from});
    vk_ob_bind(st, 2, id ? (vk_str){(const char *)id, 16} : VK_STR_NONE);
}

/* The upload at the cursor, and whether it is the one that the page before ended with. */
static bool is_marker(const vk_ob_upload_list *l, const vk_ob_upload *u)
{
    return l->after_id && vk_str_eq(u->key, l->after_key) && memcmp(u->id, l->after_id, 16) == 0;
}

static vk_ob_err walk_uploads(vk_ob_conn *c, const vk_ob_upload_list *l, vk_ob_walk *w, bool *more_r)
{
    size_t n = 0;
    int rc = SQLITE_DONE;
    const uint8_t *id = l->after_id;
    sqlite3_stmt *st = NULL;
    while (!w->over) {
        if (!st) {
            st = vk_ob_st(c, Q_LIST_UPLOADS);
            seek(st, w, id);
            id = NULL;
        }
        rc = vk_ob_step(st);
        if (rc != SQLITE_ROW)
            break;
        vk_str common, found = vk_ob_col(st, 5);
        vk_ob_upload u = {.key = vk_ob_col(st, 0),
                          .created_ms = sqlite3_column_int64(st, 1),
                          .sum_algo = (uint8_t)sqlite3_column_int(st, 2),
                          .sum_type = (uint8_t)sqlite3_column_int(st, 3),
                          .headers = vk_ob_col(st, 4)};
        if (found.n == 16)
            memcpy(u.id, found.p, 16);
        if (!vk_ob_walk_key(w, u.key, &common))
            break;
        if (common.n == 0 && is_marker(l, &u))
            continue;
        if (n == l->max || !l->entry(l->arg, common.n ? NULL : &u, common)) {
            *more_r = true;
            break;
        }
        n++;
        if (common.n) {
            vk_ob_walk_skip(w, common);
            sqlite3_reset(st);
            st = NULL;
        }
    }
    if (st)
        sqlite3_reset(st);
    return vk_ob_sql_err(rc);
}

vk_ob_err vk_ob_upload_list_open(vk_ob *s, const vk_ob_upload_list *l, bool *more_r)
{
    vk_ob_conn *c;
    vk_ob_walk w;
    *more_r = false;
    vk_ob_walk_begin(&w, l->prefix, l->delimiter, l->after_key, l->after_id != NULL);
    if (w.over || l->max == 0)
        return VK_OB_OK;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_run(c, vk_ob_st(c, Q_BEGIN_READ));
    if (e == VK_OB_OK) {
        e = walk_uploads(c, l, &w, more_r);
        vk_ob_err over = vk_ob_run(c, vk_ob_st(c, Q_COMMIT));
        e = e == VK_OB_OK ? over : e;
    }
    vk_ob_conn_put(s, c);
    return e;
}
