#include "services/storage/upstream/xml.h"

#include <expat.h>

#include "core/clock.h"
#include "core/random.h"
#include "services/storage/s3name.h"

/* ---- what is read */

enum {
    R_LIST,
    R_UPLOADS,
    R_PARTS,
    R_CREATED,
    R_COMPLETED,
    R_COPIED,
    R_COPIED_PART,
    R_ERROR,
    R_OBJECT,
    R_UPLOAD,
    R_PART,
    R_PREFIX,
    R_UPLOADS_PREFIX,
};

typedef enum form {
    BRANCH,
    ENTRY, /* a branch that begins an entry */
    TEXT,
    KEY, /* a text that may be encoded */
    ETAG,
    TIME,
    NUMBER,
    FLAG,
    COMMON, /* a common prefix */
} form;

#define IN_DOC(member) false, offsetof(vk_s3u_doc, member)
#define IN_ENTRY(member) true, offsetof(vk_s3u_entry, member)

static const struct row {
    const char *name;
    int parent; /* -1: the document */
    form form;
    bool entry; /* a member of the entry; else of the document */
    size_t at;
} rows[] = {
    [R_LIST] = {"ListBucketResult", -1, BRANCH, false, VK_S3U_LIST},
    [R_UPLOADS] = {"ListMultipartUploadsResult", -1, BRANCH, false, VK_S3U_UPLOADS},
    [R_PARTS] = {"ListPartsResult", -1, BRANCH, false, VK_S3U_PARTS},
    [R_CREATED] = {"InitiateMultipartUploadResult", -1, BRANCH, false, VK_S3U_CREATED},
    [R_COMPLETED] = {"CompleteMultipartUploadResult", -1, BRANCH, false, VK_S3U_COMPLETED},
    [R_COPIED] = {"CopyObjectResult", -1, BRANCH, false, VK_S3U_COPIED},
    [R_COPIED_PART] = {"CopyPartResult", -1, BRANCH, false, VK_S3U_COPIED},
    [R_ERROR] = {"Error", -1, BRANCH, false, VK_S3U_ERROR},
    [R_OBJECT] = {"Contents", R_LIST, ENTRY, false, 0},
    [R_UPLOAD] = {"Upload", R_UPLOADS, ENTRY, false, 0},
    [R_PART] = {"Part", R_PARTS, ENTRY, false, 0},
    [R_PREFIX] = {"CommonPrefixes", R_LIST, BRANCH, false, 0},
    [R_UPLOADS_PREFIX] = {"CommonPrefixes", R_UPLOADS, BRANCH, false, 0},
    {"IsTruncated", R_LIST, FLAG, IN_DOC(truncated)},
    {"EncodingType", R_LIST, TEXT, IN_DOC(encoding)},
    {"NextMarker", R_LIST, KEY, IN_DOC(next)},
    {"NextContinuationToken", R_LIST, TEXT, IN_DOC(next_id)},
    {"Key", R_OBJECT, KEY, IN_ENTRY(key)},
    {"LastModified", R_OBJECT, TIME, IN_ENTRY(mtime_ms)},
    {"ETag", R_OBJECT, ETAG, IN_ENTRY(etag)},
    {"Size", R_OBJECT, NUMBER, IN_ENTRY(size)},
    {"ChecksumAlgorithm", R_OBJECT, TEXT, IN_ENTRY(sum_algo)},
    {"ChecksumType", R_OBJECT, TEXT, IN_ENTRY(sum_type)},
    {"Prefix", R_PREFIX, COMMON, false, 0},
    {"IsTruncated", R_UPLOADS, FLAG, IN_DOC(truncated)},
    {"EncodingType", R_UPLOADS, TEXT, IN_DOC(encoding)},
    {"NextKeyMarker", R_UPLOADS, KEY, IN_DOC(next)},
    {"NextUploadIdMarker", R_UPLOADS, TEXT, IN_DOC(next_id)},
    {"Key", R_UPLOAD, KEY, IN_ENTRY(key)},
    {"UploadId", R_UPLOAD, TEXT, IN_ENTRY(id)},
    {"Initiated", R_UPLOAD, TIME, IN_ENTRY(mtime_ms)},
    {"Prefix", R_UPLOADS_PREFIX, COMMON, false, 0},
    {"IsTruncated", R_PARTS, FLAG, IN_DOC(truncated)},
    {"NextPartNumberMarker", R_PARTS, TEXT, IN_DOC(next)},
    {"PartNumber", R_PART, NUMBER, IN_ENTRY(number)},
    {"LastModified", R_PART, TIME, IN_ENTRY(mtime_ms)},
    {"ETag", R_PART, ETAG, IN_ENTRY(etag)},
    {"Size", R_PART, NUMBER, IN_ENTRY(size)},
    {"UploadId", R_CREATED, TEXT, IN_DOC(id)},
    {"ETag", R_COMPLETED, ETAG, IN_DOC(etag)},
    {"ETag", R_COPIED, ETAG, IN_DOC(etag)},
    {"LastModified", R_COPIED, TIME, IN_DOC(mtime_ms)},
    {"ETag", R_COPIED_PART, ETAG, IN_DOC(etag)},
    {"LastModified", R_COPIED_PART, TIME, IN_DOC(mtime_ms)},
    {"Code", R_ERROR, TEXT, IN_DOC(code)},
    {"Message", R_ERROR, TEXT, IN_DOC(message)},
};

/* ---- reading */

struct reader {
    XML_Parser parser;
    vk_arena *arena;
    vk_s3u_doc *doc;
    int depth, skipped; /* elements that are open; of these, unknown ones and what is in them */
    int path[VK_S3U_DEPTH_MAX];
    char text[VK_S3U_TEXT_MAX];
    size_t text_n, room, prefix_room;
    vk_s3_fail fail;
};

static void stop(struct reader *r, vk_s3_fail f)
{
    if (f == VK_S3_OK || r->fail != VK_S3_OK)
        return;
    r->fail = f;
    XML_StopParser(r->parser, XML_FALSE);
}

/* Room for one more of *n things of `size` bytes. */
static bool grow(struct reader *r, void **at, size_t n, size_t *room, size_t size)
{
    if (n >= VK_S3U_ENTRIES_MAX) {
        stop(r, VK_S3_MALFORMED_XML);
        return false;
    }
    if (n < *room)
        return true;
    size_t more = *room ? *room * 2 : 16;
    void *bigger = vk_arena_alloc(r->arena, more * size);
    if (!bigger) {
        stop(r, VK_S3_NO_MEMORY);
        return false;
    }
    if (n)
        memcpy(bigger, *at, n * size);
    *at = bigger;
    *room = more;
    return true;
}

static void begin_entry(struct reader *r)
{
    void *at = r->doc->entries;
    if (!grow(r, &at, r->doc->n_entries, &r->room, sizeof *r->doc->entries))
        return;
    r->doc->entries = at;
    r->doc->entries[r->doc->n_entries++] = (vk_s3u_entry){.mtime_ms = -1, .size = -1, .number = -1};
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    VK_UNUSED(attributes);
    if (r->fail != VK_S3_OK)
        return;
    const char *local = strrchr(name, '|');
    local = local ? local + 1 : name;
    if (r->depth == VK_S3U_DEPTH_MAX) {
        stop(r, VK_S3_MALFORMED_XML);
        return;
    }
    int parent = r->depth ? r->path[r->depth - 1] : -1, found = -1;
    for (size_t i = 0; !r->skipped && i < VK_COUNT(rows); i++)
        if (rows[i].parent == parent && strcmp(rows[i].name, local) == 0)
            found = (int)i;
    r->text_n = 0;
    r->path[r->depth++] = found;
    if (found < 0) {
        if (r->depth == 1) /* another document */
            stop(r, VK_S3_MALFORMED_XML);
        r->skipped++;
        return;
    }
    if (parent < 0)
        r->doc->kind = (vk_s3u_kind)rows[found].at;
    else if (rows[found].form == ENTRY)
        begin_entry(r);
}

static void XMLCALL on_text(void *arg, const XML_Char *p, int n)
{
    struct reader *r = arg;
    if (r->fail != VK_S3_OK || r->skipped || !r->depth || n <= 0 || rows[r->path[r->depth - 1]].form <= ENTRY)
        return; /* layout */
    if ((size_t)n > sizeof r->text - r->text_n) {
        stop(r, VK_S3_MALFORMED_XML);
        return;
    }
    memcpy(r->text + r->text_n, p, (size_t)n);
    r->text_n += (size_t)n;
}

/* "2026-11-23T18:15:15.000Z"; thousandths and the Z may be missing. */
static vk_s3_fail read_time(vk_str s, int64_t *ms_r)
{
    enum { SECONDS = 19, LONGEST = 30 };
    char full[] = "0000-00-00T00:00:00.000Z";
    if (s.n < SECONDS || s.n > LONGEST)
        return VK_S3_MALFORMED_XML;
    memcpy(full, s.p, SECONDS);
    return vk_clock_parse(vk_str_z(full), ms_r) == VK_OK ? VK_S3_OK : VK_S3_MALFORMED_XML;
}

static vk_str unquoted(vk_str s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? (vk_str){s.p + 1, s.n - 2} : s;
}

static vk_s3_fail store(struct reader *r, const struct row *w, vk_str text)
{
    vk_s3u_doc *d = r->doc;
    char *base = w->entry ? (char *)&d->entries[d->n_entries - 1] : (char *)d;
    switch (w->form) {
    case ETAG:
        *(vk_str *)(void *)(base + w->at) = unquoted(text);
        return VK_S3_OK;
    case TIME:
        return read_time(text, (int64_t *)(void *)(base + w->at));
    case NUMBER: {
        int64_t n;
        if (vk_str_to_i64(text, &n) != VK_OK || n < 0)
            return VK_S3_MALFORMED_XML;
        *(int64_t *)(void *)(base + w->at) = n;
        return VK_S3_OK;
    }
    case FLAG:
        *(bool *)(void *)(base + w->at) = vk_str_eqz(text, "true");
        return vk_str_eqz(text, "true") || vk_str_eqz(text, "false") ? VK_S3_OK : VK_S3_MALFORMED_XML;
    case COMMON: {
        void *at = d->prefixes;
        if (!grow(r, &at, d->n_prefixes, &r->prefix_room, sizeof *d->prefixes))
            return r->fail;
        d->prefixes = at;
        d->prefixes[d->n_prefixes++] = text;
        return VK_S3_OK;
    }
    default:
        *(vk_str *)(void *)(base + w->at) = text;
        return VK_S3_OK;
    }
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    VK_UNUSED(name);
    if (r->fail != VK_S3_OK || !r->depth)
        return;
    int at = r->path[--r->depth];
    if (r->skipped) {
        r->skipped--;
        return;
    }
    if (rows[at].form <= ENTRY)
        return;
    vk_str text = vk_arena_dup(r->arena, (vk_str){r->text, r->text_n});
    stop(r, text.p ? store(r, &rows[at], text) : VK_S3_NO_MEMORY);
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int has)
{
    VK_UNUSED(name);
    VK_UNUSED(system);
    VK_UNUSED(public);
    VK_UNUSED(has);
    stop(arg, VK_S3_MALFORMED_XML);
}

/* ---- what was encoded */

static vk_s3_fail decode(vk_arena *a, vk_str *s)
{
    if (!s->p)
        return VK_S3_OK;
    vk_s3_fail f = vk_s3_decode_query(a, *s, s); /* S3 writes a blank as "+" there */
    return f == VK_S3_BAD_URI ? VK_S3_MALFORMED_XML : f;
}

static vk_s3_fail decode_all(vk_arena *a, vk_s3u_doc *d)
{
    vk_s3_fail f = decode(a, &d->next);
    for (size_t i = 0; f == VK_S3_OK && i < d->n_entries; i++)
        f = decode(a, &d->entries[i].key);
    for (size_t i = 0; f == VK_S3_OK && i < d->n_prefixes; i++)
        f = decode(a, &d->prefixes[i]);
    return f;
}

vk_s3_fail vk_s3u_read(vk_arena *a, vk_str body, vk_s3u_doc *out_r)
{
    vk_s3u_doc doc = {.kind = VK_S3U_KINDS, .mtime_ms = -1};
    while (body.n && strchr(" \r\n\t", body.p[0])) { /* S3 keeps connections awake so, before it knows more */
        body.p++;
        body.n--;
    }
    if (body.n == 0 || body.n > VK_S3U_XML_MAX || (unsigned char)body.p[0] >= 0xfe)
        return VK_S3_MALFORMED_XML;
    struct reader *r = vk_arena_calloc(a, sizeof *r);
    XML_Parser parser = r ? XML_ParserCreateNS("UTF-8", '|') : NULL;
    if (!parser)
        return VK_S3_NO_MEMORY;
    unsigned long salt = 0; /* ours, so that expat looks for none */
    vk_random(&salt, sizeof salt);
    XML_SetHashSalt(parser, salt | 1);
    *r = (struct reader){.parser = parser, .arena = a, .doc = &doc};
    XML_SetUserData(parser, r);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    enum XML_Status st = XML_Parse(parser, body.p, (int)body.n, XML_TRUE);
    vk_s3_fail f = r->fail;
    if (f == VK_S3_OK && st != XML_STATUS_OK)
        f = XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY ? VK_S3_NO_MEMORY : VK_S3_MALFORMED_XML;
    XML_ParserFree(parser);
    if (f == VK_S3_OK && vk_str_eqz(doc.encoding, "url"))
        f = decode_all(a, &doc);
    if (f == VK_S3_OK)
        *out_r = doc;
    return f;
}
