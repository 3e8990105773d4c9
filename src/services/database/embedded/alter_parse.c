#include "services/database/embedded/alter_parse.h"

/* ---- tokens */

typedef enum kind { END, WORD, QUOTED, STRING, OPEN, CLOSE, COMMA, DOT, SEMICOLON, OTHER, BAD } kind;

struct scan {
    vk_str sql;
    size_t at;   /* behind the token */
    kind kind;   /* of the token */
    vk_str text; /* of the token */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

/* Behind the comment that begins at `at`; `at` itself when there is none. A comment of the second kind may
 * end with the text. */
static size_t behind_comment(vk_str s, size_t at)
{
    size_t left = s.n - at;
    if (left >= 2 && s.p[at] == '-' && s.p[at + 1] == '-') {
        const char *end = memchr(s.p + at, '\n', left);
        return end ? (size_t)(end - s.p) + 1 : s.n;
    }
    if (left >= 3 && s.p[at] == '/' && s.p[at + 1] == '*') {
        const char *end = memmem(s.p + at + 2, left - 2, "*/", 2);
        return end ? (size_t)(end - s.p) + 2 : s.n;
    }
    return at;
}

static size_t behind_blanks(vk_str s, size_t at)
{
    for (;;) {
        while (at < s.n && is_blank(s.p[at]))
            at++;
        size_t next = at < s.n ? behind_comment(s, at) : at;
        if (next == at)
            return at;
        at = next;
    }
}

/* Behind a quoted text whose first quote is at `at`; 0 when it does not end. A doubled quote stands for
 * itself, but not in [brackets]. */
static size_t behind_quotes(vk_str s, size_t at)
{
    char quote = s.p[at] == '[' ? ']' : s.p[at];
    for (at++; at < s.n; at++) {
        if (s.p[at] == '\0')
            return 0;
        if (s.p[at] != quote)
            continue;
        if (quote == ']' || at + 1 == s.n || s.p[at + 1] != quote)
            return at + 1;
        at++;
    }
    return 0;
}

static kind kind_of(char c)
{
    switch (c) {
    case '"':
    case '`':
    case '[':
        return QUOTED;
    case '\'':
        return STRING;
    case '(':
        return OPEN;
    case ')':
        return CLOSE;
    case ',':
        return COMMA;
    case '.':
        return DOT;
    case ';':
        return SEMICOLON;
    case '\0':
        return BAD;
    default:
        return in_word(c) && !is_digit(c) && c != '$' ? WORD : OTHER;
    }
}

static kind next(struct scan *s)
{
    size_t at = behind_blanks(s->sql, s->at), end = at + 1;
    if (at == s->sql.n) {
        s->at = at;
        s->text = (vk_str){s->sql.p + at, 0};
        return s->kind = END;
    }
    s->kind = kind_of(s->sql.p[at]);
    if (s->kind == QUOTED || s->kind == STRING) {
        end = behind_quotes(s->sql, at);
        if (!end) {
            s->kind = BAD;
            end = s->sql.n;
        }
    } else if (in_word(s->sql.p[at])) { /* a number takes the letters behind it along */
        while (end < s->sql.n && in_word(s->sql.p[end]))
            end++;
    }
    s->text = (vk_str){s->sql.p + at, end - at};
    s->at = end;
    return s->kind;
}

static bool word(const struct scan *s, const char *which)
{
    return s->kind == WORD && vk_str_ieq(s->text, vk_str_z(which));
}

static bool name(const struct scan *s)
{
    return s->kind == WORD || s->kind == QUOTED || s->kind == STRING;
}

bool vk_alter_blank(vk_str sql)
{
    struct scan s = {.sql = sql};
    while (next(&s) == SEMICOLON)
        ;
    return s.kind == END;
}

vk_str vk_alter_name(vk_arena *a, vk_str token)
{
    char quote = token.n >= 2 ? token.p[token.n - 1] : '\0';
    if (token.n == 0 || !strchr("\"`['", token.p[0]))
        return vk_arena_dup(a, token);
    char *p = vk_arena_alloc(a, token.n);
    size_t n = 0;
    if (!p)
        return VK_STR_NONE;
    for (size_t i = 1; i + 1 < token.n; i++) {
        p[n++] = token.p[i];
        if (token.p[i] == quote && quote != ']')
            i++;
    }
    p[n] = '\0';
    return (vk_str){p, n};
}

/* Whether a token names `plain`; ASCII letters in either case, as SQLite has it. */
static bool names(vk_str token, vk_str plain)
{
    size_t i = 0, end = token.n, n = 0;
    char quote = '\0';
    if (token.n >= 2 && strchr("\"`['", token.p[0])) {
        quote = token.p[token.n - 1];
        i = 1;
        end = token.n - 1;
    }
    for (; i < end; i++, n++) {
        if (n == plain.n || !vk_str_ieq((vk_str){token.p + i, 1}, (vk_str){plain.p + n, 1}))
            return false;
        if (quote && quote != ']' && token.p[i] == quote)
            i++;
    }
    return n == plain.n;
}

/* ---- the statement */

static void set_flaw(vk_alter *out, const struct scan *s)
{
    out->flaw = s->kind == END ? VK_ALTER_INCOMPLETE : s->kind == BAD ? VK_ALTER_TOKEN : VK_ALTER_SYNTAX;
    out->flaw_token = s->text;
    out->flaw_at = (size_t)(s->text.p - s->sql.p);
    out->end = s->sql.n;
}

/* ALTER TABLE [schema .] table ALTER: what makes it one. */
static bool is_one(struct scan *s, vk_alter *out)
{
    while (next(s) == SEMICOLON)
        ;
    if (!word(s, "ALTER"))
        return false;
    out->text.p = s->text.p;
    next(s);
    if (!word(s, "TABLE"))
        return false;
    next(s);
    if (!name(s))
        return false;
    out->table = s->text;
    if (next(s) == DOT) {
        next(s);
        if (!name(s))
            return false;
        out->schema = out->table;
        out->table = s->text;
        next(s);
    }
    return word(s, "ALTER");
}

/* [COLUMN] column TO; afterwards the token behind it is the current one. */
static bool takes_column(struct scan *s, vk_alter *out)
{
    next(s);
    if (word(s, "COLUMN")) {
        struct scan ahead = *s;
        next(&ahead);
        if (!word(&ahead, "TO")) /* else the column is called so */
            *s = ahead;
    }
    if (!name(s) || word(s, "TO")) /* reserved */
        return false;
    out->column = s->text;
    next(s);
    if (!word(s, "TO"))
        return false;
    next(s);
    return true;
}

/* The rest of the statement is one column definition. */
static bool takes_definition(struct scan *s, vk_alter *out)
{
    unsigned depth = 0;
    if (!name(s))
        return false;
    out->renamed = s->text;
    out->def_at = (size_t)(s->text.p - s->sql.p);
    size_t end = s->at;
    for (;;) {
        switch (next(s)) {
        case OPEN:
            depth++;
            break;
        case CLOSE:
            if (depth-- == 0)
                return false;
            break;
        case COMMA:
            if (depth == 0)
                return false;
            break;
        case BAD:
            return false;
        case SEMICOLON:
        case END:
            out->def = (vk_str){s->sql.p + out->def_at, end - out->def_at};
            out->text.n = (size_t)(s->sql.p + end - out->text.p);
            out->end = s->at;
            return depth == 0;
        default:
            break;
        }
        end = s->at;
    }
}

bool vk_alter_parse(vk_str sql, vk_alter *out_r)
{
    struct scan s = {.sql = sql};
    vk_alter out = {0};
    if (!is_one(&s, &out))
        return false;
    bool whole = takes_column(&s, &out) && takes_definition(&s, &out);
    const char *nul = memchr(sql.p, '\0', s.at);
    if (nul) { /* in a comment too: SQLite's texts end there */
        s.text = (vk_str){nul, 1};
        s.kind = BAD;
    }
    if (!whole || nul)
        set_flaw(&out, &s);
    *out_r = out;
    return true;
}

/* ---- definitions */

unsigned vk_alter_words(vk_str def)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"PRIMARY", VK_DEF_PRIMARY},
                 {"UNIQUE", VK_DEF_UNIQUE},
                 {"AS", VK_DEF_GENERATED},
                 {"AUTOINCREMENT", VK_DEF_AUTOINCREMENT}};
    struct scan s = {.sql = def};
    unsigned found = 0, depth = 0;
    next(&s); /* the name */
    while (next(&s) != END && s.kind != BAD) {
        depth += s.kind == OPEN;
        depth -= s.kind == CLOSE && depth;
        for (size_t i = 0; depth == 0 && i < VK_COUNT(words); i++)
            found |= word(&s, words[i].word) ? words[i].bit : 0;
    }
    return found;
}

/* One item of the column list, its first token being the current one: the end of its last token goes to
 * *end_r, and what ends it is the current token. */
static bool skip_item(struct scan *s, size_t *end_r)
{
    unsigned depth = 0;
    while (s->kind != END && s->kind != BAD) {
        if (depth == 0 && (s->kind == COMMA || s->kind == CLOSE))
            return true;
        depth += s->kind == OPEN;
        depth -= s->kind == CLOSE;
        *end_r = s->at;
        next(s);
    }
    return false;
}

/* Up to the first token of the first item. */
static bool enters_list(struct scan *s)
{
    next(s);
    if (!word(s, "CREATE"))
        return false;
    next(s);
    if (!word(s, "TABLE"))
        return false;
    next(s);
    if (!name(s))
        return false;
    if (next(s) == DOT) {
        next(s);
        next(s);
    }
    if (s->kind != OPEN)
        return false;
    next(s);
    return true;
}

static bool is_table_constraint(const struct scan *s)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"};
    for (size_t i = 0; i < VK_COUNT(words); i++)
        if (word(s, words[i]))
            return true;
    return false;
}

bool vk_alter_find(vk_str create, vk_str column, vk_str *def_r, unsigned *words_r)
{
    struct scan s = {.sql = create};
    if (!enters_list(&s))
        return false;
    while (name(&s) && !is_table_constraint(&s)) {
        vk_str first = s.text;
        size_t at = (size_t)(first.p - create.p), end = at;
        if (!skip_item(&s, &end))
            return false;
        if (names(first, column)) {
            *def_r = (vk_str){first.p, end - at};
            *words_r = vk_alter_words(*def_r);
            return true;
        }
        if (s.kind != COMMA)
            return false;
        next(&s);
    }
    return false;
}
