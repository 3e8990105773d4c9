/* What a request's headers say about the object that it writes. */
#include "services/storage/front.h"

static vk_str in_query(const vk_s3_req *q, const char *name)
{
    for (size_t i = 0; i < q->n_in_query; i++)
        if (vk_str_ieq(q->in_query[i].name, vk_str_z(name)))
            return q->in_query[i].value;
    return VK_STR_NONE;
}

vk_str vk_s3_asked(const vk_s3_req *q, const char *name)
{
    vk_str v = vk_request_header(q->ex, vk_str_z(name));
    return v.p ? v : in_query(q, name);
}

bool vk_s3_read_in_query(vk_s3_req *q)
{
    static const vk_str prefix = VK_STR("x-amz-");
    vk_str rest = q->ex->query, pair, name, value;
    vk_sigv4_pair *out = vk_arena_alloc(q->ex->arena, sizeof *out * VK_S3_PARAMS_MAX);
    if (!out) {
        vk_s3_no_memory(q);
        return false;
    }
    q->in_query = out;
    for (bool more = rest.n > 0; more;) {
        more = vk_str_cut(&rest, '&', &pair);
        value = more ? pair : rest;
        if (value.n < prefix.n || !vk_str_ieq((vk_str){value.p, prefix.n}, prefix) ||
            !vk_str_cut(&value, '=', &name))
            continue;
        vk_sigv4_pair x;
        vk_s3_fail f = q->n_in_query < VK_S3_PARAMS_MAX ? vk_s3_decode_query(q->ex->arena, name, &x.name)
                                                        : VK_S3_TOO_MANY;
        if (f == VK_S3_OK)
            f = vk_s3_decode_query(q->ex->arena, value, &x.value);
        if (f == VK_S3_OK && x.value.n &&
            (memchr(x.value.p, '\r', x.value.n) || memchr(x.value.p, '\n', x.value.n) ||
             memchr(x.value.p, '\0', x.value.n)))
            f = VK_S3_BAD_ARGUMENT; /* a header cannot have it */
        if (f == VK_S3_OK && in_query(q, "x-amz-copy-source").p &&
            vk_str_ieq(x.name, VK_STR("x-amz-copy-source")))
            f = VK_S3_CONFLICT;
        if (f != VK_S3_OK) {
            vk_s3_no(q, f);
            return false;
        }
        out[q->n_in_query++] = x;
    }
    return true;
}

/* ---- options */

/* Headers that ask for something. `allowed`, between blanks: values that ask for what is so anyway. NULL: of
 * any value. A name that ends in '-' stands for all that begin so. What is not here means nothing to S3. */
static const struct {
    const char *name, *allowed;
    const char *code, *message;
    int status;
} options[] = {
#define ABSENT(what)                                                                                         \
    "NotImplemented", "valetkey does not have " what ". Its documentation lists what it has.", 501
    {"x-amz-acl", " private bucket-owner-full-control bucket-owner-read ", "AccessControlListNotSupported",
     "The bucket does not allow ACLs; objects under public/ can be read by anybody.", 501},
    {"x-amz-grant-", NULL, "AccessControlListNotSupported", "The bucket does not allow ACLs", 501},
    {"x-amz-storage-class", " STANDARD ", "InvalidStorageClass",
     "The storage class you specified is not valid: there is STANDARD only", 400},
    {"x-amz-tagging", NULL, ABSENT("tags of objects")},
    {"x-amz-tagging-directive", " COPY ", ABSENT("tags of objects")},
    {"x-amz-object-lock-", NULL, ABSENT("object lock")},
    {"x-amz-server-side-encryption", NULL, ABSENT("encryption by request")},
    {"x-amz-server-side-encryption-", NULL, ABSENT("encryption by request")},
    {"x-amz-copy-source-server-side-encryption-", NULL, ABSENT("encryption by request")},
    {"x-amz-website-redirect-location", NULL, ABSENT("websites")},
    {"x-amz-write-offset-bytes", NULL, ABSENT("appending to objects")},
    {"x-amz-mp-object-size", NULL, ABSENT("announced sizes of multipart uploads")},
#undef ABSENT
};

static bool is_option(const char *name, vk_str header)
{
    size_t n = strlen(name);
    if (name[n - 1] != '-')
        return vk_str_ieq(header, (vk_str){name, n});
    return header.n > n && vk_str_ieq((vk_str){header.p, n}, (vk_str){name, n});
}

static bool option_ok(vk_s3_req *q, vk_str name, vk_str value)
{
    for (size_t i = 0; i < VK_COUNT(options); i++) {
        if (!is_option(options[i].name, name))
            continue;
        const char *at = options[i].allowed;
        for (; at && value.n && (at = strchr(at, ' ')) != NULL; at++)
            if (strncmp(at + 1, value.p, value.n) == 0 && at[1 + value.n] == ' ')
                return true;
        vk_s3_say(q, options[i].status, vk_str_z(options[i].code), options[i].message);
        vk_s3_also(q, "ArgumentName", name);
        return false;
    }
    return true;
}

bool vk_s3_options_ok(vk_s3_req *q)
{
    for (uint32_t i = 0; i < q->ex->n_headers; i++)
        if (!option_ok(q, q->ex->headers[i].name, q->ex->headers[i].value))
            return false;
    for (size_t i = 0; i < q->n_in_query; i++)
        if (!option_ok(q, q->in_query[i].name, q->in_query[i].value))
            return false;
    return true;
}

/* ---- stored headers */

static const char meta_prefix[] = "x-amz-meta-";
/* As they are written in answers. */
static const char *const system_headers[] = {"Content-Type",     "Cache-Control",    "Content-Disposition",
                                             "Content-Encoding", "Content-Language", "Expires"};

/* Content-Encoding without the token aws-chunked, which belongs to the transfer (RFC 9110 §8.4 lists are
 * separated by commas). In the arena. */
static bool without_framing(vk_s3_req *q, vk_str value, vk_str *out_r)
{
    char *p = vk_arena_alloc(q->ex->arena, value.n + 1);
    size_t n = 0;
    vk_str token;
    if (!p)
        return false;
    for (bool more = true; more;) {
        more = vk_str_cut(&value, ',', &token);
        token = vk_str_trim(more ? token : value);
        if (token.n == 0 || vk_str_ieq(token, VK_STR("aws-chunked")))
            continue;
        if (n)
            p[n++] = ',';
        memcpy(p + n, token.p, token.n);
        n += token.n;
    }
    *out_r = (vk_str){p, n};
    return true;
}

/* RFC 9110 §5.6.2. What comes in a query or a form went through no parser of headers. */
static bool is_token(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n > 0;
}

bool vk_s3_is_text(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' ? s.p[i] != '\t' : s.p[i] == 0x7f)
            return false;
    return true;
}

static bool can_be_header(vk_s3_req *q, vk_str name, vk_str value)
{
    if (name.n <= VK_S3_META_NAME_MAX && is_token(name) && vk_s3_is_text(value))
        return true;
    vk_s3_say(q, 400, VK_STR("InvalidArgument"),
              name.n > VK_S3_META_NAME_MAX
                  ? "The name of a stored header may have 256 bytes."
                  : "A header that is to be stored has a name or a value that no header can have.");
    vk_s3_also(q, "ArgumentName", name);
    return false;
}

bool vk_s3_pack(vk_s3_req *q, vk_buf *packed, size_t *meta, vk_str name, vk_str value)
{
    static const vk_str prefix = {meta_prefix, sizeof meta_prefix - 1};
    if (name.n > prefix.n && vk_str_ieq((vk_str){name.p, prefix.n}, prefix)) {
        if (!can_be_header(q, name, value))
            return false;
        *meta += name.n - prefix.n + value.n;
        char *lower = vk_arena_alloc(q->ex->arena, name.n);
        if (!lower) {
            vk_s3_no_memory(q);
            return false;
        }
        for (size_t i = 0; i < name.n; i++)
            lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
        vk_ob_header_add(packed, (vk_str){lower, name.n}, value);
    } else {
        for (size_t i = 0; i < VK_COUNT(system_headers); i++) {
            if (!vk_str_ieq(name, vk_str_z(system_headers[i])))
                continue;
            if (!can_be_header(q, name, value))
                return false;
            if (strcmp(system_headers[i], "Content-Encoding") == 0 && !without_framing(q, value, &value)) {
                vk_s3_no_memory(q);
                return false;
            }
            if (value.n)
                vk_ob_header_add(packed, vk_str_z(system_headers[i]), value);
        }
    }
    if (*meta > VK_S3_META_MAX || packed->err == VK_E_TOO_LARGE)
        vk_s3_no_ob(q, VK_OB_METADATA_TOO_LARGE);
    else if (packed->err != VK_OK)
        vk_s3_no_memory(q);
    return !q->code.n;
}

bool vk_s3_headers_to_store(vk_s3_req *q, vk_str *packed_r)
{
    vk_buf b;
    size_t meta = 0;
    bool ok = true;
    vk_buf_init(&b, VK_OB_HEADERS_MAX);
    for (uint32_t i = 0; i < q->ex->n_headers && ok; i++)
        ok = vk_s3_pack(q, &b, &meta, q->ex->headers[i].name, q->ex->headers[i].value);
    for (size_t i = 0; i < q->n_in_query && ok; i++)
        if (!vk_request_header(q->ex, q->in_query[i].name).p)
            ok = vk_s3_pack(q, &b, &meta, q->in_query[i].name, q->in_query[i].value);
    if (ok) {
        *packed_r = vk_arena_dup(q->ex->arena, vk_buf_view(&b));
        if (!packed_r->p) {
            vk_s3_no_memory(q);
            ok = false;
        }
    }
    vk_buf_free(&b);
    return ok;
}

/* ---- checksums */

static bool bad_request(vk_s3_req *q, const char *message)
{
    vk_s3_say(q, 400, VK_STR("InvalidRequest"), message);
    return false;
}

bool vk_s3_checksum_header(vk_str name, vk_checksum_kind *kind_r)
{
    static const vk_str prefix = VK_STR("x-amz-checksum-");
    return name.n > prefix.n && vk_str_ieq((vk_str){name.p, prefix.n}, prefix) &&
           vk_checksum_kind_of((vk_str){name.p + prefix.n, name.n - prefix.n}, kind_r) &&
           *kind_r != VK_CHECKSUM_MD5;
}

static bool claim(vk_s3_req *q, vk_s3_claims *c, vk_checksum_kind kind, vk_str value, bool from_query)
{
    static const uint8_t nothing[4];
    if (c->algo)
        return bad_request(
            q, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    if (vk_checksum_read(kind, value, c->sum) != VK_OK)
        return bad_request(q, "Value for the x-amz-checksum- header is invalid.");
    c->algo = (uint8_t)(1 + kind);
    c->stated = true;
    c->unless_empty = from_query && kind == VK_CHECKSUM_CRC32 && memcmp(c->sum, nothing, 4) == 0;
    return true;
}

/* The name in x-amz-sdk-checksum-algorithm, x-amz-checksum-algorithm. */
static bool algorithm_named(vk_s3_req *q, const char *header, uint8_t *algo_r)
{
    vk_checksum_kind kind;
    vk_str v = vk_s3_asked(q, header);
    *algo_r = 0;
    if (!v.p)
        return true;
    if (!vk_checksum_kind_of(v, &kind) || kind == VK_CHECKSUM_MD5)
        return bad_request(
            q, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
               "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    *algo_r = (uint8_t)(1 + kind);
    return true;
}

bool vk_s3_claims_of(vk_s3_req *q, vk_s3_claims *out_r)
{
    vk_s3_claims c = {0};
    vk_checksum_kind kind;
    vk_str md5 = vk_request_header(q->ex, VK_STR("Content-MD5"));
    uint8_t raw[VK_CHECKSUM_MAX];
    if (md5.p) {
        if (vk_checksum_read(VK_CHECKSUM_MD5, md5, raw) != VK_OK) {
            vk_s3_say(q, 400, VK_STR("InvalidDigest"), "The Content-MD5 you specified is not valid.");
            return false;
        }
        memcpy(c.md5, raw, 16);
        c.has_md5 = true;
    }
    for (uint32_t i = 0; i < q->ex->n_headers; i++)
        if (vk_s3_checksum_header(q->ex->headers[i].name, &kind) &&
            !claim(q, &c, kind, q->ex->headers[i].value, false))
            return false;
    for (size_t i = 0; i < q->n_in_query; i++)
        if (vk_s3_checksum_header(q->in_query[i].name, &kind) &&
            !vk_request_header(q->ex, q->in_query[i].name).p &&
            !claim(q, &c, kind, q->in_query[i].value, true))
            return false;
    vk_str trailer = vk_str_trim(vk_request_header(q->ex, VK_STR("x-amz-trailer")));
    if (trailer.n) { /* nothing may come in a trailer that nobody checks */
        if (!vk_s3_checksum_header(trailer, &kind))
            return bad_request(q, "The value specified in the x-amz-trailer header is not supported");
        if (c.algo)
            return bad_request(
                q, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
        c.algo = (uint8_t)(1 + kind);
        c.trailing = true;
    }
    uint8_t named;
    if (!algorithm_named(q, "x-amz-sdk-checksum-algorithm", &named))
        return false;
    if (named && named != c.algo) {
        if (c.algo)
            return bad_request(q, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
        if (q->grant.form == VK_SIGV4_HEADER)
            return bad_request(
                q, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                   "x-amz-trailer headers were found.");
    }
    *out_r = c;
    return true;
}

bool vk_s3_algorithm_of(vk_s3_req *q, uint8_t *algo_r, uint8_t *type_r)
{
    vk_str type = vk_s3_asked(q, "x-amz-checksum-type");
    if (!algorithm_named(q, "x-amz-checksum-algorithm", algo_r))
        return false;
    bool whole = *algo_r == 1 + VK_CHECKSUM_CRC64NVME;
    *type_r = whole ? VK_S3_FULL_OBJECT : VK_S3_COMPOSITE;
    if (!*algo_r)
        *type_r = 0;
    if (!type.p)
        return true;
    bool full = vk_str_eqz(type, "FULL_OBJECT"), crc = *algo_r >= 1 && *algo_r <= 1 + VK_CHECKSUM_CRC64NVME;
    if (!*algo_r || (!full && !vk_str_eqz(type, "COMPOSITE")) || (full && !crc) || (!full && whole))
        return bad_request(q, "The checksum type cannot be used with this checksum algorithm");
    *type_r = full ? VK_S3_FULL_OBJECT : VK_S3_COMPOSITE;
    return true;
}
