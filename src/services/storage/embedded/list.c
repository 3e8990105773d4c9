/* Listing. A seek of the index an entry: what lies under a common prefix is passed over without being read.
 */
#include "services/storage/embedded/inside.h"
#include "services/storage/embedded/list_walk.h"

/* ---- the walk */

static void go_to(vk_ob_walk *w, vk_str key)
{
    if (key.n)
        memcpy(w->from, key.p, key.n);
    w->n_from = key.n;
}

/* The common prefix of a key, or nothing. */
static vk_str fold(const vk_ob_walk *w, vk_str key)
{
    if (w->delimiter.n == 0)
        return VK_STR_NONE;
    const char *rest = key.p + w->prefix.n;
    const char *hit = memmem(rest, key.n - w->prefix.n, w->delimiter.p, w->delimiter.n);
    return hit ? (vk_str){key.p, (size_t)(hit - key.p) + w->delimiter.n} : VK_STR_NONE;
}

void vk_ob_walk_skip(vk_ob_walk *w, vk_str common)
{
    go_to(w, common);
    while (w->n_from && (unsigned char)w->from[w->n_from - 1] == 0xff)
        w->n_from--;
    if (w->n_from)
        w->from[w->n_from - 1] = (char)((unsigned char)w->from[w->n_from - 1] + 1);
    w->over = w->n_from == 0;
}

static int order(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

void vk_ob_walk_begin(vk_ob_walk *w, vk_str prefix, vk_str delimiter, vk_str after, bool at_key)
{
    w->prefix = prefix;
    w->delimiter = delimiter;
    w->over = prefix.n > VK_OB_KEY_MAX || after.n > VK_OB_KEY_MAX;
    w->n_from = 0;
    if (w->over)
        return;
    go_to(w, prefix);
    if (after.n == 0 || order(after, prefix) < 0)
        return;
    go_to(w, after);
    if (!at_key)
        w->from[w->n_from++] = '\0'; /* the next possible key */
    if (!vk_str_starts(after, prefix)) {
        w->over = true; /* greater than all with the prefix */
        return;
    }
    /* A common prefix counts as an entry of its own, and is not greater than what lies in it. */
    vk_str common = fold(w, after);
    if (common.n)
        vk_ob_walk_skip(w, common);
}

bool vk_ob_walk_key(vk_ob_walk *w, vk_str key, vk_str *common_r)
{
    if (!vk_str_starts(key, w->prefix)) {
        w->over = true;
        return false;
    }
    *common_r = fold(w, key);
    return true;
}

/* ---- objects */

static void entry_of(sqlite3_stmt *st, vk_str key, vk_ob_entry *e)
{
    *e = (vk_ob_entry){
        .key = key, .size = sqlite3_column_int64(st, 1), .mtime_ms = sqlite3_column_int64(st, 2)};
    e->etag = vk_ob_col(st, 3);
    e->sum_algo = (uint8_t)sqlite3_column_int(st, 4);
    e->sum_type = (uint8_t)sqlite3_column_int(st, 5);
}

static vk_ob_err walk_keys(vk_ob_conn *c, const vk_ob_list *l, vk_ob_walk *w, bool *more_r)
{
    size_t n = 0;
    int rc = SQLITE_DONE;
    sqlite3_stmt *st = NULL;
    while (!w->over) {
        if (!st) {
            st = vk_ob_st(c, Q_LIST);
            vk_ob_bind(st, 1, (vk_str){w->from, w->n_from});
        }
        rc = vk_ob_step(st);
        if (rc != SQLITE_ROW)
            break;
        vk_ob_entry e;
        vk_str key = vk_ob_col(st, 0), common;
        if (key.n == 0 && l->skip_empty)
            continue;
        if (!vk_ob_walk_key(w, key, &common))
            break;
        entry_of(st, key, &e);
        if (common.n)
            e = (vk_ob_entry){.prefix = true, .key = common};
        if (n == l->max || !l->entry(l->arg, &e)) {
            *more_r = true;
            break;
        }
        n++;
        if (common.n) {
            vk_ob_walk_skip(w, common); /* copies it, before the statement lets go of it */
            sqlite3_reset(st);
            st = NULL;
        }
    }
    if (st)
        sqlite3_reset(st);
    return vk_ob_sql_err(rc);
}

vk_ob_err vk_ob_list_keys(vk_ob *s, const vk_ob_list *l, bool *more_r)
{
    vk_ob_conn *c;
    vk_ob_walk w;
    *more_r = false;
    vk_ob_walk_begin(&w, l->prefix, l->delimiter, l->after, false);
    if (w.over || l->max == 0)
        return VK_OB_OK;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    /* One transaction: a page is of one moment. */
    e = vk_ob_run(c, vk_ob_st(c, Q_BEGIN_READ));
    if (e == VK_OB_OK) {
        e = walk_keys(c, l, &w, more_r);
        vk_ob_err over = vk_ob_run(c, vk_ob_st(c, Q_COMMIT));
        e = e == VK_OB_OK ? over : e;
    }
    vk_ob_conn_put(s, c);
    return e;
}
