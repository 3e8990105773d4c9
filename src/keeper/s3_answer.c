#include "keeper/s3_answer.h"

#include <expat.h>

#include "core/encode.h"
#include "core/random.h"

/* ---- what is read */

typedef enum form { ROOT, ENTRY, TEXT, KEY, NUMBER, FLAG } form;

enum { R_OBJECTS, R_UPLOADS, R_DELETED, R_ERROR, R_OBJECT, R_UPLOAD, R_FAILED };

static const struct row {
    const char *name;
    int parent; /* -1: the document */
    form form;
    bool entry; /* a member of the entry; else of the document */
    size_t at;  /* of ROOT: the kind */
} rows[] = {
    [R_OBJECTS] = {"ListBucketResult", -1, ROOT, false, VK_S3A_OBJECTS},
    [R_UPLOADS] = {"ListMultipartUploadsResult", -1, ROOT, false, VK_S3A_UPLOADS},
    [R_DELETED] = {"DeleteResult", -1, ROOT, false, VK_S3A_DELETED},
    [R_ERROR] = {"Error", -1, ROOT, false, VK_S3A_ERROR},
    [R_OBJECT] = {"Contents", R_OBJECTS, ENTRY, false, 0},
    [R_UPLOAD] = {"Upload", R_UPLOADS, ENTRY, false, 0},
    [R_FAILED] = {"Error", R_DELETED, ENTRY, false, 0},
    {"IsTruncated", R_OBJECTS, FLAG, false, offsetof(vk_s3a, truncated)},
    {"NextContinuationToken", R_OBJECTS, TEXT, false, offsetof(vk_s3a, next)},
    {"EncodingType", R_OBJECTS, TEXT, false, offsetof(vk_s3a, message)},
    {"Key", R_OBJECT, KEY, true, offsetof(vk_s3a_entry, key)},
    {"Size", R_OBJECT, NUMBER, true, offsetof(vk_s3a_entry, size)},
    {"IsTruncated", R_UPLOADS, FLAG, false, offsetof(vk_s3a, truncated)},
    {"EncodingType", R_UPLOADS, TEXT, false, offsetof(vk_s3a, message)},
    {"Key", R_UPLOAD, KEY, true, offsetof(vk_s3a_entry, key)},
    {"UploadId", R_UPLOAD, TEXT, true, offsetof(vk_s3a_entry, id)},
    {"Key", R_FAILED, KEY, true, offsetof(vk_s3a_entry, key)},
    {"Code", R_FAILED, TEXT, true, offsetof(vk_s3a_entry, id)},
    {"Code", R_ERROR, TEXT, false, offsetof(vk_s3a, code)},
    {"Message", R_ERROR, TEXT, false, offsetof(vk_s3a, message)},
};

/* ---- reading */

struct reader {
    XML_Parser parser;
    vk_arena *arena;
    vk_s3a *doc;
    int depth, skipped; /* elements that are open; of these, unknown ones and what is in them */
    int path[VK_S3A_DEPTH_MAX];
    char text[VK_S3A_TEXT_MAX];
    size_t text_n, room;
    vk_err err;
};

static void stop(struct reader *r, vk_err e)
{
    if (r->err != VK_OK)
        return;
    r->err = e;
    XML_StopParser(r->parser, XML_FALSE);
}

static void begin_entry(struct reader *r)
{
    vk_s3a *d = r->doc;
    if (d->n == VK_S3A_ENTRIES_MAX) {
        stop(r, VK_E_INVALID);
        return;
    }
    if (d->n == r->room) {
        size_t more = r->room ? r->room * 2 : 16;
        vk_s3a_entry *bigger = vk_arena_alloc(r->arena, more * sizeof *bigger);
        if (!bigger) {
            stop(r, VK_E_NOMEM);
            return;
        }
        if (d->n)
            memcpy(bigger, d->entries, d->n * sizeof *bigger);
        d->entries = bigger;
        r->room = more;
    }
    d->entries[d->n++] = (vk_s3a_entry){.size = -1};
}

static void XMLCALL began(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    VK_UNUSED(attributes);
    const char *local = strrchr(name, '|');
    local = local ? local + 1 : name;
    if (r->err != VK_OK)
        return;
    int parent = r->depth ? r->path[r->depth - 1] : -1;
    if (r->skipped || r->depth == VK_S3A_DEPTH_MAX) {
        if (r->depth + r->skipped >= VK_S3A_DEPTH_MAX)
            stop(r, VK_E_INVALID);
        else
            r->skipped++;
        return;
    }
    size_t i = 0;
    while (i < VK_COUNT(rows) && (rows[i].parent != parent || strcmp(rows[i].name, local) != 0))
        i++;
    if (i == VK_COUNT(rows)) {
        if (r->depth)
            r->skipped = 1;
        else
            stop(r, VK_E_INVALID);
        return;
    }
    r->path[r->depth++] = (int)i;
    r->text_n = 0;
    if (rows[i].form == ROOT)
        r->doc->kind = (vk_s3a_kind)rows[i].at;
    else if (rows[i].form == ENTRY)
        begin_entry(r);
}

static void set(struct reader *r, const struct row *row)
{
    char *base = row->entry ? (char *)&r->doc->entries[r->doc->n - 1] : (char *)r->doc;
    vk_str text = {r->text, r->text_n};
    int64_t n;
    switch (row->form) {
    case TEXT:
    case KEY:
        text = vk_arena_dup(r->arena, text);
        if (!text.p)
            stop(r, VK_E_NOMEM);
        *(vk_str *)(void *)(base + row->at) = text;
        break;
    case NUMBER:
        if (vk_str_to_i64(text, &n) != VK_OK || n < 0)
            stop(r, VK_E_INVALID);
        else
            *(int64_t *)(void *)(base + row->at) = n;
        break;
    case FLAG:
        *(bool *)(void *)(base + row->at) = vk_str_eqz(text, "true");
        break;
    case ROOT:
    case ENTRY:
        break;
    }
}

static void XMLCALL ended(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    VK_UNUSED(name);
    if (r->err != VK_OK)
        return;
    if (r->skipped) {
        r->skipped--;
        return;
    }
    set(r, &rows[r->path[--r->depth]]);
    r->text_n = 0;
}

static void XMLCALL chars(void *arg, const XML_Char *s, int n)
{
    struct reader *r = arg;
    if (r->err != VK_OK || r->skipped || !r->depth || rows[r->path[r->depth - 1]].form <= ENTRY)
        return;
    if ((size_t)n > sizeof r->text - r->text_n) {
        stop(r, VK_E_INVALID);
        return;
    }
    memcpy(r->text + r->text_n, s, (size_t)n);
    r->text_n += (size_t)n;
}

static void XMLCALL doctype(void *arg, const XML_Char *name, const XML_Char *sys, const XML_Char *pub,
                            int has)
{
    VK_UNUSED(name);
    VK_UNUSED(sys);
    VK_UNUSED(pub);
    VK_UNUSED(has);
    stop(arg, VK_E_INVALID);
}

/* ---- keys */

/* In place: it gets shorter. False: a percent sign without two digits. */
static bool decode(vk_str *s)
{
    char *to = (char *)(uintptr_t)s->p;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint8_t byte;
        if (s->p[i] != '%') {
            to[n++] = s->p[i] == '+' ? ' ' : s->p[i];
            continue;
        }
        if (i + 2 >= s->n || vk_hex_decode((vk_str){s->p + i + 1, 2}, &byte, 1) != VK_OK)
            return false;
        to[n++] = (char)byte;
        i += 2;
    }
    s->n = n;
    return true;
}

static vk_err decode_keys(vk_s3a *d)
{
    if (d->kind == VK_S3A_ERROR || !vk_str_eqz(d->message, "url"))
        return VK_OK;
    for (size_t i = 0; i < d->n; i++)
        if (!decode(&d->entries[i].key))
            return VK_E_INVALID;
    return VK_OK;
}

vk_err vk_s3a_read(vk_arena *a, vk_str body, vk_s3a *out_r)
{
    struct reader *r = VK_NEW(a, struct reader);
    unsigned long salt;
    *out_r = (vk_s3a){.kind = VK_S3A_ERROR};
    if (!r)
        return VK_E_NOMEM;
    if (!body.n || body.n > INT_MAX)
        return VK_E_INVALID;
    r->arena = a;
    r->doc = out_r;
    r->parser = XML_ParserCreateNS("UTF-8", '|');
    if (!r->parser)
        return VK_E_NOMEM;
    vk_random(&salt, sizeof salt);
    XML_SetHashSalt(r->parser, salt ? salt : 1);
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, began, ended);
    XML_SetCharacterDataHandler(r->parser, chars);
    XML_SetStartDoctypeDeclHandler(r->parser, doctype);
    bool ok = XML_Parse(r->parser, body.p, (int)body.n, 1) == XML_STATUS_OK;
    vk_err e = r->err;
    if (e == VK_OK && !ok)
        e = XML_GetErrorCode(r->parser) == XML_ERROR_NO_MEMORY ? VK_E_NOMEM : VK_E_INVALID;
    XML_ParserFree(r->parser);
    return e == VK_OK ? decode_keys(out_r) : e;
}
