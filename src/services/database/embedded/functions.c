/* SQL functions of SQLite whose own versions take text × pattern steps inside one call, where no deadline and
 * no revocation reaches them: `instr` of 1 MB in 2 MB took hours. These give the same results in time that
 * grows with the text alone. What they do is SQLite's documentation of each (sqlite.org/lang_corefunc.html)
 * and, where that is silent (blobs, invalid UTF-8, NUL), what SQLite 3.40 does; test_functions.c compares the
 * two. */
#include "services/database/embedded/db.h"

enum {
    TRIM_CHARS_MAX = 256,       /* characters in the second argument of trim */
    PATCH_STEPS_MAX = 400000000 /* members of one object × those of the other in json_patch */
};

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static vk_str text_of(sqlite3_value *v)
{
    const char *p = (const char *)sqlite3_value_text(v);
    return (vk_str){p, p ? (size_t)sqlite3_value_bytes(v) : 0};
}

static vk_str blob_of(sqlite3_value *v)
{
    const char *p = sqlite3_value_blob(v);
    size_t n = (size_t)sqlite3_value_bytes(v);
    return (vk_str){p ? p : n ? NULL : "", n};
}

/* ---- instr */

/* In text a match begins where a character does, or at the very front. */
static const char *find(vk_str hay, vk_str needle, bool text)
{
    if (needle.n > hay.n)
        return NULL;
    if (text && continues(needle.p[0]))
        return memcmp(hay.p, needle.p, needle.n) == 0 ? hay.p : NULL;
    return memmem(hay.p, hay.n, needle.p, needle.n);
}

static void instr(sqlite3_context *c, int n, sqlite3_value **v)
{
    VK_UNUSED(n);
    if (sqlite3_value_type(v[0]) == SQLITE_NULL || sqlite3_value_type(v[1]) == SQLITE_NULL)
        return;
    bool text = sqlite3_value_type(v[0]) != SQLITE_BLOB || sqlite3_value_type(v[1]) != SQLITE_BLOB;
    vk_str hay = text ? text_of(v[0]) : blob_of(v[0]), needle = text ? text_of(v[1]) : blob_of(v[1]);
    if (!hay.p || !needle.p) {
        sqlite3_result_error_nomem(c);
        return;
    }
    sqlite3_int64 at = 1;
    if (needle.n) {
        const char *p = find(hay, needle, text);
        for (const char *q = hay.p; p && q < p; q++)
            at += !text || !continues(q[1]);
        if (!p)
            at = 0;
    }
    sqlite3_result_int64(c, at);
}

/* ---- replace */

static size_t count(vk_str s, vk_str pattern)
{
    size_t n = 0;
    for (const char *p, *end = s.p + s.n;
         s.n >= pattern.n && (p = memmem(s.p, (size_t)(end - s.p), pattern.p, pattern.n)); n++)
        s = (vk_str){p + pattern.n, (size_t)(end - p) - pattern.n};
    return n;
}

static char *put(char *to, const char *p, size_t n)
{
    if (n)
        memcpy(to, p, n);
    return to + n;
}

static void replace(sqlite3_context *c, int n_args, sqlite3_value **v)
{
    VK_UNUSED(n_args);
    vk_str s = text_of(v[0]), pattern = text_of(v[1]);
    if (!s.p || !pattern.p)
        return;
    if (pattern.p[0] == '\0') {
        sqlite3_result_value(c, v[0]);
        return;
    }
    vk_str by = text_of(v[2]);
    if (!by.p)
        return;
    size_t n = count(s, pattern), size = s.n - n * pattern.n + n * by.n;
    if (size > (size_t)sqlite3_limit(sqlite3_context_db_handle(c), SQLITE_LIMIT_LENGTH, -1)) {
        sqlite3_result_error_toobig(c);
        return;
    }
    char *out = sqlite3_malloc64(size + 1), *to = out;
    if (!out) {
        sqlite3_result_error_nomem(c);
        return;
    }
    const char *end = s.p + s.n;
    while (n--) {
        const char *p = memmem(s.p, (size_t)(end - s.p), pattern.p, pattern.n);
        to = put(to, s.p, (size_t)(p - s.p));
        to = put(to, by.p, by.n);
        s.p = p + pattern.n;
    }
    to = put(to, s.p, (size_t)(end - s.p));
    *to = '\0';
    sqlite3_result_text64(c, out, size, sqlite3_free, SQLITE_UTF8);
}

/* ---- trim */

enum { LEFT = 1, RIGHT = 2 };

struct set {
    size_t n;
    vk_str chars[TRIM_CHARS_MAX];
    /* Those that begin, or end, with a byte: the first one's number + 1, and the next one's. */
    uint16_t begins[256], ends[256], next_begins[TRIM_CHARS_MAX], next_ends[TRIM_CHARS_MAX];
};

/* The characters of a text up to a NUL, as SQLite takes them apart: a byte from 0xC0 on and all that continue
 * it. */
static size_t characters(vk_str set, vk_str out[TRIM_CHARS_MAX])
{
    size_t n = 0;
    for (size_t at = 0, next; at < set.n; at = next) {
        next = at + 1;
        if ((unsigned char)set.p[at] >= 0xC0)
            while (next < set.n && continues(set.p[next]))
                next++;
        if (n == TRIM_CHARS_MAX)
            return TRIM_CHARS_MAX + 1;
        out[n++] = (vk_str){set.p + at, next - at};
    }
    return n;
}

static void index_set(struct set *x)
{
    memset(x->begins, 0, sizeof x->begins);
    memset(x->ends, 0, sizeof x->ends);
    for (size_t i = x->n; i-- > 0;) { /* from the last on, so that the first one that fits is found first */
        vk_str c = x->chars[i];
        uint16_t *begins = &x->begins[(unsigned char)c.p[0]], *ends = &x->ends[(unsigned char)c.p[c.n - 1]];
        x->next_begins[i] = *begins;
        x->next_ends[i] = *ends;
        *begins = *ends = (uint16_t)(i + 1);
    }
}

/* Bytes of the set's character at the front of `s`; 0: none. */
static size_t at_front(const struct set *x, vk_str s)
{
    for (size_t i = s.n ? x->begins[(unsigned char)s.p[0]] : 0; i; i = x->next_begins[i - 1])
        if (x->chars[i - 1].n <= s.n && memcmp(s.p, x->chars[i - 1].p, x->chars[i - 1].n) == 0)
            return x->chars[i - 1].n;
    return 0;
}

static size_t at_end(const struct set *x, vk_str s)
{
    for (size_t i = s.n ? x->ends[(unsigned char)s.p[s.n - 1]] : 0; i; i = x->next_ends[i - 1])
        if (x->chars[i - 1].n <= s.n &&
            memcmp(s.p + s.n - x->chars[i - 1].n, x->chars[i - 1].p, x->chars[i - 1].n) == 0)
            return x->chars[i - 1].n;
    return 0;
}

static void trim(sqlite3_context *c, int n_args, sqlite3_value **v)
{
    struct set set;
    vk_str s = text_of(v[0]), chars = n_args == 2 ? text_of(v[1]) : VK_STR(" ");
    int sides = (int)(intptr_t)sqlite3_user_data(c);
    if (!s.p || !chars.p)
        return;
    set.n = characters(vk_str_z(chars.p), set.chars);
    if (set.n > TRIM_CHARS_MAX) {
        sqlite3_result_error(c, "trim takes at most 256 characters to take away", -1);
        return;
    }
    index_set(&set);
    for (size_t n; (sides & LEFT) && (n = at_front(&set, s)); s.n -= n)
        s.p += n;
    for (size_t n; (sides & RIGHT) && (n = at_end(&set, s));)
        s.n -= n;
    sqlite3_result_text64(c, s.p, s.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* ---- json_patch */

/* SQLite's own does the work, on a connection made for it at the first use: a function that was replaced
 * cannot be reached on the same one. */
struct patcher {
    sqlite3 *db;
    sqlite3_stmt *st;
};

static void patcher_free(void *arg)
{
    struct patcher *p = arg;
    sqlite3_finalize(p->st);
    sqlite3_close(p->db);
    free(p);
}

static bool patcher_ready(struct patcher *p)
{
    if (p->st)
        return true;
    if (!p->db &&
        sqlite3_open_v2(":memory:", &p->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        sqlite3_db_config(p->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    return p->db && sqlite3_prepare_v2(p->db, "SELECT json_patch(?1, ?2)", -1, &p->st, NULL) == SQLITE_OK;
}

static uint64_t colons(vk_str s)
{
    uint64_t n = 0;
    for (const char *p, *end = s.p + s.n; s.n && (p = memchr(s.p, ':', s.n)); n++)
        s = (vk_str){p + 1, (size_t)(end - p) - 1};
    return n;
}

static void json_patch(sqlite3_context *c, int n, sqlite3_value **v)
{
    struct patcher *p = sqlite3_user_data(c);
    VK_UNUSED(n);
    if (colons(text_of(v[0])) * colons(text_of(v[1])) > PATCH_STEPS_MAX) {
        sqlite3_result_error(c, "json_patch takes objects of about 20000 members", -1);
        return;
    }
    if (!patcher_ready(p) || sqlite3_bind_value(p->st, 1, v[0]) != SQLITE_OK ||
        sqlite3_bind_value(p->st, 2, v[1]) != SQLITE_OK) {
        sqlite3_result_error_nomem(c);
        return;
    }
    if (sqlite3_step(p->st) == SQLITE_ROW) {
        sqlite3_result_value(c, sqlite3_column_value(p->st, 0));
        sqlite3_result_subtype(c, 'J'); /* so that json_array and the like take it as JSON */
    } else {
        sqlite3_result_error(c, sqlite3_errmsg(p->db), -1);
    }
    sqlite3_reset(p->st);
    sqlite3_clear_bindings(p->st);
}

int vk_db_functions(sqlite3 *db)
{
    static const struct {
        const char *name;
        int args, sides;
        void (*run)(sqlite3_context *c, int n, sqlite3_value **v);
    } functions[] = {
        {"instr", 2, 0, instr},   {"replace", 3, 0, replace}, {"trim", 2, LEFT | RIGHT, trim},
        {"ltrim", 2, LEFT, trim}, {"rtrim", 2, RIGHT, trim},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < VK_COUNT(functions); i++)
        rc = sqlite3_create_function(db, functions[i].name, functions[i].args,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                     (void *)(intptr_t)functions[i].sides, functions[i].run, NULL, NULL);
    struct patcher *p = rc == SQLITE_OK ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    return sqlite3_create_function_v2(db, "json_patch", 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, p, json_patch,
                                      NULL, NULL, patcher_free); /* frees it also when it fails */
}
