#include "keeper/s3_order.h"

#include "core/text.h"
#include "crypto/sigv4_sign.h"

/* ---- what there is */

const vk_vendor_call vk_s3o_calls[] = {
    {"GET", "/", "bucket.read"},
    {"GET", "/**", "object.read"},
    {"HEAD", "/**", "object.read"},
    {"PUT", "/**", "object.write"},
    {"DELETE", "/**", "object.delete"},
    {"POST", "/**", "upload.write"},
    {NULL, NULL, NULL},
};

const char *const vk_s3o_travel[] = {"range",
                                     "if-match",
                                     "if-none-match",
                                     "if-modified-since",
                                     "if-unmodified-since",
                                     "if-range",
                                     "cache-control",
                                     "content-disposition",
                                     "content-encoding",
                                     "content-language",
                                     "expires",
                                     "content-md5",
                                     "x-amz-meta-*",
                                     "x-amz-metadata-directive",
                                     "x-amz-copy-source",
                                     "x-amz-copy-source-range",
                                     "x-amz-copy-source-if-match",
                                     "x-amz-copy-source-if-none-match",
                                     "x-amz-copy-source-if-modified-since",
                                     "x-amz-copy-source-if-unmodified-since",
                                     "x-amz-checksum-mode",
                                     "x-amz-checksum-crc32",
                                     "x-amz-checksum-crc32c",
                                     "x-amz-checksum-crc64nvme",
                                     "x-amz-checksum-sha1",
                                     "x-amz-checksum-sha256",
                                     NULL};

/* What says whose account it is (x-amz-id-2, Server, CF-Ray, x-amz-bucket-region) is not among them. */
const char *const vk_s3o_returns[] = {"etag",
                                      "last-modified",
                                      "content-range",
                                      "accept-ranges",
                                      "cache-control",
                                      "content-disposition",
                                      "content-encoding",
                                      "content-language",
                                      "expires",
                                      "retry-after",
                                      "x-amz-meta-*",
                                      "x-amz-mp-parts-count",
                                      "x-amz-checksum-*",
                                      "x-amz-request-id",
                                      NULL};

typedef enum param_id {
    P_LIST_TYPE,
    P_PREFIX,
    P_DELIMITER,
    P_MAX_KEYS,
    P_MARKER,
    P_START_AFTER,
    P_TOKEN,
    P_ENCODING,
    P_UPLOADS,
    P_KEY_MARKER,
    P_ID_MARKER,
    P_MAX_UPLOADS,
    P_UPLOAD,
    P_PART,
    P_MAX_PARTS,
    P_PART_MARKER,
    P_TYPE,
    P_CACHE,
    P_DISPOSITION,
    P_CODING,
    P_LANGUAGE,
    P_EXPIRES,
    PARAMS,
} param_id;

typedef enum param_form {
    FORM_TEXT,   /* any bytes, VK_S3O_TOKEN_MAX of them */
    FORM_SCOPED, /* begins with the build's prefix */
    FORM_NUMBER,
    FORM_ID, /* VK_S3O_UPLOAD_MAX visible ASCII characters, at least one */
    FORM_EMPTY,
    FORM_TWO,
    FORM_URL,
} param_form;

static const struct {
    const char *name;
    param_form form;
} params[PARAMS] = {
    [P_LIST_TYPE] = {"list-type", FORM_TWO},
    [P_PREFIX] = {"prefix", FORM_SCOPED},
    [P_DELIMITER] = {"delimiter", FORM_TEXT},
    [P_MAX_KEYS] = {"max-keys", FORM_NUMBER},
    [P_MARKER] = {"marker", FORM_SCOPED},
    [P_START_AFTER] = {"start-after", FORM_SCOPED},
    [P_TOKEN] = {"continuation-token", FORM_TEXT},
    [P_ENCODING] = {"encoding-type", FORM_URL},
    [P_UPLOADS] = {"uploads", FORM_EMPTY},
    [P_KEY_MARKER] = {"key-marker", FORM_SCOPED},
    [P_ID_MARKER] = {"upload-id-marker", FORM_ID},
    [P_MAX_UPLOADS] = {"max-uploads", FORM_NUMBER},
    [P_UPLOAD] = {"uploadId", FORM_ID},
    [P_PART] = {"partNumber", FORM_NUMBER},
    [P_MAX_PARTS] = {"max-parts", FORM_NUMBER},
    [P_PART_MARKER] = {"part-number-marker", FORM_NUMBER},
    [P_TYPE] = {"response-content-type", FORM_TEXT},
    [P_CACHE] = {"response-cache-control", FORM_TEXT},
    [P_DISPOSITION] = {"response-content-disposition", FORM_TEXT},
    [P_CODING] = {"response-content-encoding", FORM_TEXT},
    [P_LANGUAGE] = {"response-content-language", FORM_TEXT},
    [P_EXPIRES] = {"response-expires", FORM_TEXT},
};

#define BIT(p) (UINT32_C(1) << (p))
#define READ                                                                                                 \
    (BIT(P_TYPE) | BIT(P_CACHE) | BIT(P_DISPOSITION) | BIT(P_CODING) | BIT(P_LANGUAGE) | BIT(P_EXPIRES) |    \
     BIT(P_PART))

typedef enum copies { NO_COPY, COPY } copies;

/* The first whose parameters fit is it. */
static const struct op {
    vk_vendor_call call;
    bool object; /* of a key; else of the bucket */
    copies copies;
    bool again, body;
    uint32_t must, may;
} ops[] = {
    {{"GET", "/**", "object.get"}, true, NO_COPY, true, false, 0, READ},
    {{"HEAD", "/**", "object.head"}, true, NO_COPY, true, false, 0, READ},
    {{"PUT", "/**", "object.put"}, true, NO_COPY, true, true, 0, 0},
    {{"PUT", "/**", "object.copy"}, true, COPY, true, false, 0, 0},
    {{"DELETE", "/**", "object.delete"}, true, NO_COPY, true, false, 0, 0},
    {{"POST", "/**", "upload.create"}, true, NO_COPY, false, false, BIT(P_UPLOADS), 0},
    {{"PUT", "/**", "upload.part"}, true, NO_COPY, true, true, BIT(P_UPLOAD) | BIT(P_PART), 0},
    {{"PUT", "/**", "upload.copy_part"}, true, COPY, true, false, BIT(P_UPLOAD) | BIT(P_PART), 0},
    {{"POST", "/**", "upload.complete"}, true, NO_COPY, false, true, BIT(P_UPLOAD), 0},
    {{"DELETE", "/**", "upload.abort"}, true, NO_COPY, true, false, BIT(P_UPLOAD), 0},
    {{"GET", "/**", "upload.parts"},
     true,
     NO_COPY,
     true,
     false,
     BIT(P_UPLOAD),
     BIT(P_MAX_PARTS) | BIT(P_PART_MARKER)},
    {{"GET", "/", "bucket.list"},
     false,
     NO_COPY,
     true,
     false,
     BIT(P_LIST_TYPE) | BIT(P_PREFIX),
     BIT(P_DELIMITER) | BIT(P_MAX_KEYS) | BIT(P_START_AFTER) | BIT(P_TOKEN) | BIT(P_ENCODING)},
    {{"GET", "/", "bucket.list"},
     false,
     NO_COPY,
     true,
     false,
     BIT(P_PREFIX),
     BIT(P_DELIMITER) | BIT(P_MAX_KEYS) | BIT(P_MARKER) | BIT(P_ENCODING)},
    {{"GET", "/", "bucket.uploads"},
     false,
     NO_COPY,
     true,
     false,
     BIT(P_UPLOADS) | BIT(P_PREFIX),
     BIT(P_DELIMITER) | BIT(P_KEY_MARKER) | BIT(P_ID_MARKER) | BIT(P_MAX_UPLOADS) | BIT(P_ENCODING)},
};

/* `keys check`: of no build. To delete a key that nobody has is what a right to write allows, and changes
 * nothing. */
#define PROBE_LIST VK_S3O_PROBE_LIST
#define PROBE_KEY VK_S3O_PROBE_KEY
#define PROBE_BUCKETS VK_S3O_PROBE_BUCKETS
const vk_vendor_probe vk_s3o_probes[] = {VK_S3O_PROBES, {.method = NULL}};
static const vk_vendor_call probe_call = {"GET", "/", "keys.check"};

/* ---- text */

static vk_err no(const char **why_r, vk_err e, const char *why)
{
    *why_r = why;
    return e;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Once; "+" is refused, since some read it as a blank. */
static vk_err decode(vk_arena *a, vk_str raw, vk_str *out_r, const char **why_r)
{
    char *to = vk_arena_alloc(a, raw.n);
    size_t n = 0;
    if (!to)
        return VK_E_NOMEM;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '+')
            return no(why_r, VK_E_INVALID, "A plus sign must be written as %2B.");
        if (raw.p[i] != '%') {
            to[n++] = raw.p[i];
            continue;
        }
        int hi = i + 2 < raw.n ? digit(raw.p[i + 1]) : -1, lo = hi >= 0 ? digit(raw.p[i + 2]) : -1;
        if (lo < 0)
            return no(why_r, VK_E_INVALID, "A percent sign without two digits.");
        to[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    *out_r = (vk_str){to, n};
    return VK_OK;
}

/* As SigV4 wants it: A-Z a-z 0-9 - . _ ~ and, in a path, the slash stand for themselves. */
static char *encode(char *out, vk_str s, bool slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
            c == '.' || c == '_' || c == '~' || (slash && c == '/')) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    return out;
}

static bool is_text(vk_str s)
{
    size_t bad;
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        size_t n = *p ? vk_utf8_seq(p, end, &bad) : 0;
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* A segment "." or ".."; the last one is none with a prefix, of which it may be a beginning. */
static bool has_dots(vk_str s, bool whole)
{
    vk_str segment;
    while (vk_str_cut(&s, '/', &segment))
        if (vk_str_eqz(segment, ".") || vk_str_eqz(segment, ".."))
            return true;
    return whole && (vk_str_eqz(s, ".") || vk_str_eqz(s, ".."));
}

/* Whether a decoded key, prefix or marker stays below the build's prefix. */
static vk_err in_scope(const vk_order *o, vk_str key, bool whole, const char **why_r)
{
    char prefix[VK_S3O_PREFIX_MAX];
    vk_s3o_prefix(o, prefix);
    if (key.n > VK_S3O_KEY_MAX)
        return no(why_r, VK_E_TOO_LARGE, "With the build's prefix the key has more than 1,024 bytes.");
    if (!is_text(key) || has_dots(key, whole))
        return no(why_r, VK_E_FORBIDDEN, "A key is UTF-8 without NUL and without the segments . and ..");
    return vk_str_starts(key, vk_str_z(prefix))
               ? VK_OK
               : no(why_r, VK_E_FORBIDDEN, "That is outside of the build's prefix.");
}

void vk_s3o_prefix(const vk_order *o, char out[VK_S3O_PREFIX_MAX])
{
    snprintf(out, VK_S3O_PREFIX_MAX, "builds/%.*s/%llu/", VK_BUILD_ID_MAX, o->build,
             (unsigned long long)o->generation);
}

/* ---- the path */

/* "/builds/…" as "/<bucket>/builds/…". */
static vk_err object_path(const vk_order *o, vk_str bucket, vk_str raw, vk_str *out_r, const char **why_r)
{
    vk_str key;
    if (raw.n < 2 || raw.p[0] != '/' || raw.n > 3 * VK_S3O_KEY_MAX + 1)
        return no(why_r, VK_E_INVALID, "The path names no key.");
    vk_err e = decode(o->arena, (vk_str){raw.p + 1, raw.n - 1}, &key, why_r);
    if (e == VK_OK)
        e = in_scope(o, key, true, why_r);
    if (e != VK_OK)
        return e;
    char *p = vk_arena_alloc(o->arena, bucket.n + 2 + 3 * key.n), *at = p;
    if (!p)
        return VK_E_NOMEM;
    *at++ = '/';
    memcpy(at, bucket.p, bucket.n);
    at += bucket.n;
    *at++ = '/';
    at = encode(at, key, true);
    *out_r = (vk_str){p, (size_t)(at - p)};
    return VK_OK;
}

/* ---- the query */

static bool number(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= 10;
}

static bool is_id(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= VK_S3O_UPLOAD_MAX;
}

static vk_err value_ok(const vk_order *o, param_form form, vk_str v, const char **why_r)
{
    bool ok = v.n <= VK_S3O_TOKEN_MAX;
    switch (form) {
    case FORM_SCOPED:
        return in_scope(o, v, false, why_r);
    case FORM_NUMBER:
        ok = number(v);
        break;
    case FORM_ID:
        ok = is_id(v);
        break;
    case FORM_EMPTY:
        ok = v.n == 0;
        break;
    case FORM_TWO:
        ok = vk_str_eqz(v, "2");
        break;
    case FORM_URL:
        ok = vk_str_eqz(v, "url");
        break;
    case FORM_TEXT:
        ok = ok && is_text(v);
        break;
    }
    return ok ? VK_OK : no(why_r, VK_E_INVALID, "A parameter has a value that it cannot have.");
}

static int param_of(vk_str name)
{
    for (int i = 0; i < PARAMS; i++)
        if (vk_str_eqz(name, params[i].name))
            return i;
    return -1;
}

/* All of them, decoded, checked and encoded again; *set_r says which there are. */
static vk_err read_query(const vk_order *o, vk_str raw, vk_str *out_r, uint32_t *set_r, const char **why_r)
{
    char *p = vk_arena_alloc(o->arena, 3 * raw.n + VK_S3O_PARAMS_MAX), *at = p;
    size_t n = 0;
    *set_r = 0;
    if (!p)
        return VK_E_NOMEM;
    for (bool more = raw.n > 0; more;) {
        vk_str pair, name = VK_STR("");
        more = vk_str_cut(&raw, '&', &pair);
        vk_str value = more ? pair : raw;
        if (!vk_str_cut(&value, '=', &name)) {
            name = value;
            value = VK_STR("");
        }
        int id = param_of(name);
        if (id < 0 || n++ == VK_S3O_PARAMS_MAX)
            return no(why_r, VK_E_FORBIDDEN, "A parameter that no allowed operation has.");
        if (*set_r & BIT(id))
            return no(why_r, VK_E_INVALID, "A parameter stands there twice.");
        *set_r |= BIT(id);
        vk_err e = decode(o->arena, value, &value, why_r);
        if (e == VK_OK)
            e = value_ok(o, params[id].form, value, why_r);
        if (e != VK_OK)
            return e;
        if (at != p)
            *at++ = '&';
        memcpy(at, name.p, name.n);
        at += name.n;
        *at++ = '=';
        at = encode(at, value, false);
    }
    *out_r = (vk_str){p, (size_t)(at - p)};
    return VK_OK;
}

/* ---- headers */

static bool named(vk_str name, const char *z)
{
    return vk_str_ieq(name, vk_str_z(z));
}

static bool travels(vk_str name)
{
    for (const char *const *t = vk_s3o_travel; *t; t++) {
        size_t n = strlen(*t);
        bool open = (*t)[n - 1] == '*';
        n -= open;
        if ((open ? name.n > n : name.n == n) && vk_str_ieq((vk_str){name.p, n}, (vk_str){*t, n}))
            return true;
    }
    return false;
}

/* Those that may go on. *source_r: the path of a copy's source; p NULL: it copies nothing. */
static vk_err read_headers(const vk_order *o, vk_str bucket, vk_s3o *x, vk_str *source_r, const char **why_r)
{
    *source_r = VK_STR_NONE;
    x->headers = vk_arena_alloc(o->arena, sizeof *x->headers * (o->n_headers + 1));
    if (!x->headers)
        return VK_E_NOMEM;
    for (size_t i = 0; i < o->n_headers; i++) {
        vk_header h = o->headers[i];
        if (!travels(h.name))
            continue;
        if (x->n_headers == VK_S3O_HEADERS_MAX)
            return no(why_r, VK_E_INVALID, "The request has too many headers.");
        if (named(h.name, "x-amz-copy-source")) {
            vk_str raw = h.value;
            if (source_r->p)
                return no(why_r, VK_E_INVALID, "The copy has two sources.");
            vk_err e = object_path(o, bucket, raw, &h.value, why_r);
            if (e != VK_OK)
                return e;
            *source_r = h.value;
        }
        x->headers[x->n_headers++] = h;
    }
    return VK_OK;
}

/* ---- the request */

static vk_err make_probe(const vk_order *o, vk_str bucket, vk_s3o *x, const char **why_r)
{
    bool get = vk_str_eqz(o->method, "GET"), root = vk_str_eqz(o->path, "/");
    bool list = get && root && vk_str_eqz(o->query, PROBE_LIST);
    bool buckets = get && root && vk_str_eqz(o->query, PROBE_BUCKETS);
    bool gone = vk_str_eqz(o->method, "DELETE") && vk_str_eqz(o->path, PROBE_KEY) && !o->query.n;
    if (!list && !buckets && !gone)
        return no(why_r, VK_E_FORBIDDEN, "No build asks for it.");
    *x = (vk_s3o){.call = &probe_call,
                  .path = buckets ? VK_STR("/")
                          : list  ? vk_arena_printf(o->arena, "/" VK_STR_FMT, VK_STR_ARG(bucket))
                                  : vk_arena_printf(o->arena, "/" VK_STR_FMT PROBE_KEY, VK_STR_ARG(bucket)),
                  .query = list ? o->query : VK_STR(""),
                  .again = true,
                  .parent = buckets};
    return x->path.p ? VK_OK : VK_E_NOMEM;
}

vk_err vk_s3o_make(const vk_order *o, vk_str bucket, vk_s3o *out_r, const char **why_r)
{
    vk_s3o x = {0};
    vk_str source;
    uint32_t set;
    if (!o->build || !o->build[0])
        return make_probe(o, bucket, out_r, why_r);
    if (o->body_n < 0)
        return no(why_r, VK_E_INVALID, "The length of the body must be known.");
    bool object = !vk_str_eqz(o->path, "/");
    vk_err e = read_query(o, o->query, &x.query, &set, why_r);
    if (e == VK_OK)
        e = read_headers(o, bucket, &x, &source, why_r);
    if (e == VK_OK && object)
        e = object_path(o, bucket, o->path, &x.path, why_r);
    if (e != VK_OK)
        return e;
    if (!object)
        x.path = vk_arena_printf(o->arena, "/" VK_STR_FMT, VK_STR_ARG(bucket));
    if (!x.path.p)
        return VK_E_NOMEM;
    for (size_t i = 0; i < VK_COUNT(ops); i++) {
        const struct op *p = &ops[i];
        if (!vk_str_eqz(o->method, p->call.method) || p->object != object ||
            (p->copies == COPY) != (source.p != NULL) || (set & p->must) != p->must ||
            (set & ~(p->must | p->may)) || (o->body_n > 0 && !p->body))
            continue;
        x.call = &p->call;
        x.again = p->again;
        *out_r = x;
        return VK_OK;
    }
    return no(why_r, VK_E_FORBIDDEN, "No allowed operation has this method with these parameters.");
}

/* ---- the credential */

static bool is_amz(vk_str name)
{
    return name.n > 6 && vk_str_ieq((vk_str){name.p, 6}, VK_STR("x-amz-"));
}

static void line(vk_buf *b, const char *name, vk_str value)
{
    vk_buf_z(b, name);
    vk_buf_lit(b, ": ");
    vk_buf_str(b, value);
    vk_buf_lit(b, "\r\n");
}

vk_err vk_s3o_sign(vk_order *o, const vk_s3o *x, const vk_s3o_keys *k, const char **why_r)
{
    vk_sigv4_pair *all = vk_arena_alloc(o->arena, sizeof *all * (x->n_headers + 1));
    vk_sigv4_signed *out = VK_NEW(o->arena, vk_sigv4_signed);
    size_t n = 0;
    if (!all || !out)
        return VK_E_NOMEM;
    for (size_t i = 0; i < x->n_headers; i++)
        if (is_amz(x->headers[i].name))
            all[n++] = (vk_sigv4_pair){x->headers[i].name, x->headers[i].value};
    if (k->token.n)
        all[n++] = (vk_sigv4_pair){VK_STR("x-amz-security-token"), vk_secret_bytes(k->token)};
    const vk_sigv4_signing s = {.method = o->method,
                                .host = o->to_host,
                                .path = x->path,
                                .query = x->query,
                                .headers = all,
                                .n_headers = n,
                                .body = VK_STR(""),
                                .unsigned_payload = o->body_n != 0,
                                .id = k->id,
                                .region = k->region,
                                .secret = k->secret,
                                .now_ms = o->now_ms};
    vk_err e = vk_sigv4_sign(o->arena, &s, out);
    if (e == VK_E_INVALID)
        *why_r = "The request cannot be signed: a header stands there twice.";
    if (e != VK_OK)
        return e;
    line(o->lines, "Authorization", out->authorization);
    line(o->lines, "x-amz-date", vk_str_z(out->date));
    line(o->lines, "x-amz-content-sha256", vk_str_z(out->payload));
    if (k->token.n)
        line(o->lines, "x-amz-security-token", vk_secret_bytes(k->token));
    for (size_t i = 0; i < x->n_headers; i++) /* in the place of what front gave */
        if (named(x->headers[i].name, "x-amz-copy-source"))
            line(o->lines, "x-amz-copy-source", x->headers[i].value);
    o->to_path = x->path;
    o->to_query = x->query;
    o->call = x->call;
    o->again = x->again;
    return o->lines->err;
}
