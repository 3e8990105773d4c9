/* The field `made` of a build's record:
 *
 *   {"state":"making","list":"make","step":1,"op":"tokens.create","generation":7,"name":"build-shop-abc2de3f",
 *    "first":1764400000000,"ready":0,"noted":0,"fails":false,"late":false,"why":"…","notes":{"id":"…"}}
 *
 * without blanks, as every value of the vault: those of texts are escaped. */
#include "core/json_read.h"
#include "core/random.h"
#include "keeper/provision_in.h"

enum { MADE_MAX = VK_VENDOR_VALUE_MAX, READ_ARENA = 64 * 1024 };

static const char *const states[] = {
    [VK_PROV_NONE] = "",         [VK_PROV_MAKING] = "making",
    [VK_PROV_READY] = "ready",   [VK_PROV_SUSPENDED] = "suspended",
    [VK_PROV_ENDING] = "ending", [VK_PROV_FAILED] = "failed",
};
static const char *const lists[] = {
    [VK_PROV_NOTHING] = "",        [VK_PROV_MAKE] = "make", [VK_PROV_RENEW] = "renew",
    [VK_PROV_SUSPEND] = "suspend", [VK_PROV_END] = "end",
};

const char *vk_prov_state_name(vk_prov_state s)
{
    return states[s];
}

/* ---- notes */

vk_str vk_made_noted(const vk_made *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->notes[i].name, name) == 0)
            return vk_str_z(m->notes[i].value);
    return VK_STR_NONE;
}

int64_t vk_made_expires(const vk_made *m)
{
    int64_t ms;
    return vk_str_to_i64(vk_made_noted(m, "expires"), &ms) == VK_OK && ms > 0 ? ms : 0;
}

static bool visible(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return true;
}

vk_err vk_made_note_set(vk_made *m, vk_str name, vk_str value)
{
    size_t i = 0;
    if (!name.n || !visible(name) || !visible(value))
        return VK_E_INVALID;
    if (name.n > VK_PROV_NOTE_NAME || value.n > VK_PROV_VALUE_MAX)
        return VK_E_TOO_LARGE;
    while (i < m->n && !vk_str_eqz(name, m->notes[i].name))
        i++;
    if (!value.n) {
        if (i < m->n)
            m->notes[i] = m->notes[--m->n];
        return VK_OK;
    }
    if (i == VK_PROV_VALUES)
        return VK_E_TOO_LARGE;
    if (i == m->n)
        m->n++;
    vk_made_note *x = &m->notes[i];
    *x = (vk_made_note){.name = ""};
    memcpy(x->name, name.p, name.n);
    memcpy(x->value, value.p, value.n);
    return VK_OK;
}

/* ---- writing */

/* Visible ASCII alone: a sentence of a vendor's may hold anything. */
static void put_text(vk_buf *out, vk_str s)
{
    vk_buf_ch(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == ' ')
            vk_buf_lit(out, "\\u0020");
        else if (c == '"' || c == '\\') {
            vk_buf_ch(out, '\\');
            vk_buf_ch(out, c);
        } else
            vk_buf_ch(out, c > ' ' && c < 0x7f ? c : '?');
    }
    vk_buf_ch(out, '"');
}

static void put_member(vk_buf *out, const char *key, vk_str value)
{
    vk_buf_printf(out, ",\"%s\":", key);
    put_text(out, value);
}

static void put_all(const vk_made *m, size_t why_n, vk_buf *out)
{
    vk_buf_printf(out,
                  "{\"state\":\"%s\",\"list\":\"%s\",\"step\":%u,\"generation\":%llu,\"first\":%lld,"
                  "\"ready\":%lld,\"noted\":%lld,\"fails\":%s,\"late\":%s",
                  states[m->state], lists[m->list], m->step, (unsigned long long)m->generation,
                  (long long)m->first_ms, (long long)m->ready_ms, (long long)m->noted_ms,
                  m->fails ? "true" : "false", m->late ? "true" : "false");
    put_member(out, "op", vk_str_z(m->op));
    put_member(out, "name", vk_str_z(m->name));
    put_member(out, "why", (vk_str){m->why, why_n});
    vk_buf_lit(out, ",\"notes\":{");
    for (size_t i = 0; i < m->n; i++) {
        if (i)
            vk_buf_ch(out, ',');
        put_text(out, vk_str_z(m->notes[i].name));
        vk_buf_ch(out, ':');
        put_text(out, vk_str_z(m->notes[i].value));
    }
    vk_buf_lit(out, "}}");
}

vk_err vk_made_write(const vk_made *m, vk_buf *out)
{
    size_t why_n = strlen(m->why);
    for (;;) {
        vk_buf_clear(out);
        put_all(m, why_n, out);
        if (out->err == VK_E_NOMEM)
            return out->err;
        if (out->err == VK_OK && out->n <= MADE_MAX)
            return VK_OK;
        if (!why_n)
            return VK_E_TOO_LARGE;
        why_n /= 2;
    }
}

/* ---- reading */

static bool index_of(const char *const *names, size_t n, vk_str name, size_t *out_r)
{
    for (size_t i = 0; i < n; i++)
        if (vk_str_eqz(name, names[i])) {
            *out_r = i;
            return true;
        }
    return false;
}

static bool read_text(const vk_json *o, const char *key, char *out, size_t room)
{
    const vk_json *v = vk_json_get(o, vk_str_z(key));
    vk_str s = vk_json_str(v);
    if (!v || v->type != VK_JSON_STRING || s.n >= room || (s.n && memchr(s.p, '\0', s.n)))
        return false;
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool read_number(const vk_json *o, const char *key, int64_t *out_r)
{
    const vk_json *v = vk_json_get(o, vk_str_z(key));
    return v && v->type == VK_JSON_INT && vk_json_i64(v, out_r) == VK_OK && *out_r >= 0;
}

static bool read_flag(const vk_json *o, const char *key, bool *out_r)
{
    const vk_json *v = vk_json_get(o, vk_str_z(key));
    *out_r = v && v->type == VK_JSON_BOOL && v->u.b;
    return v && v->type == VK_JSON_BOOL;
}

static bool read_all(const vk_json *o, vk_made *m)
{
    int64_t step, generation;
    size_t state, list;
    if (!index_of(states, VK_COUNT(states), vk_json_str(vk_json_get(o, VK_STR("state"))), &state) || !state ||
        !index_of(lists, VK_COUNT(lists), vk_json_str(vk_json_get(o, VK_STR("list"))), &list) ||
        !read_number(o, "step", &step) || step >= VK_PROV_STEPS ||
        !read_number(o, "generation", &generation) || !read_number(o, "first", &m->first_ms) ||
        !read_number(o, "ready", &m->ready_ms) || !read_number(o, "noted", &m->noted_ms) ||
        !read_flag(o, "fails", &m->fails) || !read_flag(o, "late", &m->late) ||
        !read_text(o, "op", m->op, sizeof m->op) || !read_text(o, "name", m->name, sizeof m->name) ||
        !m->name[0] || !read_text(o, "why", m->why, sizeof m->why))
        return false;
    m->state = (vk_prov_state)state;
    m->list = (vk_prov_list)list;
    m->step = (uint32_t)step;
    m->generation = (uint64_t)generation;
    const vk_json *notes = vk_json_get(o, VK_STR("notes"));
    if (!notes || notes->type != VK_JSON_OBJECT)
        return false;
    for (const vk_json *x = notes->u.child; x; x = x->next)
        if (x->type != VK_JSON_STRING || !x->u.s.n || vk_made_note_set(m, x->key, x->u.s) != VK_OK)
            return false;
    return true;
}

vk_err vk_made_read(vk_str text, vk_made *out_r)
{
    vk_json *o;
    if (text.n > MADE_MAX)
        return VK_E_INVALID;
    vk_arena *a = vk_arena_new(READ_ARENA);
    if (!a)
        return VK_E_NOMEM;
    *out_r = (vk_made){.state = VK_PROV_NONE};
    vk_err e = vk_json_parse(a, text, &o, NULL, NULL);
    if (e == VK_OK && !read_all(o, out_r))
        e = VK_E_INVALID;
    vk_arena_free(a);
    return e;
}

bool vk_prov_made_ok(vk_str value, const char **why_r)
{
    vk_made m;
    *why_r = "That is no account of what was made.";
    return vk_made_read(value, &m) == VK_OK;
}

/* ---- names */

enum { OWN_RANDOM = 5, OPAQUE_RANDOM = 9 };
static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";

void vk_prov_name_make(const vk_provisioner *how, const char *tag, const char *build,
                       char out[VK_PROV_NAME_MAX + 1])
{
    uint8_t bytes[OPAQUE_RANDOM];
    char random[OPAQUE_RANDOM + 1], id[VK_BUILD_ID_MAX + 1];
    size_t n = how->opaque ? OPAQUE_RANDOM : OWN_RANDOM;
    vk_random(bytes, sizeof bytes);
    for (size_t i = 0; i < n; i++)
        random[i] = alphabet[bytes[i] & 31];
    random[n] = '\0';
    snprintf(id, sizeof id, "%s", build);
    for (char *c = id; *c; c++)
        *c = *c == '-' ? how->joint : *c;
    if (how->opaque)
        snprintf(out, VK_PROV_NAME_MAX + 1, "vk%c%s%s", how->joint, tag, random);
    else
        snprintf(out, VK_PROV_NAME_MAX + 1, "build%c%s%c%s%s", how->joint, id, how->joint, tag, random);
}

bool vk_prov_name_ours(const vk_provisioner *how, const char *tag, vk_str name)
{
    const char *front = how->opaque ? "vk" : "build";
    size_t front_n = strlen(front), random = how->opaque ? OPAQUE_RANDOM : OWN_RANDOM,
           last = VK_ORG_TAG + random;
    if (name.n > VK_PROV_NAME_MAX || name.n < front_n + 1 + last || memcmp(name.p, front, front_n) != 0 ||
        name.p[front_n] != how->joint)
        return false;
    vk_str tail = {name.p + name.n - last, last};
    if (how->opaque ? name.n != front_n + 1 + last : name.n < front_n + 3 + last || tail.p[-1] != how->joint)
        return false;
    for (size_t i = 0; i < tail.n; i++)
        if (!memchr(alphabet, tail.p[i], 32))
            return false;
    /* Between them a build's id: what else a vendor may have under such a name has no place in a path. */
    for (const char *c = name.p + front_n; c < tail.p; c++)
        if (*c != how->joint && !(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            return false;
    return memcmp(tail.p, tag, VK_ORG_TAG) == 0;
}

/* ---- Retry-After */

/* "Sun, 06 Nov 1994 08:49:37 GMT"; the two older forms no vendor sends. */
static int64_t date_ms(vk_str s)
{
    char text[40];
    struct tm tm = {.tm_sec = 0};
    if (s.n >= sizeof text)
        return -1;
    snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(s));
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return end && !*end ? (int64_t)timegm(&tm) * 1000 : -1;
}

int64_t vk_prov_retry_after(vk_str value, int64_t now_ms)
{
    int64_t n;
    value = vk_str_trim(value);
    if (!value.n)
        return -1;
    if (vk_str_to_i64(value, &n) == VK_OK)
        return n < 0 ? -1 : n > VK_PROV_END_WAIT_MOST_MS / 1000 ? VK_PROV_END_WAIT_MOST_MS : n * 1000;
    n = date_ms(value);
    if (n < 0)
        return -1;
    n -= now_ms;
    return n < 0 ? 0 : n > VK_PROV_END_WAIT_MOST_MS ? VK_PROV_END_WAIT_MOST_MS : n;
}
