#include "keeper/entry.h"

#include "core/encode.h"
#include "core/json_write.h"

#include <sodium.h>

enum { ARENA = 2 * 1024 * 1024 }; /* of the parse tree of the longest entry */

/* ---- making one */

static bool plain_ascii(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

/* Seals what `json` has, and wipes it. */
static vk_err finish(const uint8_t key[VK_BOX_PUBLIC], vk_buf *json, vk_buf *out)
{
    vk_buf box;
    vk_buf_init(&box, VK_ENTRY_MAX + VK_BOX_OVERHEAD);
    vk_err e = json->err == VK_OK ? vk_box_seal(key, vk_buf_view(json), &box) : json->err;
    if (e == VK_OK)
        vk_base64(out, box.p, box.n, true);
    vk_buf_free(&box);
    vk_buf_free_secret(json);
    return e == VK_OK ? out->err : e;
}

static void json_begin(vk_buf *json)
{
    vk_buf_init(json, VK_ENTRY_MAX);
    json->secret = true;
}

vk_err vk_entry_seal(const uint8_t key[VK_BOX_PUBLIC], vk_str vendor, vk_str build, int64_t at,
                     const vk_entry_field *fields, size_t n, vk_buf *out)
{
    vk_buf json;
    for (size_t i = 0; i < n; i++)
        if (!plain_ascii(vk_secret_bytes(fields[i].value)))
            return VK_E_INVALID;
    json_begin(&json);
    vk_jw w = vk_jw_on(&json);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "vendor", vendor);
    vk_jw_kstr(&w, "build", build);
    vk_jw_ki64(&w, "at", at);
    vk_jw_key(&w, VK_STR("fields"));
    vk_jw_obj(&w);
    for (size_t i = 0; i < n; i++) {
        vk_str value = vk_secret_bytes(fields[i].value);
        vk_jw_kstr(&w, fields[i].name, value.n ? value : VK_STR(""));
    }
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    return finish(key, &json, out);
}

vk_err vk_entry_kek(const uint8_t key[VK_BOX_PUBLIC], const uint8_t kek[VK_ENTRY_KEK], const vk_kdf *kdf,
                    int64_t at, vk_buf *out)
{
    vk_buf json;
    json_begin(&json);
    vk_buf_lit(&json, "{\"kek\":\"");
    vk_base64(&json, kek, VK_ENTRY_KEK, true);
    vk_buf_lit(&json, "\",\"at\":");
    vk_buf_i64(&json, at);
    if (kdf && kdf->t) {
        vk_buf_printf(&json, ",\"kdf\":{\"t\":%u,\"m\":%u,\"p\":%u,\"salt\":\"", kdf->t, kdf->m, kdf->p);
        vk_base64(&json, kdf->salt, VK_KDF_SALT, true);
        vk_buf_lit(&json, "\"}}");
    } else
        vk_buf_lit(&json, ",\"kdf\":null}");
    return finish(key, &json, out);
}

/* ---- reading one */

typedef struct reader {
    vk_arena *arena; /* wiped */
    char *room;
    size_t used, most;
    const char *why;
} reader;

static vk_err refuse(reader *r, const char *why)
{
    r->why = why;
    return VK_E_INVALID;
}

/* A text that was written with escapes lies in the arena: it moves into the room. */
static vk_err keep(reader *r, vk_str s, vk_str *out_r)
{
    if (s.n && (s.p < r->room || s.p >= r->room + r->used)) {
        if (s.n > r->most - r->used)
            return refuse(r, "The entry is too long.");
        memcpy(r->room + r->used, s.p, s.n);
        s.p = r->room + r->used;
        r->used += s.n;
    }
    *out_r = s;
    return VK_OK;
}

static vk_err decode(reader *r, const uint8_t secret[VK_BOX_SECRET], vk_str base64)
{
    vk_str box;
    if (!base64.n || base64.n > VK_ENTRY_BASE64_MAX)
        return refuse(r, base64.n ? "The sealed entry is too long." : "There is no sealed entry.");
    vk_err e = vk_base64_decode(r->arena, base64, &box);
    if (e == VK_E_NOMEM)
        return e;
    if (e != VK_OK || box.n < VK_BOX_OVERHEAD || box.n - VK_BOX_OVERHEAD > VK_ENTRY_MAX)
        return refuse(r, "The sealed entry is no base64 of a sealed box.");
    r->used = box.n - VK_BOX_OVERHEAD;
    if (vk_box_open(secret, box, r->room) != VK_OK)
        return refuse(
            r, "The entry does not open: it was sealed to another valetkey's public key, or changed on "
               "its way.");
    return VK_OK;
}

static vk_err read_kek(reader *r, const vk_json *o, vk_entry *out)
{
    vk_str raw;
    const vk_json *kdf = vk_json_opt(o, VK_STR("kdf"));
    if (vk_base64_decode(r->arena, vk_json_str(vk_json_get(o, VK_STR("kek"))), &raw) != VK_OK ||
        raw.n != VK_ENTRY_KEK || keep(r, raw, &raw) != VK_OK)
        return refuse(r, "\"kek\" is the base64 of 32 bytes.");
    out->kek = vk_secret_of(raw);
    if (!kdf)
        return VK_OK;
    static const char *const names[] = {"t", "m", "p"};
    uint32_t *const into[] = {&out->kdf.t, &out->kdf.m, &out->kdf.p};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        int64_t n;
        if (vk_json_i64(vk_json_get(kdf, vk_str_z(names[i])), &n) != VK_OK || n < 1 || n > UINT32_MAX)
            return refuse(r, "\"kdf\" has the numbers t, m and p.");
        *into[i] = (uint32_t)n;
    }
    if (vk_base64_decode(r->arena, vk_json_str(vk_json_get(kdf, VK_STR("salt"))), &raw) != VK_OK ||
        raw.n != VK_KDF_SALT)
        return refuse(r, "\"salt\" is the base64 of 16 bytes.");
    memcpy(out->kdf.salt, raw.p, VK_KDF_SALT);
    return VK_OK;
}

static vk_err read_fields(reader *r, const vk_json *fields, vk_entry *out)
{
    if (!fields || fields->type != VK_JSON_OBJECT)
        return refuse(r, "The entry has no \"fields\".");
    for (const vk_json *f = fields->u.child; f; f = f->next) {
        vk_str name, value;
        if (f->type != VK_JSON_STRING)
            return refuse(r, "A field of the entry is no text.");
        if (out->n == VK_VENDOR_FIELDS_MAX || f->key.n > VK_VENDOR_FIELD_MAX)
            return refuse(r, "The entry has fields that no vendor has.");
        if (f->u.s.n > VK_VENDOR_VALUE_MAX)
            return refuse(r, "A value of the entry is longer than 2048 bytes.");
        if (keep(r, f->key, &name) != VK_OK || keep(r, f->u.s, &value) != VK_OK)
            return VK_E_INVALID;
        for (size_t i = 0; i < out->n; i++)
            if (vk_str_eq(out->fields[i].name, name))
                return refuse(r, "A field stands twice in the entry.");
        out->fields[out->n].name = name;
        out->fields[out->n++].value = vk_secret_of(value);
    }
    return VK_OK;
}

static vk_err parse(reader *r, vk_entry *out)
{
    vk_json *o;
    vk_err e = vk_json_parse(r->arena, (vk_str){r->room, r->used}, &o, NULL, NULL);
    if (e == VK_E_NOMEM)
        return e;
    if (e != VK_OK || o->type != VK_JSON_OBJECT)
        return refuse(r, "What was sealed is no JSON object.");
    if (vk_json_i64(vk_json_get(o, VK_STR("at")), &out->at) != VK_OK || out->at < 0)
        return refuse(r, "The entry has no \"at\", the time of its sealing in milliseconds.");
    if (vk_json_get(o, VK_STR("kek")))
        return read_kek(r, o, out);
    const vk_json *vendor = vk_json_get(o, VK_STR("vendor")), *build = vk_json_opt(o, VK_STR("build"));
    if (!vendor || vendor->type != VK_JSON_STRING || vendor->u.s.n > VK_VENDOR_NAME_MAX)
        return refuse(r, "The entry names no \"vendor\".");
    if (build && (build->type != VK_JSON_STRING || build->u.s.n > 64))
        return refuse(r, "The entry's \"build\" is no build.");
    if (keep(r, vendor->u.s, &out->vendor) != VK_OK || keep(r, vk_json_str(build), &out->build) != VK_OK)
        return VK_E_INVALID;
    return read_fields(r, vk_json_get(o, VK_STR("fields")), out);
}

vk_err vk_entry_open(const uint8_t secret[VK_BOX_SECRET], vk_str base64, char *room, vk_entry *out_r,
                     const char **why_r)
{
    reader r = {.arena = vk_arena_new(ARENA), .room = room, .most = VK_ENTRY_ROOM, .why = "out of memory"};
    *out_r = (vk_entry){.n = 0};
    vk_err e = r.arena ? decode(&r, secret, base64) : VK_E_NOMEM;
    if (e == VK_OK)
        e = parse(&r, out_r);
    if (r.arena)
        vk_arena_wipe(r.arena);
    vk_arena_free(r.arena);
    if (e != VK_OK) {
        vk_wipe(room, VK_ENTRY_ROOM);
        *why_r = r.why;
    }
    return e;
}
