#include "courier/vars.h"

#include "core/json_write.h"

vk_err vk_vars_set(vk_vars *vars, vk_str name, vk_str value, vk_var_kind kind)
{
    size_t i = 0;
    while (i < vars->n && !vk_str_eq(vars->v[i].name, name))
        i++;
    if (i == VK_VARS_MAX)
        return VK_E_TOO_LARGE;
    vars->v[i] = (vk_var){name, value, kind};
    vars->n += i == vars->n;
    return VK_OK;
}

static const vk_var *find(const vk_vars *vars, vk_str name)
{
    for (size_t i = 0; i < vars->n; i++)
        if (vk_str_eq(vars->v[i].name, name))
            return &vars->v[i];
    return NULL;
}

vk_str vk_vars_get(const vk_vars *vars, vk_str name)
{
    const vk_var *v = find(vars, name);
    return v ? v->value : VK_STR_NONE;
}

static bool word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void vk_percent(vk_buf *out, vk_str s, bool slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (word((char)c) || c == '-' || c == '.' || c == '~' || (slash && c == '/')) {
            vk_buf_ch(out, (char)c);
        } else {
            const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            vk_buf_add(out, escape, sizeof escape);
        }
    }
}

/* The text that vk_json_quote makes, without its quotes. */
static void json_inside(vk_buf *out, vk_str s)
{
    size_t at = out->n;
    vk_json_quote(out, s);
    if (out->err)
        return;
    memmove(out->p + at, out->p + at + 1, out->n - at - 1);
    out->n -= 2;
}

static void put(const vk_var *v, vk_fill_how how, vk_buf *out)
{
    switch (how) {
    case VK_FILL_SHOWN:
        if (v->kind == VK_VAR_SECRET)
            vk_buf_z(out, "••••");
        else
            vk_buf_str(out, v->value);
        return;
    case VK_FILL_URL:
        if (v->kind == VK_VAR_ORIGIN)
            vk_buf_str(out, v->value);
        else
            vk_percent(out, v->value, v->kind == VK_VAR_PATH);
        return;
    case VK_FILL_JSON:
        json_inside(out, v->value);
        return;
    case VK_FILL_TEXT:
        vk_buf_str(out, v->value);
    }
}

void vk_fill(const vk_vars *vars, vk_str text, vk_fill_how how, vk_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t end = i + 1;
        while (text.p[i] == '{' && end < text.n && word(text.p[end]))
            end++;
        if (text.p[i] != '{' || end == i + 1 || end == text.n || text.p[end] != '}') {
            vk_buf_ch(out, text.p[i]);
            continue;
        }
        const vk_var *v = find(vars, (vk_str){text.p + i + 1, end - i - 1});
        if (v)
            put(v, how, out);
        i = end;
    }
}

vk_str vk_filled(vk_arena *a, const vk_vars *vars, vk_str text)
{
    vk_buf b;
    vk_buf_init(&b, VK_FILL_MAX);
    b.secret = true;
    vk_fill(vars, text, VK_FILL_TEXT, &b);
    vk_str out = b.err ? VK_STR_NONE : vk_arena_dup(a, vk_buf_view(&b));
    vk_buf_free_secret(&b);
    return out;
}

/* One secret out of `text`, into `out`. */
static void hide(vk_str text, vk_str secret, vk_str hidden, vk_buf *out)
{
    while (text.n >= secret.n) {
        const char *at = memmem(text.p, text.n, secret.p, secret.n);
        if (!at)
            break;
        size_t before = (size_t)(at - text.p);
        vk_buf_add(out, text.p, before);
        vk_buf_str(out, hidden);
        text = (vk_str){at + secret.n, text.n - before - secret.n};
    }
    vk_buf_str(out, text);
}

vk_str vk_scrubbed(vk_arena *a, const vk_vars *vars, vk_str text, vk_str hidden)
{
    vk_str out = vk_arena_dup(a, text);
    for (size_t i = 0; out.p && i < vars->n; i++) {
        const vk_var *v = &vars->v[i];
        if (v->kind != VK_VAR_SECRET || v->value.n < VK_SHORTEST_SECRET ||
            !memmem(out.p, out.n, v->value.p, v->value.n))
            continue;
        vk_buf b;
        vk_buf_init(&b, 2 * VK_FILL_MAX);
        b.secret = true;
        hide(out, v->value, hidden, &b);
        out = b.err ? VK_STR_NONE : vk_arena_dup(a, vk_buf_view(&b));
        vk_buf_free_secret(&b);
    }
    return out;
}
