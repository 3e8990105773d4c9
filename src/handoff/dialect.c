/* Env files. No quoting style is read alike by all parsers; a value of the plain characters is, so those stay
 * bare, and the rest gets the style of its own dialect. Docker: docs.docker.com, `--env-file` (no quotes, no
 * expansion). systemd: systemd.exec(5), EnvironmentFile= (in double quotes a backslash escapes " \ ` $;
 * nothing is expanded). */
#include "core/json_write.h"
#include "handoff/env.h"

static const char *const format_names[] = {
    [VK_ENV_DOTENV] = "dotenv",   [VK_ENV_SHELL] = "shell", [VK_ENV_DOCKER] = "docker",
    [VK_ENV_SYSTEMD] = "systemd", [VK_ENV_JSON] = "json",
};

bool vk_env_format_parse(vk_str name, vk_env_format *out_r)
{
    for (size_t i = 0; i < VK_COUNT(format_names); i++)
        if (vk_str_eqz(name, format_names[i])) {
            *out_r = (vk_env_format)i;
            return true;
        }
    return false;
}

static vk_err refuse(const char *name, const char *what, const char **why_r)
{
    static _Thread_local char why[256];
    snprintf(why, sizeof why,
             "the value of %.64s holds %s, which this format cannot carry; use --format json", name, what);
    *why_r = why;
    return VK_E_INVALID;
}

static bool has(vk_str s, const char *any)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] && strchr(any, s.p[i]))
            return true;
    return false;
}

static bool plain(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr("_./:@%+,=-", c))))
            return false;
    }
    return true;
}

static vk_err dotenv(vk_buf *out, const vk_env_var *v, const char **why_r)
{
    char quote = 0;
    if (!plain(v->value))
        quote = has(v->value, "'") ? '"' : '\'';
    if (quote == '"' && has(v->value, "\"\\$`"))
        return refuse(v->name, "both kinds of quotes, or a quote beside a backslash, $ or `", why_r);
    vk_buf_z(out, v->name);
    vk_buf_ch(out, '=');
    if (quote)
        vk_buf_ch(out, quote);
    vk_buf_str(out, v->value);
    if (quote)
        vk_buf_ch(out, quote);
    return out->err;
}

static vk_err shell(vk_buf *out, const vk_env_var *v)
{
    vk_buf_printf(out, "export %s='", v->name);
    for (size_t i = 0; i < v->value.n; i++) {
        if (v->value.p[i] == '\'')
            vk_buf_lit(out, "'\\''");
        else
            vk_buf_ch(out, v->value.p[i]);
    }
    vk_buf_ch(out, '\'');
    return out->err;
}

static vk_err systemd(vk_buf *out, const vk_env_var *v)
{
    bool bare = plain(v->value);
    vk_buf_z(out, v->name);
    vk_buf_ch(out, '=');
    if (!bare)
        vk_buf_ch(out, '"');
    for (size_t i = 0; i < v->value.n; i++) {
        char c = v->value.p[i];
        if (c == '"' || c == '\\' || c == '`' || c == '$')
            vk_buf_ch(out, '\\');
        vk_buf_ch(out, c);
    }
    if (!bare)
        vk_buf_ch(out, '"');
    return out->err;
}

vk_err vk_env_line(vk_buf *out, vk_env_format f, const vk_env_var *v, const char **why_r)
{
    *why_r = "the environment is larger than the limit";
    if (v->value.n && memchr(v->value.p, '\0', v->value.n))
        return refuse(v->name, "a NUL byte", why_r);
    if (has(v->value, "\r\n"))
        return refuse(v->name, "a line break", why_r);
    vk_err e;
    switch (f) {
    case VK_ENV_DOTENV:
        e = dotenv(out, v, why_r);
        break;
    case VK_ENV_SHELL:
        e = shell(out, v);
        break;
    case VK_ENV_SYSTEMD:
        e = systemd(out, v);
        break;
    case VK_ENV_DOCKER:
        vk_buf_z(out, v->name);
        vk_buf_ch(out, '=');
        vk_buf_str(out, v->value);
        e = out->err;
        break;
    default:
        *why_r = "JSON has no lines";
        return VK_E_INVALID;
    }
    vk_buf_ch(out, '\n');
    return e != VK_OK ? e : out->err;
}

static vk_err json(vk_buf *out, const vk_env_var *vars, size_t n, const char **why_r)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    for (size_t i = 0; i < n; i++) {
        if (vars[i].value.n && memchr(vars[i].value.p, '\0', vars[i].value.n)) {
            *why_r = "a value holds a NUL byte, which no environment can carry";
            return VK_E_INVALID;
        }
        vk_jw_kstr(&w, vars[i].name, vars[i].value);
    }
    vk_jw_obj_end(&w);
    return out->err;
}

vk_err vk_env_write(vk_buf *out, vk_env_format f, const vk_env_var *vars, size_t n, const char **why_r)
{
    size_t start = out->n;
    vk_err e = VK_OK;
    *why_r = "the environment is larger than the limit";
    if (f == VK_ENV_JSON)
        e = json(out, vars, n, why_r);
    for (size_t i = 0; e == VK_OK && f != VK_ENV_JSON && i < n; i++)
        e = vk_env_line(out, f, &vars[i], why_r);
    if (e != VK_OK) {
        vk_wipe(out->p + start, out->n - start);
        vk_buf_truncate(out, start);
    }
    return e;
}
