#include "courier/match.h"

#include <regex.h>

/* ---- JSON pointers */

/* "~1" is a slash, "~0" a tilde; a key that needs more room than that has none of ours. */
static vk_str unescape(vk_str token, char room[128])
{
    size_t n = 0;
    if (!token.n || !memchr(token.p, '~', token.n))
        return token;
    for (size_t i = 0; i < token.n && n < 128; i++) {
        char c = token.p[i];
        if (c == '~' && i + 1 < token.n)
            c = token.p[++i] == '1' ? '/' : '~';
        room[n++] = c;
    }
    return (vk_str){room, n};
}

const vk_json *vk_json_at(const vk_json *o, vk_str pointer)
{
    char room[128];
    for (int depth = 0; o && pointer.n; depth++) {
        vk_str token, rest = {pointer.p + 1, pointer.n - 1};
        int64_t i;
        if (pointer.p[0] != '/' || depth == VK_POINTER_DEPTH)
            return NULL;
        const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
        token = (vk_str){rest.p, slash ? (size_t)(slash - rest.p) : rest.n};
        pointer = (vk_str){token.p + token.n, rest.n - token.n};
        if (o->type != VK_JSON_ARRAY) {
            o = vk_json_get(o, unescape(token, room));
            continue;
        }
        bool index = token.n == 1 || (token.n > 1 && token.p[0] != '0'); /* also no sign: */
        if (!index || token.p[0] < '0' || token.p[0] > '9' || vk_str_to_i64(token, &i) != VK_OK ||
            i >= o->count)
            return NULL;
        for (o = o->u.child; o && i > 0; i--)
            o = o->next;
    }
    return o;
}

/* ---- conditions on variables */

bool vk_pattern_groups(vk_str pattern, vk_str text, vk_str out[VK_GROUPS_MAX])
{
    char expression[VK_PATTERN_MAX + 1];
    regex_t re;
    regmatch_t at[VK_GROUPS_MAX];
    if (pattern.n > VK_PATTERN_MAX || text.n > VK_PATTERN_TEXT_MAX || memchr(pattern.p, 0, pattern.n) ||
        (text.n && memchr(text.p, 0, text.n)))
        return false;
    char *copy = malloc(text.n + 1); /* the text has no NUL behind it */
    if (!copy)
        return false;
    if (text.n)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    memcpy(expression, pattern.p, pattern.n);
    expression[pattern.n] = '\0';
    bool fits = regcomp(&re, expression, REG_EXTENDED) == 0;
    if (fits) {
        fits = regexec(&re, copy, VK_GROUPS_MAX, at, 0) == 0;
        regfree(&re);
    }
    vk_wipe(copy, text.n);
    free(copy);
    for (size_t i = 0; fits && i < VK_GROUPS_MAX; i++)
        out[i] = at[i].rm_so < 0
                     ? VK_STR("")
                     : (vk_str){(text.n ? text.p : "") + at[i].rm_so, (size_t)(at[i].rm_eo - at[i].rm_so)};
    return fits;
}

bool vk_pattern_matches(vk_str pattern, vk_str text)
{
    vk_str out[VK_GROUPS_MAX];
    return vk_pattern_groups(pattern, text, out);
}

/* Filled in; false: no memory, or it is no text. */
static bool operand(vk_arena *a, const vk_vars *vars, const vk_json *v, vk_str *out_r)
{
    if (!v || v->type != VK_JSON_STRING)
        return false;
    *out_r = vk_filled(a, vars, v->u.s);
    return out_r->p != NULL;
}

static bool equal(vk_arena *a, const vk_vars *vars, const vk_json *pair)
{
    vk_str x, y;
    return pair->type == VK_JSON_ARRAY && pair->count == 2 && operand(a, vars, pair->u.child, &x) &&
           operand(a, vars, pair->u.child->next, &y) && vk_str_eq_secret(x, y);
}

static bool matches(vk_arena *a, const vk_vars *vars, const vk_json *pair)
{
    vk_str text;
    if (pair->type != VK_JSON_ARRAY || pair->count != 2 || !operand(a, vars, pair->u.child, &text))
        return false;
    return vk_pattern_matches(vk_json_str(pair->u.child->next), text);
}

static bool when(vk_arena *a, const vk_vars *vars, const vk_json *condition, int depth);

static bool some_of(vk_arena *a, const vk_vars *vars, const vk_json *list, bool all, int depth)
{
    if (list->type != VK_JSON_ARRAY)
        return false;
    for (const vk_json *c = list->u.child; c; c = c->next)
        if (when(a, vars, c, depth) != all)
            return !all;
    return all;
}

static bool when(vk_arena *a, const vk_vars *vars, const vk_json *condition, int depth)
{
    if (!condition || condition->type != VK_JSON_OBJECT || depth == VK_POINTER_DEPTH)
        return false;
    for (const vk_json *m = condition->u.child; m; m = m->next) {
        bool holds = false;
        if (vk_str_eqz(m->key, "equal"))
            holds = equal(a, vars, m);
        else if (vk_str_eqz(m->key, "matches"))
            holds = matches(a, vars, m);
        else if (vk_str_eqz(m->key, "not"))
            holds = m->type == VK_JSON_OBJECT && !when(a, vars, m, depth + 1);
        else if (vk_str_eqz(m->key, "all") || vk_str_eqz(m->key, "any"))
            holds = some_of(a, vars, m, vk_str_eqz(m->key, "all"), depth + 1);
        if (!holds)
            return false;
    }
    return true;
}

bool vk_when(vk_arena *a, const vk_vars *vars, const vk_json *condition)
{
    return when(a, vars, condition, 0);
}

/* ---- answers */

static bool status_is(const vk_json *want, int status)
{
    if (want->type == VK_JSON_INT)
        return want->u.i == status;
    if (want->type == VK_JSON_ARRAY) {
        for (const vk_json *w = want->u.child; w; w = w->next)
            if (w->type != VK_JSON_ARRAY && status_is(w, status))
                return true;
        return false;
    }
    vk_str s = vk_json_str(want);
    if (vk_str_eqz(s, "none"))
        return status == 0;
    return s.n == 3 && s.p[1] == 'x' && s.p[2] == 'x' && status / 100 == s.p[0] - '0';
}

vk_str vk_json_text(vk_arena *a, const vk_json *v)
{
    static const int64_t safe = (1LL << 53) - 1;
    int64_t n;
    if (v && v->type == VK_JSON_STRING)
        return v->u.s;
    if (v && v->type == VK_JSON_BOOL)
        return v->u.b ? VK_STR("true") : VK_STR("false");
    if (vk_json_i64(v, &n) != VK_OK || n > safe || n < -safe)
        return VK_STR_NONE;
    return vk_arena_printf(a, "%lld", (long long)n);
}

/* Compared as texts, so that {"/livemode": "{livemode}"} can be said. */
static bool value_is(vk_arena *a, const vk_vars *vars, const vk_json *want, const vk_json *got)
{
    vk_str wanted, text = vk_json_text(a, got);
    return text.p && operand(a, vars, want, &wanted) && vk_str_eq_secret(wanted, text);
}

/* {"/pointer": value, …} of one value: all of them. */
static bool values_are(vk_arena *a, const vk_vars *vars, const vk_json *want, const vk_json *in)
{
    if (!in || want->type != VK_JSON_OBJECT)
        return false;
    for (const vk_json *w = want->u.child; w; w = w->next)
        if (!value_is(a, vars, w, vk_json_at(in, w->key)))
            return false;
    return true;
}

/* {"in": "/pointer", "where": {"/pointer": value}}: an element of that list is so. */
static bool some_is(vk_arena *a, const vk_vars *vars, const vk_json *some, const vk_json *in)
{
    const vk_json *list = vk_json_at(in, vk_json_str(vk_json_get(some, VK_STR("in")))),
                  *where = vk_json_get(some, VK_STR("where"));
    if (!list || list->type != VK_JSON_ARRAY || !where)
        return false;
    for (const vk_json *v = list->u.child; v; v = v->next)
        if (values_are(a, vars, where, v))
            return true;
    return false;
}

static bool has(vk_arena *a, const vk_vars *vars, const vk_json *want, vk_str body)
{
    vk_str text;
    return operand(a, vars, want, &text) && text.n && body.n &&
           memmem(body.p, body.n, text.p, text.n) != NULL;
}

vk_str vk_heard_header(const vk_heard *heard, vk_str name)
{
    vk_str left = heard->head, line, field;
    while (vk_str_cut(&left, '\n', &line)) {
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (vk_str_cut(&line, ':', &field) && vk_str_ieq(field, name))
            return vk_str_trim(line);
    }
    return VK_STR_NONE;
}

/* One of a list of templates, or the only one. */
static bool is_one_of(vk_arena *a, const vk_vars *vars, const vk_json *want, vk_str text)
{
    vk_str wanted;
    if (!text.p)
        return false;
    if (want->type != VK_JSON_ARRAY)
        return operand(a, vars, want, &wanted) && vk_str_eq(wanted, text);
    for (const vk_json *w = want->u.child; w; w = w->next)
        if (operand(a, vars, w, &wanted) && vk_str_eq(wanted, text))
            return true;
    return false;
}

static bool headers_are(vk_arena *a, const vk_vars *vars, const vk_json *want, const vk_heard *heard)
{
    if (want->type != VK_JSON_OBJECT)
        return false;
    for (const vk_json *w = want->u.child; w; w = w->next)
        if (!is_one_of(a, vars, w, vk_heard_header(heard, w->key)))
            return false;
    return true;
}

bool vk_answer_fits(vk_arena *a, const vk_vars *vars, const vk_json *entry, const vk_heard *heard)
{
    if (!entry || entry->type != VK_JSON_OBJECT)
        return false;
    if (!heard->status && !heard->tested && !vk_json_get(entry, VK_STR("status")))
        return false;
    for (const vk_json *m = entry->u.child; m; m = m->next) {
        bool holds = false;
        if (vk_str_eqz(m->key, "ok"))
            holds = heard->tested && m->type == VK_JSON_BOOL && m->u.b == heard->ok;
        else if (vk_str_eqz(m->key, "status"))
            holds = !heard->tested && status_is(m, heard->status);
        else if (vk_str_eqz(m->key, "json"))
            holds = values_are(a, vars, m, heard->json);
        else if (vk_str_eqz(m->key, "some"))
            holds = some_is(a, vars, m, heard->json);
        else if (vk_str_eqz(m->key, "has"))
            holds = has(a, vars, m, heard->body);
        else if (vk_str_eqz(m->key, "header"))
            holds = headers_are(a, vars, m, heard);
        else if (vk_str_eqz(m->key, "code"))
            holds = heard->code.n && is_one_of(a, vars, m, heard->code);
        else if (vk_str_eqz(m->key, "why"))
            holds = heard->why && is_one_of(a, vars, m, vk_str_z(heard->why));
        else if (vk_str_eqz(m->key, "body"))
            holds = heard->status && is_one_of(a, vars, m, heard->body.p ? heard->body : VK_STR(""));
        else
            holds = vk_str_eqz(m->key, "verdict") || vk_str_eqz(m->key, "say") || vk_str_eqz(m->key, "fix");
        if (!holds)
            return false;
    }
    return true;
}
