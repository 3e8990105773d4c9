#include "services/storage/s3xml_read.h"

#include <expat.h>

#include "core/random.h"

/* One element of a shape: its name, the row of its parent, how often it may stand there. Rows of an element
 * with children have `inside`; the others hold text. */
typedef struct row {
    const char *name;
    int parent;
    bool inside;
    uint16_t most; /* per parent */
} row;

typedef struct shape {
    const row *rows;
    size_t n;
    vk_s3_fail (*begin)(void *out, vk_arena *a, int row);
    vk_s3_fail (*text)(void *out, vk_arena *a, int row, vk_str text);
    vk_s3_fail (*end)(void *out, vk_arena *a, int row);
} shape;

enum { ROWS_MAX = 16 };

typedef struct reader {
    const shape *shape;
    void *out;
    vk_arena *arena;
    XML_Parser parser;
    int depth;
    int path[VK_S3X_DEPTH_MAX];
    uint16_t seen[ROWS_MAX]; /* in the parent that is open */
    char text[VK_S3X_TEXT_MAX];
    size_t text_n;
    vk_s3_fail fail;
} reader;

static void stop(reader *r, vk_s3_fail f)
{
    if (f == VK_S3_OK || r->fail != VK_S3_OK)
        return;
    r->fail = f;
    XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    reader *r = arg;
    VK_UNUSED(attributes);
    if (r->fail != VK_S3_OK)
        return;
    const char *local = strrchr(name, '|');
    local = local ? local + 1 : name;
    int parent = r->depth ? r->path[r->depth - 1] : -1;
    for (size_t i = 0; i < r->shape->n; i++) {
        const row *w = &r->shape->rows[i];
        if (w->parent != parent || strcmp(w->name, local) != 0)
            continue;
        if (r->depth == VK_S3X_DEPTH_MAX || r->seen[i] >= w->most)
            break;
        r->seen[i]++;
        r->path[r->depth++] = (int)i;
        r->text_n = 0;
        for (size_t c = 0; c < r->shape->n; c++)
            if (r->shape->rows[c].parent == (int)i)
                r->seen[c] = 0;
        if (w->inside)
            stop(r, r->shape->begin(r->out, r->arena, (int)i));
        return;
    }
    stop(r, VK_S3_MALFORMED_XML);
}

static void XMLCALL on_text(void *arg, const XML_Char *p, int n)
{
    reader *r = arg;
    if (r->fail != VK_S3_OK || r->depth == 0 || n <= 0)
        return;
    if (r->shape->rows[r->path[r->depth - 1]].inside) { /* layout, and nothing else */
        for (int i = 0; i < n; i++)
            if (!strchr(" \t\r\n", p[i]))
                stop(r, VK_S3_MALFORMED_XML);
        return;
    }
    if ((size_t)n > sizeof r->text - r->text_n) {
        stop(r, VK_S3_MALFORMED_XML);
        return;
    }
    memcpy(r->text + r->text_n, p, (size_t)n);
    r->text_n += (size_t)n;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    reader *r = arg;
    VK_UNUSED(name);
    if (r->fail != VK_S3_OK || r->depth == 0)
        return;
    int at = r->path[--r->depth];
    if (r->shape->rows[at].inside) {
        stop(r, r->shape->end(r->out, r->arena, at));
        return;
    }
    vk_str text = vk_arena_dup(r->arena, (vk_str){r->text, r->text_n});
    stop(r, text.p ? r->shape->text(r->out, r->arena, at, text) : VK_S3_NO_MEMORY);
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

static vk_s3_fail parse(vk_arena *a, vk_str body, const shape *s, void *out)
{
    if (body.n == 0 || body.n > VK_S3X_BODY_MAX)
        return VK_S3_MALFORMED_XML;
    unsigned char first = (unsigned char)body.p[0];
    if (first == 0xfe || first == 0xff) /* the mark of UTF-16, which expat follows whatever it is told */
        return VK_S3_MALFORMED_XML;
    reader *r = vk_arena_calloc(a, sizeof *r);
    XML_Parser parser = r ? XML_ParserCreateNS("UTF-8", '|') : NULL;
    if (!parser)
        return VK_S3_NO_MEMORY;
    unsigned long salt = 0; /* ours, so that expat looks for none */
    vk_random(&salt, sizeof salt);
    XML_SetHashSalt(parser, salt | 1);
    *r = (reader){.shape = s, .out = out, .arena = a, .parser = parser};
    XML_SetUserData(parser, r);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    enum XML_Status st = XML_Parse(parser, body.p, (int)body.n, XML_TRUE);
    vk_s3_fail f = r->fail;
    if (f == VK_S3_OK && st != XML_STATUS_OK)
        f = XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY ? VK_S3_NO_MEMORY : VK_S3_MALFORMED_XML;
    XML_ParserFree(parser);
    return f;
}

/* A row's slot in a growing array of the arena. NULL: no memory. */
static void *slot(vk_arena *a, void **at, size_t *n, size_t *room, size_t size)
{
    if (*n == *room) {
        size_t more = *room ? *room * 2 : 16;
        char *bigger = vk_arena_calloc(a, more * size);
        if (!bigger)
            return NULL;
        if (*n)
            memcpy(bigger, *at, *n * size);
        *at = bigger;
        *room = more;
    }
    return (char *)*at + (*n)++ * size;
}

static vk_s3_fail nothing(void *out, vk_arena *a, int at)
{
    VK_UNUSED(out);
    VK_UNUSED(a);
    VK_UNUSED(at);
    return VK_S3_OK;
}

/* ---- DeleteObjects */

enum { D_DELETE, D_QUIET, D_OBJECT, D_KEY, D_VERSION, D_ETAG, D_MODIFIED, D_SIZE, D_ROWS };
static const row delete_rows[D_ROWS] = {
    [D_DELETE] = {"Delete", -1, true, 1},
    [D_QUIET] = {"Quiet", D_DELETE, false, 1},
    [D_OBJECT] = {"Object", D_DELETE, true, VK_S3X_KEYS_MAX},
    [D_KEY] = {"Key", D_OBJECT, false, 1},
    [D_VERSION] = {"VersionId", D_OBJECT, false, 1},
    [D_ETAG] = {"ETag", D_OBJECT, false, 1},
    [D_MODIFIED] = {"LastModifiedTime", D_OBJECT, false, 1},
    [D_SIZE] = {"Size", D_OBJECT, false, 1},
};

typedef struct deleting {
    bool quiet, has_key;
    void *keys;
    size_t n, room;
} deleting;

static vk_s3_fail delete_begin(void *out, vk_arena *a, int at)
{
    deleting *d = out;
    if (at == D_OBJECT) {
        d->has_key = false;
        if (!slot(a, &d->keys, &d->n, &d->room, sizeof(vk_s3x_key)))
            return VK_S3_NO_MEMORY;
    }
    return VK_S3_OK;
}

static bool is_true(vk_str s, bool *out_r)
{
    *out_r = vk_str_eqz(s, "true") || vk_str_eqz(s, "1");
    return *out_r || vk_str_eqz(s, "false") || vk_str_eqz(s, "0");
}

static vk_s3_fail delete_text(void *out, vk_arena *a, int at, vk_str text)
{
    deleting *d = out;
    vk_s3x_key *k = d->n ? (vk_s3x_key *)d->keys + (d->n - 1) : NULL;
    VK_UNUSED(a);
    switch (at) {
    case D_QUIET:
        return is_true(text, &d->quiet) ? VK_S3_OK : VK_S3_MALFORMED_XML;
    case D_KEY:
        k->key = text;
        d->has_key = text.n > 0;
        return VK_S3_OK;
    case D_ETAG:
        k->etag = text;
        return text.n ? VK_S3_OK : VK_S3_MALFORMED_XML;
    case D_VERSION:
        return text.n == 0 || vk_str_eqz(text, "null") ? VK_S3_OK : VK_S3_NOT_IMPLEMENTED;
    default:
        return VK_S3_NOT_IMPLEMENTED; /* conditions that cannot be kept */
    }
}

static vk_s3_fail delete_end(void *out, vk_arena *a, int at)
{
    const deleting *d = out;
    VK_UNUSED(a);
    return at == D_OBJECT ? (d->has_key ? VK_S3_OK : VK_S3_MALFORMED_XML)
           : d->n         ? VK_S3_OK
                          : VK_S3_MALFORMED_XML;
}

vk_s3_fail vk_s3x_read_delete(vk_arena *a, vk_str body, vk_s3x_delete *out_r)
{
    static const shape s = {delete_rows, D_ROWS, delete_begin, delete_text, delete_end};
    deleting d = {.n = 0};
    vk_s3_fail f = parse(a, body, &s, &d);
    if (f == VK_S3_OK)
        *out_r = (vk_s3x_delete){d.quiet, d.keys, d.n};
    return f;
}

/* ---- CompleteMultipartUpload */

enum { C_ALL, C_PART, C_NUMBER, C_ETAG, C_SUM, C_ROWS = C_SUM + VK_CHECKSUM_MD5 };
static const row complete_rows[C_ROWS] = {
    [C_ALL] = {"CompleteMultipartUpload", -1, true, 1},
    [C_PART] = {"Part", C_ALL, true, VK_S3X_PARTS_MAX},
    [C_NUMBER] = {"PartNumber", C_PART, false, 1},
    [C_ETAG] = {"ETag", C_PART, false, 1},
    [C_SUM + VK_CHECKSUM_CRC32] = {"ChecksumCRC32", C_PART, false, 1},
    [C_SUM + VK_CHECKSUM_CRC32C] = {"ChecksumCRC32C", C_PART, false, 1},
    [C_SUM + VK_CHECKSUM_CRC64NVME] = {"ChecksumCRC64NVME", C_PART, false, 1},
    [C_SUM + VK_CHECKSUM_SHA1] = {"ChecksumSHA1", C_PART, false, 1},
    [C_SUM + VK_CHECKSUM_SHA256] = {"ChecksumSHA256", C_PART, false, 1},
};

typedef struct completing {
    void *parts;
    size_t n, room;
} completing;

static vk_s3_fail complete_begin(void *out, vk_arena *a, int at)
{
    completing *c = out;
    return at != C_PART || slot(a, &c->parts, &c->n, &c->room, sizeof(vk_s3x_part)) ? VK_S3_OK
                                                                                    : VK_S3_NO_MEMORY;
}

static vk_s3_fail complete_text(void *out, vk_arena *a, int at, vk_str text)
{
    const completing *c = out;
    vk_s3x_part *p = (vk_s3x_part *)c->parts + (c->n - 1);
    int64_t n;
    VK_UNUSED(a);
    if (at == C_NUMBER) {
        if (vk_str_to_i64(text, &n) != VK_OK || n < 1 || n > VK_S3X_PARTS_MAX)
            return VK_S3_MALFORMED_XML;
        p->number = (int)n;
    } else if (at == C_ETAG) {
        p->etag = text;
    } else {
        vk_checksum_kind kind = (vk_checksum_kind)(at - C_SUM);
        if (p->sum_algo || vk_checksum_read(kind, text, p->sum) != VK_OK)
            return VK_S3_MALFORMED_XML;
        p->sum_algo = (uint8_t)(1 + kind);
    }
    return VK_S3_OK;
}

static vk_s3_fail complete_end(void *out, vk_arena *a, int at)
{
    const completing *c = out;
    VK_UNUSED(a);
    if (c->n == 0)
        return VK_S3_MALFORMED_XML;
    const vk_s3x_part *p = (const vk_s3x_part *)c->parts + (c->n - 1);
    return at != C_PART || (p->number && p->etag.n) ? VK_S3_OK : VK_S3_MALFORMED_XML;
}

vk_s3_fail vk_s3x_read_complete(vk_arena *a, vk_str body, vk_s3x_complete *out_r)
{
    static const shape s = {complete_rows, C_ROWS, complete_begin, complete_text, complete_end};
    completing c = {.n = 0};
    vk_s3_fail f = parse(a, body, &s, &c);
    if (f == VK_S3_OK)
        *out_r = (vk_s3x_complete){c.parts, c.n};
    return f;
}

/* ---- PutBucketCors */

enum { R_ALL, R_RULE, R_ID, R_AGE, R_ORIGIN, R_METHOD, R_HEADER, R_EXPOSE, R_ROWS };
enum { LISTS = R_ROWS - R_ORIGIN };
static const row cors_rows[R_ROWS] = {
    [R_ALL] = {"CORSConfiguration", -1, true, 1},
    [R_RULE] = {"CORSRule", R_ALL, true, VK_S3X_RULES_MAX},
    [R_ID] = {"ID", R_RULE, false, 1},
    [R_AGE] = {"MaxAgeSeconds", R_RULE, false, 1},
    [R_ORIGIN] = {"AllowedOrigin", R_RULE, false, VK_S3X_RULE_LIST_MAX},
    [R_METHOD] = {"AllowedMethod", R_RULE, false, VK_S3X_RULE_LIST_MAX},
    [R_HEADER] = {"AllowedHeader", R_RULE, false, VK_S3X_RULE_LIST_MAX},
    [R_EXPOSE] = {"ExposeHeader", R_RULE, false, VK_S3X_RULE_LIST_MAX},
};

typedef struct ruling {
    void *rules;
    size_t n, room;
    struct {
        void *at;
        size_t n, room;
    } lists[LISTS]; /* of the rule that is open */
} ruling;

static vk_s3_fail cors_begin(void *out, vk_arena *a, int at)
{
    ruling *c = out;
    if (at != R_RULE)
        return VK_S3_OK;
    vk_s3x_rule *r = slot(a, &c->rules, &c->n, &c->room, sizeof *r);
    if (!r)
        return VK_S3_NO_MEMORY;
    *r = (vk_s3x_rule){.max_age_s = -1};
    memset(c->lists, 0, sizeof c->lists);
    return VK_S3_OK;
}

/* What goes into a header of an answer, or is compared with one: visible ASCII. */
static bool plain(vk_str s, bool star)
{
    size_t stars = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == ',')
            return false;
        stars += s.p[i] == '*';
    }
    return s.n > 0 && stars <= (star ? 1 : 0);
}

static bool is_method(vk_str s)
{
    return vk_str_eqz(s, "GET") || vk_str_eqz(s, "PUT") || vk_str_eqz(s, "POST") || vk_str_eqz(s, "DELETE") ||
           vk_str_eqz(s, "HEAD");
}

static vk_s3_fail cors_text(void *out, vk_arena *a, int at, vk_str text)
{
    ruling *c = out;
    vk_s3x_rule *r = (vk_s3x_rule *)c->rules + (c->n - 1);
    if (at == R_ID) {
        r->id = text;
        return text.n <= 255 ? VK_S3_OK : VK_S3_MALFORMED_XML;
    }
    if (at == R_AGE) {
        bool ok =
            vk_str_to_i64(text, &r->max_age_s) == VK_OK && r->max_age_s >= 0 && r->max_age_s <= INT32_MAX;
        return ok ? VK_S3_OK : VK_S3_MALFORMED_XML;
    }
    if (at == R_METHOD ? !is_method(text) : !plain(text, at == R_ORIGIN || at == R_HEADER))
        return VK_S3_MALFORMED_XML;
    int l = at - R_ORIGIN;
    vk_str *to = slot(a, &c->lists[l].at, &c->lists[l].n, &c->lists[l].room, sizeof *to);
    if (!to)
        return VK_S3_NO_MEMORY;
    *to = text;
    return VK_S3_OK;
}

static vk_s3_fail cors_end(void *out, vk_arena *a, int at)
{
    ruling *c = out;
    VK_UNUSED(a);
    if (at != R_RULE)
        return c->n ? VK_S3_OK : VK_S3_MALFORMED_XML;
    vk_s3x_rule *r = (vk_s3x_rule *)c->rules + (c->n - 1);
    vk_s3x_list *const lists[LISTS] = {&r->origins, &r->methods, &r->headers, &r->expose};
    for (int l = 0; l < LISTS; l++)
        *lists[l] = (vk_s3x_list){c->lists[l].at, c->lists[l].n};
    return r->origins.n && r->methods.n ? VK_S3_OK : VK_S3_MALFORMED_XML;
}

vk_s3_fail vk_s3x_read_cors(vk_arena *a, vk_str body, vk_s3x_cors *out_r)
{
    static const shape s = {cors_rows, R_ROWS, cors_begin, cors_text, cors_end};
    ruling *c = VK_NEW(a, ruling);
    if (!c)
        return VK_S3_NO_MEMORY;
    vk_s3_fail f = parse(a, body, &s, c);
    if (f == VK_S3_OK)
        *out_r = (vk_s3x_cors){c->rules, c->n};
    return f;
}

/* ---- CreateBucket */

enum { B_ALL, B_WHERE, B_ROWS };
static const row bucket_rows[B_ROWS] = {
    [B_ALL] = {"CreateBucketConfiguration", -1, true, 1},
    [B_WHERE] = {"LocationConstraint", B_ALL, false, 1},
};

static vk_s3_fail bucket_text(void *out, vk_arena *a, int at, vk_str text)
{
    VK_UNUSED(a);
    VK_UNUSED(at);
    *(vk_str *)out = text;
    return VK_S3_OK;
}

vk_s3_fail vk_s3x_read_create_bucket(vk_arena *a, vk_str body, vk_str *region_r)
{
    static const shape s = {bucket_rows, B_ROWS, nothing, bucket_text, nothing};
    vk_str region = VK_STR("");
    vk_s3_fail f = body.n ? parse(a, body, &s, &region) : VK_S3_OK;
    if (f == VK_S3_OK)
        *region_r = region;
    return f;
}
