#include "keeper/scrub.h"

#include "core/encode.h"

#include <sodium.h>

enum {
    WINDOW_MAX = 32, /* bytes of the forms' beginnings that the table knows */
    TABLE = 4096,    /* places of it */
    KINDS = 21,      /* forms of a secret */
    PIECES = 4,      /* of a form: the longest has 6 * VK_SCRUB_MOST bytes */
    FORMS_MAX = VK_SCRUB_SECRETS * KINDS * PIECES,
};

typedef struct form {
    uint32_t at, n; /* in `bytes` */
} form;

_Static_assert(FORMS_MAX * sizeof(form) % 16 == 0,
               "sodium_malloc aligns what is a multiple of the alignment");

struct vk_scrub {
    size_t window; /* of each form; 0: there is none */
    size_t longest, n;
    form forms[FORMS_MAX];
    uint8_t skip[TABLE]; /* by two bytes: how far on the next place is where a form's beginning may end */
    char bytes[];
};

/* ---- forms */

/* What is escaped of a text: what must be, all but letters and digits, everything. */
enum { NEEDED, SIGNS, EVERYTHING };

static bool is_letter(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void as_url(vk_buf *out, vk_str s, int what, bool upper)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = what < EVERYTHING && (is_letter(c) || (what == NEEDED && strchr("-._~", c)));
        const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
        if (plain)
            vk_buf_ch(out, (char)c);
        else
            vk_buf_add(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

/* `slash`: as PHP does. SIGNS as \u00XX: as .NET and Rails do with some. */
static void as_json(vk_buf *out, vk_str s, bool slash, int what, bool upper)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
        if (what == EVERYTHING || (what == SIGNS && !is_letter(c)))
            vk_buf_add(out, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
        else if (c == '"' || c == '\\' || (slash && c == '/'))
            vk_buf_add(out, (char[]){'\\', (char)c}, 2);
        else
            vk_buf_ch(out, (char)c);
    }
}

static void as_hex(vk_buf *out, vk_str s, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        vk_buf_add(out, (char[]){digits[c >> 4], digits[c & 15]}, 2);
    }
}

/* With `before` bytes of something else in front of it: the characters that depend on it alone. */
static void as_base64(vk_buf *out, vk_str s, size_t before, bool url)
{
    vk_buf plain;
    vk_buf_init(&plain, VK_SCRUB_MOST + 2);
    plain.secret = true;
    vk_buf_add(&plain, "\0\0", before);
    vk_buf_str(&plain, s);
    size_t from = (8 * before + 5) / 6, to = 8 * (before + s.n) / 6, at = out->n;
    if (url)
        vk_base64url(out, plain.p, plain.n);
    else
        vk_base64(out, plain.p, plain.n, false);
    if (plain.err)
        out->err = plain.err;
    if (out->err == VK_OK) {
        memmove(out->p + at, out->p + at + from, to - from);
        vk_wipe(out->p + at + (to - from), out->n - at - (to - from));
        vk_buf_truncate(out, at + (to - from));
    }
    vk_buf_free_secret(&plain);
}

static void make_form(vk_buf *out, vk_str s, int kind)
{
    bool upper = kind % 2 == 0;
    switch (kind) {
    case 0:
        vk_buf_str(out, s);
        break;
    case 1:
    case 2:
        as_url(out, s, NEEDED, upper);
        break;
    case 3:
    case 4:
        as_url(out, s, SIGNS, upper);
        break;
    case 5:
    case 6:
        as_url(out, s, EVERYTHING, upper);
        break;
    case 7:
    case 8:
        as_json(out, s, kind == 8, NEEDED, false);
        break;
    case 9:
    case 10:
        as_json(out, s, false, SIGNS, upper);
        break;
    case 11:
    case 12:
        as_json(out, s, false, EVERYTHING, upper);
        break;
    default:
        as_hex(out, s, upper);
        break;
    }
}

typedef struct maker {
    form *forms;
    size_t n;
    vk_buf bytes;
} maker;

static bool known(const maker *m, vk_str s)
{
    for (size_t i = 0; i < m->n; i++)
        if (vk_str_eq((vk_str){m->bytes.p + m->forms[i].at, m->forms[i].n}, s))
            return true;
    return false;
}

/* What was written behind `at` is a form; pieces of a long one overlap as they must for it to have an end. */
static void take_form(maker *m, size_t at)
{
    size_t n = m->bytes.n - at;
    if (m->bytes.err || known(m, (vk_str){m->bytes.p + at, n})) {
        if (!m->bytes.err)
            vk_buf_truncate(&m->bytes, at);
        return;
    }
    for (size_t from = 0; m->n < FORMS_MAX; from += VK_SCRUB_FORM_MAX) {
        if (n - from <= VK_SCRUB_FORM_MAX) {
            size_t last = n > VK_SCRUB_FORM_MAX ? n - VK_SCRUB_FORM_MAX : 0;
            m->forms[m->n++] = (form){(uint32_t)(at + last), (uint32_t)(n - last)};
            return;
        }
        m->forms[m->n++] = (form){(uint32_t)(at + from), VK_SCRUB_FORM_MAX};
    }
}

static void take_secret(maker *m, vk_str s)
{
    for (int kind = 0; kind < KINDS - 6; kind++) { /* the other six are base64's */
        size_t at = m->bytes.n;
        make_form(&m->bytes, s, kind);
        take_form(m, at);
    }
    for (size_t before = 0; before < 3; before++)
        for (int url = 0; url < 2; url++) {
            size_t at = m->bytes.n;
            as_base64(&m->bytes, s, before, url != 0);
            take_form(m, at);
        }
}

/* ---- the table */

static size_t place(char a, char b)
{
    return ((size_t)(unsigned char)a * 61 + (unsigned char)b) % TABLE;
}

static void make_table(vk_scrub *s)
{
    s->window = WINDOW_MAX;
    for (size_t i = 0; i < s->n; i++) {
        s->window = s->forms[i].n < s->window ? s->forms[i].n : s->window;
        s->longest = s->forms[i].n > s->longest ? s->forms[i].n : s->longest;
    }
    memset(s->skip, (int)(s->window - 1), sizeof s->skip);
    for (size_t i = 0; i < s->n; i++) {
        const char *f = s->bytes + s->forms[i].at;
        for (size_t k = 1; k < s->window; k++) {
            uint8_t *skip = &s->skip[place(f[k - 1], f[k])], far = (uint8_t)(s->window - 1 - k);
            *skip = far < *skip ? far : *skip;
        }
    }
}

vk_err vk_scrub_new(const vk_secret *secrets, size_t n, vk_scrub **out_r)
{
    maker m = {.forms = sodium_malloc(FORMS_MAX * sizeof(form))};
    vk_scrub *s = NULL;
    vk_err e = m.forms ? VK_OK : VK_E_NOMEM;
    vk_buf_init(&m.bytes, (size_t)VK_SCRUB_SECRETS * 40 * VK_SCRUB_MOST);
    m.bytes.secret = true;
    if (n > VK_SCRUB_SECRETS)
        e = VK_E_TOO_LARGE;
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        if (secrets[i].n > VK_SCRUB_MOST)
            e = VK_E_TOO_LARGE;
        else if (secrets[i].n >= VK_SCRUB_LEAST)
            take_secret(&m, vk_secret_bytes(secrets[i]));
    }
    if (e == VK_OK)
        e = m.bytes.err;
    /* sodium_malloc aligns what is a multiple of the alignment. */
    if (e == VK_OK && !(s = sodium_malloc((sizeof *s + m.bytes.n + 15) / 16 * 16)))
        e = VK_E_NOMEM;
    if (e == VK_OK) {
        memset(s, 0, sizeof *s);
        s->n = m.n;
        memcpy(s->forms, m.forms, m.n * sizeof *m.forms);
        if (m.bytes.n)
            memcpy(s->bytes, m.bytes.p, m.bytes.n);
        if (s->n)
            make_table(s);
        sodium_mprotect_readonly(s);
        *out_r = s;
    }
    vk_buf_free_secret(&m.bytes);
    sodium_free(m.forms);
    return e;
}

void vk_scrub_free(vk_scrub *s)
{
    sodium_free(s);
}

size_t vk_scrub_keep(const vk_scrub *s)
{
    return s->n ? s->longest - 1 : 0;
}

/* ---- looking */

/* The longest form that begins at `at`; 0: none does. */
static size_t form_at(const vk_scrub *s, const char *at, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < s->n; i++) {
        const form *f = &s->forms[i];
        if (f->n <= n && f->n > most && memcmp(at, s->bytes + f->at, f->n) == 0)
            most = f->n;
    }
    return most;
}

/* Bytes are overwritten only when no form can begin before them any more: what overlaps is found too. */
void vk_scrub_look(vk_scrub_run *r, char *bytes, size_t n, bool end)
{
    const vk_scrub *s = r->with;
    size_t keep = vk_scrub_keep(s), leaves = end ? n : n > keep ? n - keep : 0;
    size_t from = 0, to = r->owed; /* what is to be overwritten next */
    for (size_t last = s->window - 1; s->n && last < n && last - (s->window - 1) < leaves;) {
        size_t skip = s->skip[place(bytes[last - 1], bytes[last])];
        if (VK_LIKELY(skip)) {
            last += skip;
            continue;
        }
        size_t at = last - (s->window - 1), found = form_at(s, bytes + at, n - at);
        last++;
        if (!found)
            continue;
        r->found++;
        if (at > to) {
            memset(bytes + from, '*', to - from);
            from = at;
        }
        to = at + found > to ? at + found : to;
    }
    size_t now = to < leaves ? to : leaves;
    if (now > from)
        memset(bytes + from, '*', now - from);
    r->owed = to > leaves ? to - leaves : 0;
}

size_t vk_scrub_text(const vk_scrub *s, char *bytes, size_t n)
{
    vk_scrub_run r = {.with = s};
    vk_scrub_look(&r, bytes, n, true);
    return (size_t)r.found;
}
