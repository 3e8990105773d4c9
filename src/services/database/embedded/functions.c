/* SQL functions of SQLite whose own versions take text × pattern steps inside one call, where no deadline and
 * no revocation reaches them: `instr` of 1 MB in 2 MB took hours. These give the same results in time that
 * grows with the text alone. What they do is SQLite's documentation of each (sqlite.org/lang_corefunc.html)
 * and, where that is silent (blobs, invalid UTF-8, NUL), what SQLite 3.40 does; test_functions.c compares the
 * two. */
#include "services/database/embedded/db.h"

enum { TRIM_CHARS_MAX = 256 }; /* characters in the second argument of trim */

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

/* ---------------------------------------------------------------------------------------------------- instr
 */

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

/* -------------------------------------------------------------------------------------------------- replace
 */

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

/* ----------------------------------------------------------------------------------------------------- trim
 */

enum { LEFT = 1, RIGHT = 2 };

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

static vk_str trimmed(vk_str s, const vk_str *set, size_t n, int sides)
{
    for (size_t i = 0; (sides & LEFT) && s.n && i < n; i++)
        if (set[i].n <= s.n && memcmp(s.p, set[i].p, set[i].n) == 0) {
            s = (vk_str){s.p + set[i].n, s.n - set[i].n};
            i = (size_t)-1;
        }
    for (size_t i = 0; (sides & RIGHT) && s.n && i < n; i++)
        if (set[i].n <= s.n && memcmp(s.p + s.n - set[i].n, set[i].p, set[i].n) == 0) {
            s.n -= set[i].n;
            i = (size_t)-1;
        }
    return s;
}

static void trim(sqlite3_context *c, int n_args, sqlite3_value **v)
{
    vk_str set[TRIM_CHARS_MAX] = {VK_STR(" ")}, s = text_of(v[0]);
    size_t n = 1;
    if (!s.p)
        return;
    if (n_args == 2) {
        vk_str chars = text_of(v[1]);
        if (!chars.p)
            return;
        n = characters(vk_str_z(chars.p), set);
        if (n > TRIM_CHARS_MAX) {
            sqlite3_result_error(c, "trim takes at most 256 characters to take away", -1);
            return;
        }
    }
    s = trimmed(s, set, n, (int)(intptr_t)sqlite3_user_data(c));
    sqlite3_result_text64(c, s.p, s.n, SQLITE_TRANSIENT, SQLITE_UTF8);
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
    return rc;
}
