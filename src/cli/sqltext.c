#include "cli/sqltext.h"

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

typedef enum token { T_END, T_OPEN, T_SPACE, T_WORD, T_SEMI, T_OTHER } token;

static size_t until(vk_str s, size_t at, vk_str end)
{
    for (; at + end.n <= s.n; at++)
        if (memcmp(s.p + at, end.p, end.n) == 0)
            return at + end.n;
    return 0;
}

/* A quoted text from `at`; a doubled quote is a quote. 0: not closed. */
static size_t quoted(vk_str s, size_t at)
{
    char q = s.p[at] == '[' ? ']' : s.p[at];
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] != q)
            continue;
        if (q != ']' && i + 1 < s.n && s.p[i + 1] == q)
            i++;
        else
            return i + 1;
    }
    return 0;
}

/* The token at *at, which moves behind it. T_OPEN: it has no end yet. */
static token next(vk_str s, size_t *at)
{
    if (*at >= s.n)
        return T_END;
    char c = s.p[*at], d = *at + 1 < s.n ? s.p[*at + 1] : '\0';
    size_t end = *at + 1;
    token t = T_OTHER;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        t = T_SPACE;
    } else if (c == '-' && d == '-') {
        t = T_SPACE;
        end = until(s, *at, VK_STR("\n"));
        if (!end)
            end = s.n;
    } else if (c == '/' && d == '*') {
        t = T_SPACE;
        end = until(s, *at + 2, VK_STR("*/"));
    } else if (c == '\'' || c == '"' || c == '`' || c == '[') {
        end = quoted(s, *at);
    } else if (c == ';') {
        t = T_SEMI;
    } else if (word_char(c)) {
        t = T_WORD;
        while (end < s.n && word_char(s.p[end]))
            end++;
    }
    if (end == 0)
        return T_OPEN;
    *at = end;
    return t;
}

/* Inside CREATE [TEMP|TEMPORARY] TRIGGER a ';' ends the statement only after END. Told by its first three
 * words. */
static bool is_trigger(const vk_str words[3])
{
    if (!vk_str_ieq(words[0], VK_STR("CREATE")))
        return false;
    bool temp = vk_str_ieq(words[1], VK_STR("TEMP")) || vk_str_ieq(words[1], VK_STR("TEMPORARY"));
    return vk_str_ieq(words[temp ? 2 : 1], VK_STR("TRIGGER"));
}

/* drizzle-kit's mark between statements, a comment to SQL. */
static bool is_breakpoint(vk_str comment)
{
    static const vk_str mark = VK_STR("--> statement-breakpoint");
    return vk_str_starts(comment, mark);
}

/* Of a file: a breakpoint and the end of the text end a statement too. */
static size_t first_of(vk_str s, bool file)
{
    vk_str words[3] = {VK_STR_NONE};
    size_t at = 0, n_words = 0, depth = 0;
    bool after_end = false, after_semi = false;
    for (;;) {
        size_t from = at;
        token t = next(s, &at);
        vk_str text = {s.p + from, at - from};
        if (t == T_END || t == T_OPEN)
            return t == T_END && file ? s.n : 0;
        if (t == T_SPACE && file && is_breakpoint(text))
            return at;
        if (t == T_SPACE)
            continue;
        if (t == T_WORD && n_words < 3)
            words[n_words++] = text;
        bool trigger = is_trigger(words);
        if (t == T_SEMI && (!trigger || (after_end && depth == 0)))
            return at;
        /* END closes a CASE, or, right behind a ';', the trigger. */
        bool end = t == T_WORD && vk_str_ieq(text, VK_STR("END"));
        after_end = end && after_semi && depth == 0;
        if (trigger && t == T_WORD && vk_str_ieq(text, VK_STR("CASE")))
            depth++;
        else if (end && depth)
            depth--;
        after_semi = t == T_SEMI;
    }
}

size_t vk_sql_first(vk_str s)
{
    return first_of(s, false);
}

size_t vk_sql_next(vk_str s)
{
    return first_of(s, true);
}

size_t vk_sql_lead(vk_str s)
{
    size_t at = 0, from = 0;
    token t;
    while ((t = next(s, &at)) == T_SPACE)
        from = at;
    return t == T_END ? s.n : from;
}

bool vk_sql_blank(vk_str s)
{
    size_t at = 0;
    token t;
    while ((t = next(s, &at)) == T_SPACE || t == T_SEMI)
        ;
    return t == T_END;
}

vk_str vk_sql_word_at(vk_str s, size_t i)
{
    size_t at = 0, from = 0;
    token t;
    for (;; i--, from = at) {
        while ((t = next(s, &at)) == T_SPACE)
            from = at;
        if (t != T_WORD || i == 0)
            break;
    }
    return t == T_WORD ? (vk_str){s.p + from, at - from} : VK_STR_NONE;
}

vk_str vk_sql_word(vk_str s)
{
    return vk_sql_word_at(s, 0);
}
