/* Values on their way from a person, or a pipe, to keeper. */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/out.h"
#include "crypto/digest.h"
#include "core/clock.h"
#include "core/encode.h"
#include "crypto/digest.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

const vk_vendor *vk_keys_vendor(const char *command, const char *name)
{
    const vk_vendor *v = vk_vendor_of(vk_str_z(name)), *all[VK_VENDORS_MAX];
    char known[160] = "";
    size_t n = vk_vendors(all), at = 0;
    for (size_t i = 0; !v && i < n && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", all[i]->name);
    if (!v)
        vk_usage(command, "There is no such vendor; there are %s.", known);
    return v;
}

void vk_entered_free(vk_entered *e)
{
    sodium_free(e->room); /* wiped by it; NULL is allowed */
    e->room = NULL;
}

static const vk_vendor_field *field_of(const vk_vendor_field *of, bool secrets, vk_str name)
{
    for (; of && of->name; of++)
        if (vk_str_eqz(name, of->name) && (of->secret || !secrets))
            return of;
    return NULL;
}

/* The names there are, for a sentence; the one that was typed may be a value that was put in its place. */
static int unknown_field(const vk_vendor *v, const vk_vendor_field *of, bool secrets)
{
    char known[256] = "";
    size_t at = 0;
    for (; of && of->name && at < sizeof known; of++)
        if (of->secret || !secrets)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", of->name);
    return vk_failed("invalid", "The input has a name that %s has no value for; it has %s.", v->title, known);
}

/* `value` lies in e->room. */
static int take(vk_entered *e, const vk_vendor_field *f, vk_str value)
{
    const char *why = "This cannot be a value of it.";
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->fields[i].name, f->name) == 0)
            return vk_failed("invalid", "%s is named twice in the input; nothing was done.", f->name);
    if (value.n > VK_VENDOR_VALUE_MAX)
        return vk_failed("invalid", "%s is longer than %d bytes; nothing was done.", f->name,
                         (int)VK_VENDOR_VALUE_MAX);
    if (value.n && f->ok && !f->ok(value, &why))
        return vk_failed("invalid", "%s: %s", f->name, why);
    if (e->n == VK_VENDOR_FIELDS_MAX)
        return vk_failed("invalid", "The input has too many values.");
    e->fields[e->n++] = (vk_entry_field){f->name, vk_secret_of(value)};
    return VK_EXIT_OK;
}

/* ---- a terminal */

static int ask_fields(vk_entered *e, const vk_vendor_field *of, bool secrets, bool more)
{
    for (; of && of->name; of++) {
        char what[256];
        size_t room = VK_VENDOR_VALUE_MAX + 2;
        if (!of->secret && secrets)
            continue;
        bool may = of->optional || more;
        snprintf(what, sizeof what, "%s, %s%s%s%s", of->name, of->what, may ? " (may be left empty" : "",
                 of->usual ? ": " : "", of->usual ? of->usual : "");
        size_t n = strlen(what);
        if (may)
            snprintf(what + n, sizeof what - n, ")");
        if (e->at + room > VK_ENTERED_ROOM)
            return vk_failed("invalid", "The values are too long.");
        char *line = e->room + e->at;
        int code = vk_ask_line(what, !of->secret, line, room);
        if (code != VK_EXIT_OK)
            return code;
        vk_str value = vk_str_z(line);
        while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\r'))
            value.n--;
        if (value.n == 0 && !may)
            return vk_failed("invalid", "%s must be there, so nothing was done.", of->name);
        e->at += room;
        if (value.n && (code = take(e, of, value)) != VK_EXIT_OK)
            return code;
    }
    return VK_EXIT_OK;
}

/* ---- a pipe */

static int read_all(vk_entered *e, vk_str *out_r)
{
    ssize_t got = 1;
    while (got > 0 && e->at < VK_ENTERED_ROOM) {
        got = read(STDIN_FILENO, e->room + e->at, VK_ENTERED_ROOM - e->at);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            e->at += (size_t)got;
    }
    if (got < 0)
        return vk_failed("io", "Standard input cannot be read.");
    if (e->at == VK_ENTERED_ROOM)
        return vk_failed("too_large", "The input is longer than %d bytes; nothing was done.",
                         VK_ENTERED_ROOM);
    vk_str s = {e->room, e->at};
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\n' || s.p[0] == '\r' || s.p[0] == '\t'))
        s = (vk_str){s.p + 1, s.n - 1};
    *out_r = s;
    return s.n ? VK_EXIT_OK : vk_failed("invalid", "Nothing came from standard input, so nothing was done.");
}

static int take_lines(vk_entered *e, const vk_vendor_field *of, bool secrets, vk_str text)
{
    for (bool more = true; more;) {
        vk_str line, name;
        more = vk_str_cut(&text, '\n', &line);
        if (!more)
            line = text;
        while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!vk_str_cut(&line, '=', &name))
            return vk_failed("invalid", "The input must be lines \"name=value\", or one JSON object.");
        const vk_vendor_field *f = field_of(of, secrets, name);
        int code = f ? take(e, f, line) : unknown_field(e->vendor, of, secrets);
        if (code != VK_EXIT_OK)
            return code;
    }
    return VK_EXIT_OK;
}

static int take_object(vk_entered *e, const vk_vendor_field *of, bool secrets, vk_arena *a, vk_str text)
{
    vk_json *o;
    if (vk_json_parse(a, text, &o, NULL, NULL) != VK_OK || o->type != VK_JSON_OBJECT)
        return vk_failed("invalid", "The input begins as a JSON object and is none.");
    for (const vk_json *m = o->u.child; m; m = m->next) {
        const vk_vendor_field *f = field_of(of, secrets, m->key);
        if (!f)
            return unknown_field(e->vendor, of, secrets);
        if (m->type != VK_JSON_STRING)
            return vk_failed("invalid", "%s must be a text.", f->name);
        if (m->u.s.n > VK_ENTERED_ROOM - e->at)
            return vk_failed("invalid", "The values are too long.");
        memcpy(e->room + e->at, m->u.s.p, m->u.s.n);
        vk_str value = {e->room + e->at, m->u.s.n};
        e->at += m->u.s.n;
        int code = take(e, f, value);
        if (code != VK_EXIT_OK)
            return code;
    }
    return VK_EXIT_OK;
}

static int read_fields(vk_entered *e, const vk_vendor_field *of, bool secrets)
{
    vk_str text;
    int code = read_all(e, &text);
    if (code != VK_EXIT_OK)
        return code;
    if (memchr(text.p, '\0', text.n))
        return vk_failed("invalid", "The input has a NUL byte; nothing was done.");
    if (text.p[0] != '{')
        return take_lines(e, of, secrets, text);
    vk_arena *a = vk_arena_new((size_t)VK_ENTERED_ROOM * 16);
    code = a ? take_object(e, of, secrets, a, text) : vk_failed("nomem", "Out of memory.");
    if (a)
        vk_arena_wipe(a);
    vk_arena_free(a);
    return code;
}

int vk_keys_enter(const vk_vendor *v, const vk_vendor_field *of, bool secrets, bool more, vk_entered *out_r)
{
    *out_r = (vk_entered){.vendor = v};
    if (sodium_init() < 0 || !(out_r->room = sodium_malloc(VK_ENTERED_ROOM)))
        return vk_failed("nomem", "There is no memory that can be locked; raise the limit `ulimit -l`.");
    int code = isatty(STDIN_FILENO) ? ask_fields(out_r, of, secrets, more) : read_fields(out_r, of, secrets);
    if (code == VK_EXIT_OK && out_r->n == 0)
        return vk_failed("invalid", "No value was entered, so nothing was done.");
    return code;
}

/* ---- to keeper */

int vk_keys_box(vk_api *api, const char *expected, uint8_t key_r[VK_BOX_PUBLIC])
{
    vk_reply r;
    char fingerprint[VK_BOX_FINGERPRINT];
    int code;
    vk_str key = VK_STR_NONE;
    if (vk_digest_init() != VK_OK)
        return vk_failed("internal", "OpenSSL does not have what is needed here.");
    if (vk_api_call(api, "GET", "/api/v1/keys/sealing", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return VK_EXIT_FAILED;
    if (!vk_reply_ok(&r, &code)) {
        vk_reply_free(&r);
        return code;
    }
    vk_str text = vk_json_str(vk_json_get(r.json, VK_STR("key")));
    bool good = text.n && vk_base64_decode(r.arena, text, &key) == VK_OK && key.n == VK_BOX_PUBLIC;
    if (good)
        memcpy(key_r, key.p, VK_BOX_PUBLIC);
    vk_reply_free(&r);
    if (!good)
        return vk_failed("internal", "The daemon's answer has no key to seal to; is it of the same version?");
    if (vk_digest_init() != VK_OK)
        return vk_failed("internal", "OpenSSL has no SHA-256 here.");
    vk_box_fingerprint(key_r, fingerprint);
    if (expected && strcmp(expected, fingerprint) != 0)
        return vk_failed("forbidden",
                         "The key that the daemon shows has the fingerprint %s, not the one that was named: "
                         "something stands between you and the daemon, or its vault was made anew. Nothing "
                         "was sent.",
                         fingerprint);
    if (!expected && isatty(STDERR_FILENO))
        fprintf(stderr, "%sSealed to the daemon's key %s%s\n", vk_tone_begin(stderr, VK_DIM), fingerprint,
                vk_tone_end(stderr));
    return VK_EXIT_OK;
}

int vk_keys_seal(const uint8_t key[VK_BOX_PUBLIC], const vk_entered *e, const char *build, vk_buf *out)
{
    vk_err err = vk_entry_seal(key, vk_str_z(e->vendor->name), vk_str_z(build), vk_clock_wall_ms(), e->fields,
                               e->n, out);
    if (err == VK_OK)
        return VK_EXIT_OK;
    return err == VK_E_NOMEM
               ? vk_failed("nomem", "Out of memory.")
               : vk_failed("invalid", "The values hold something that no key does: blanks, line "
                                      "ends or other than ASCII. Nothing was sent.");
}

void vk_keys_body(vk_buf *out, vk_str sealed)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "sealed", sealed);
    vk_jw_obj_end(&w);
}
