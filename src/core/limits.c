#include "core/limits.h"

#include "core/clock.h"

const vk_limit_info vk_limit_infos[VK_LIMITS] = {
#define INFO(id, name, units, by_default, written, min, max, text)                                           \
    [VK_LIMIT_##id] = {.setting = (name),                                                                    \
                       .shown = (written),                                                                   \
                       .what = (text),                                                                       \
                       .unit = (units),                                                                      \
                       .usual = (by_default),                                                                \
                       .least = (min),                                                                       \
                       .most = (max)},
    VK_LIMIT_TABLE(INFO)
#undef INFO
};

const vk_limits vk_limits_usual = {{
#define USUAL(id, name, units, by_default, written, min, max, text) [VK_LIMIT_##id] = (by_default),
    VK_LIMIT_TABLE(USUAL)
#undef USUAL
}};

static void with_commas(int64_t v, char out[VK_LIMIT_TEXT])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)v), at = 0;
    for (int i = 0; i < n; i++) {
        out[at++] = digits[i];
        if ((n - i) % 3 == 1 && i + 1 < n)
            out[at++] = ',';
    }
    out[at] = '\0';
}

void vk_limit_text(vk_limit_id id, int64_t value, char out[VK_LIMIT_TEXT])
{
    char number[VK_LIMIT_TEXT];
    vk_unit unit = vk_limit_infos[id].unit;
    if (unit == VK_UNIT_BYTES) {
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
        size_t i = 0;
        for (; i + 1 < VK_COUNT(units) && value >= 1024 && value % 1024 == 0; i++)
            value /= 1024;
        with_commas(value, number);
        snprintf(out, VK_LIMIT_TEXT, "%.28s %s", number, units[i]);
        return;
    }
    with_commas(unit == VK_UNIT_MS ? value / 1000 : value, number);
    if (unit == VK_UNIT_PER_SECOND && value == 0)
        snprintf(out, VK_LIMIT_TEXT, "none");
    else
        snprintf(out, VK_LIMIT_TEXT, "%.28s%s", number,
                 unit == VK_UNIT_MS           ? " s"
                 : unit == VK_UNIT_PER_SECOND ? "/s"
                 : unit == VK_UNIT_COUNT      ? ""
                                              : " B/s");
}

/* "512K", "100M", "5G", "1T", or bytes. */
static vk_err parse_bytes(vk_str text, int64_t *out_r)
{
    static const char suffixes[] = "KMGT";
    const char *at = text.n ? strchr(suffixes, text.p[text.n - 1]) : NULL;
    int shift = at && *at ? 10 * (int)(at - suffixes + 1) : 0;
    vk_err e = vk_str_to_i64((vk_str){text.p, text.n - (shift ? 1 : 0)}, out_r);
    if (e != VK_OK || *out_r < 0 || *out_r > INT64_MAX >> shift)
        return VK_E_INVALID;
    *out_r <<= shift;
    return VK_OK;
}

vk_err vk_limit_set(vk_limits *l, vk_str setting, vk_str value, char *why, size_t room)
{
    for (size_t i = 0; i < VK_LIMITS; i++) {
        const vk_limit_info *x = &vk_limit_infos[i];
        int64_t v;
        if (!vk_str_eqz(setting, x->setting))
            continue;
        vk_err e = x->unit == VK_UNIT_MS      ? vk_duration_parse(value, &v)
                   : x->unit == VK_UNIT_BYTES ? parse_bytes(value, &v)
                                              : vk_str_to_i64(value, &v);
        if (e == VK_OK && v >= x->least && v <= x->most) {
            l->of[i] = v;
            return VK_OK;
        }
        char least[VK_LIMIT_TEXT], most[VK_LIMIT_TEXT];
        vk_limit_text((vk_limit_id)i, x->least, least);
        vk_limit_text((vk_limit_id)i, x->most, most);
        if (x->unit == VK_UNIT_MS)
            snprintf(why, room, "a time from %s to %s, written as 10s, 5m or 2h", least, most);
        else if (x->unit == VK_UNIT_BYTES)
            snprintf(why, room, "a size from %s to %s, written as 512K, 100M, 5G or in bytes", least, most);
        else if (x->unit == VK_UNIT_PER_SECOND)
            snprintf(why, room, "a number from 1 to %lld, or 0 for no limit", (long long)x->most);
        else
            snprintf(why, room, "a number from %lld to %lld", (long long)x->least, (long long)x->most);
        return VK_E_INVALID;
    }
    return VK_E_NOT_FOUND;
}
