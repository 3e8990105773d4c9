#include "backup/manifest.h"

#include "backup/contents.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/json_read.h"
#include "core/json_write.h"

static const char line_front[] = "{\"file\":\"";

static void put_info(vk_buf *out, const vk_backup_info *i)
{
    char created[VK_CLOCK_TEXT];
    vk_clock_text(i->created_ms, created);
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "valetkey_backup", i->format);
    vk_jw_ki64(&w, "data_version", i->data_version);
    vk_jw_kstr(&w, "program", vk_str_z(i->program));
    vk_jw_kstr(&w, "created", vk_str_z(created));
    vk_jw_kbool(&w, "secrets", i->secrets);
    vk_jw_obj_end(&w);
}

void vk_backup_info_write(vk_buf *out, const vk_backup_info *i)
{
    put_info(out, i);
    vk_buf_ch(out, '\n');
}

static vk_err read_members(vk_str text, vk_backup_info *i)
{
    vk_arena *a = vk_arena_new((size_t)VK_BACKUP_INFO_MAX * 32);
    vk_json *o = NULL;
    vk_err e = a ? vk_json_parse(a, text, &o, NULL, NULL) : VK_E_NOMEM;
    vk_str program = vk_json_str(vk_json_get(o, VK_STR("program")));
    const vk_json *secrets = vk_json_get(o, VK_STR("secrets"));
    if (e == VK_OK && vk_json_i64(vk_json_get(o, VK_STR("valetkey_backup")), &i->format) != VK_OK)
        e = VK_E_INVALID;
    if (e == VK_OK && program.n < sizeof i->program) /* of the newer ones too, for the sentence */
        memcpy(i->program, program.n ? program.p : "", program.n);
    if (e == VK_OK && i->format > VK_BACKUP_FORMAT)
        e = VK_E_NEWER;
    if (e == VK_OK &&
        (vk_json_i64(vk_json_get(o, VK_STR("data_version")), &i->data_version) != VK_OK ||
         vk_clock_parse(vk_json_str(vk_json_get(o, VK_STR("created"))), &i->created_ms) != VK_OK ||
         !secrets || secrets->type != VK_JSON_BOOL))
        e = VK_E_INVALID;
    if (e == VK_OK)
        i->secrets = secrets->u.b;
    vk_arena_free(a);
    return e;
}

vk_err vk_backup_info_read(vk_str text, vk_backup_info *out_r)
{
    vk_buf again;
    *out_r = (vk_backup_info){.format = 0};
    vk_err e = read_members(text, out_r);
    if (e != VK_OK)
        return e;
    for (const char *p = out_r->program; *p; p++)
        if (*p <= ' ' || *p > '~')
            return VK_E_INVALID;
    if (out_r->format < 1 || out_r->data_version < 1)
        return VK_E_INVALID;
    vk_buf_init(&again, VK_BACKUP_INFO_MAX);
    vk_backup_info_write(&again, out_r);
    if (again.err)
        e = again.err;
    else if (!vk_str_eq(vk_buf_view(&again), text))
        e = VK_E_INVALID;
    vk_buf_free(&again);
    return e;
}

/* ---- the manifest */

void vk_manifest_begin(vk_buf *out, const vk_backup_info *i)
{
    vk_buf_lit(out, "{\"backup\":");
    put_info(out, i);
    vk_buf_lit(out, ",\n\"files\":[");
}

void vk_manifest_file(vk_buf *out, vk_str name, int64_t bytes, const uint8_t sha256[VK_SHA256])
{
    char digits[2 * VK_SHA256 + 1];
    vk_hex(digits, sha256, VK_SHA256);
    vk_buf_lit(out, "\n");
    vk_buf_z(out, line_front);
    vk_buf_str(out, name); /* of vk_backup_name_ok: nothing in it needs an escape */
    vk_buf_printf(out, "\",\"bytes\":%lld,\"sha256\":\"%s\"},", (long long)bytes, digits);
}

void vk_manifest_end(vk_buf *out)
{
    if (out->n && out->err == VK_OK && out->p[out->n - 1] == ',')
        vk_buf_truncate(out, out->n - 1);
    vk_buf_lit(out, "\n]}\n");
}

vk_str vk_manifest_differ(vk_str was, vk_str is)
{
    while (was.n || is.n) {
        vk_str a, b;
        if (!vk_str_cut(&was, '\n', &a)) {
            a = was;
            was.n = 0;
        }
        if (!vk_str_cut(&is, '\n', &b)) {
            b = is;
            is.n = 0;
        }
        if (!vk_str_eq(a, b))
            return vk_manifest_name(b).n ? b : a;
    }
    return VK_STR_NONE;
}

vk_str vk_manifest_name(vk_str line)
{
    size_t front = sizeof line_front - 1;
    const char *end;
    if (line.n <= front || memcmp(line.p, line_front, front) != 0 ||
        !(end = memchr(line.p + front, '"', line.n - front)))
        return VK_STR_NONE;
    return (vk_str){line.p + front, (size_t)(end - line.p) - front};
}
