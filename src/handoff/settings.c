#include "handoff/settings.h"

#include "core/buf.h"
#include "core/encode.h"
#include "core/json_read.h"

enum {
    SALT = VK_SETTINGS_SALT,
    MARK = VK_SETTINGS_MARK,
    VALUES_MAX = (VK_ENV_MAX + VK_SETTINGS_MARKS_MAX) * (2 * MARK + 1) + 2 * SALT + 2,
};

vk_err vk_settings_wanted(vk_arena *a, vk_str package_json, bool *wanted_r)
{
    vk_json *root;
    if (vk_str_starts(package_json, VK_STR("\xef\xbb\xbf"))) { /* npm takes a byte order mark */
        package_json.p += 3;
        package_json.n -= 3;
    }
    vk_err e = vk_json_parse(a, package_json, &root, NULL, NULL);
    if (e != VK_OK)
        return e;
    if (root->type != VK_JSON_OBJECT)
        return VK_E_INVALID;
    const vk_json *said = vk_json_get(vk_json_get(root, VK_STR("valetkey")), VK_STR("settings"));
    *wanted_r = said && said->type == VK_JSON_BOOL && said->u.b;
    return VK_OK;
}

static vk_err subkey(const vk_runtime *rt, vk_arena *a, const vk_build *b, const char *purpose,
                     uint8_t out[32])
{
    vk_str label = vk_arena_printf(a, "valetkey/settings/%s/v1/%s/%llu", purpose, b->id,
                                   (unsigned long long)b->generation);
    if (!label.p)
        return VK_E_NOMEM;
    vk_master_subkey(rt->master, label, out);
    return VK_OK;
}

static vk_str token(const vk_runtime *rt, vk_arena *a, const vk_build *b)
{
    static const vk_valet_form form = {.kind = 't', .prefix = "st_"};
    char key[VK_VALET_MAX];
    vk_valet_derive(rt->master, &form, vk_str_z(b->id), VK_STR("settings"), b->generation, key);
    vk_str out = vk_arena_dup(a, vk_str_z(key));
    vk_wipe(key, sizeof key);
    return out;
}

static vk_str encryption_key(const vk_runtime *rt, vk_arena *a, const vk_build *b)
{
    uint8_t key[32];
    char text[2 * sizeof key + 1];
    if (subkey(rt, a, b, "encryption", key) != VK_OK)
        return VK_STR_NONE;
    vk_hex(text, key, sizeof key);
    vk_str out = vk_arena_dup(a, vk_str_z(text));
    vk_wipe(key, sizeof key);
    vk_wipe(text, sizeof text);
    return out;
}

/* Publishable keys are no secret, and still nobody's own. */
static bool is_key(const vk_env_var *v)
{
    static const vk_str end = {"PUBLISHABLE_KEY", 15};
    vk_str name = vk_str_z(v->name);
    return v->value.n &&
           (v->secret || (name.n >= end.n && memcmp(name.p + name.n - end.n, end.p, end.n) == 0));
}

vk_err vk_settings_salt(const vk_runtime *rt, vk_arena *a, const vk_build *b, uint8_t out[VK_SETTINGS_SALT])
{
    uint8_t key[32];
    vk_err e = subkey(rt, a, b, "refused", key);
    if (e == VK_OK)
        memcpy(out, key, SALT);
    vk_wipe(key, sizeof key);
    return e;
}

static vk_str refused_keys(const vk_runtime *rt, vk_arena *a, const vk_build *b, const vk_env_var *vars,
                           size_t n, const vk_str *marks, size_t n_marks)
{
    uint8_t salt[SALT], mark[VK_SHA256];
    size_t had = 0;
    char text[2 * VK_SHA256 + 1];
    vk_buf out;
    if (n_marks > VK_SETTINGS_MARKS_MAX || vk_settings_salt(rt, a, b, salt) != VK_OK)
        return VK_STR_NONE;
    vk_buf_init(&out, VALUES_MAX);
    vk_hex(text, salt, SALT);
    vk_buf_z(&out, text);
    for (size_t i = 0; i < n; i++) {
        bool again = !is_key(&vars[i]); /* the same value goes by more than one name */
        for (size_t k = 0; !again && k < i; k++)
            again = is_key(&vars[k]) && vk_str_eq(vars[k].value, vars[i].value);
        if (again)
            continue;
        vk_hmac((vk_str){(const char *)salt, SALT}, vars[i].value, mark);
        vk_hex(text, mark, MARK);
        vk_buf_ch(&out, had++ ? ',' : ':');
        vk_buf_z(&out, text);
    }
    for (size_t i = 0; i < n_marks; i++) {
        vk_buf_ch(&out, had++ ? ',' : ':');
        vk_buf_str(&out, marks[i]);
    }
    vk_str list = out.err ? VK_STR_NONE : vk_arena_dup(a, vk_buf_view(&out));
    vk_buf_free(&out);
    vk_wipe(salt, sizeof salt);
    return list;
}

vk_err vk_settings_add(const vk_runtime *rt, vk_arena *a, const vk_build *b, vk_env_var *vars, size_t *n,
                       const vk_str *marks, size_t n_marks, const char **why_r)
{
    const vk_env_var more[] = {
        {"SETTINGS_TOKEN", token(rt, a, b), true},
        {"SETTINGS_ENCRYPTION_KEY", encryption_key(rt, a, b), true},
        {"VALETKEY_REFUSED_KEYS", refused_keys(rt, a, b, vars, *n, marks, n_marks), false},
    };
    *why_r = "more variables than the limit of one build";
    if (*n + VK_COUNT(more) > VK_ENV_MAX)
        return VK_E_TOO_LARGE;
    *why_r = "out of memory";
    for (size_t i = 0; i < VK_COUNT(more); i++)
        if (!more[i].value.p)
            return VK_E_NOMEM;
    memcpy(vars + *n, more, sizeof more);
    *n += VK_COUNT(more);
    return VK_OK;
}
