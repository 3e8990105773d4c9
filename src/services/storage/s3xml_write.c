#include "services/storage/s3xml_write.h"

#include "core/clock.h"
#include "core/text.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* ---- text */

/* What stands for an ASCII character that cannot stand for itself. */
static void reference(vk_buf *out, unsigned c)
{
    switch (c) {
    case '&':
        vk_buf_lit(out, "&amp;");
        break;
    case '<':
        vk_buf_lit(out, "&lt;");
        break;
    case '>':
        vk_buf_lit(out, "&gt;");
        break;
    case '"':
        vk_buf_lit(out, "&quot;");
        break;
    default:
        vk_buf_printf(out, "&#x%X;", c);
    }
}

static void escape(vk_buf *out, vk_str s)
{
    if (s.n == 0)
        return;
    const char *p = s.p, *end = s.p + s.n, *from = p;
    size_t bad;
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x80) {
            /* A reader turns a carriage return into a newline, so that one is a reference too. */
            if (c == '&' || c == '<' || c == '>' || c == '"' || c == 0x7f ||
                (c < ' ' && c != '\t' && c != '\n')) {
                vk_buf_add(out, from, (size_t)(p - from));
                if (c) /* a key has no NUL, and there is no reference to it */
                    reference(out, c);
                else
                    vk_buf_lit(out, "\xef\xbf\xbd");
                from = p + 1;
            }
            p++;
            continue;
        }
        size_t n = vk_utf8_seq(p, end, &bad);
        bool none = n == 3 && c == 0xef && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe;
        if (n && !none) {
            p += n;
            continue;
        }
        vk_buf_add(out, from, (size_t)(p - from));
        if (none) /* U+FFFE and U+FFFF */
            vk_buf_printf(out, "&#xFFF%X;", (unsigned)(unsigned char)p[2] & 0xf);
        else
            vk_buf_lit(out, "\xef\xbf\xbd");
        p += n ? n : bad;
        from = p;
    }
    vk_buf_add(out, from, (size_t)(p - from));
}

static void url_encode(vk_buf *out, vk_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-_.~/", c))) {
            vk_buf_ch(out, (char)c);
        } else {
            const char three[3] = {'%', hex[c >> 4], hex[c & 15]};
            vk_buf_add(out, three, 3);
        }
    }
}

static void open_tag(vk_buf *out, const char *name)
{
    vk_buf_ch(out, '<');
    vk_buf_z(out, name);
    vk_buf_ch(out, '>');
}

static void close_tag(vk_buf *out, const char *name)
{
    vk_buf_lit(out, "</");
    vk_buf_z(out, name);
    vk_buf_ch(out, '>');
}

static void element(vk_buf *out, const char *name, vk_str text)
{
    open_tag(out, name);
    escape(out, text);
    close_tag(out, name);
}

/* ---- tables */

typedef enum kind {
    TEXT,  /* vk_str */
    KEY,   /* vk_str, percent-encoded where the client asked for it */
    ETAG,  /* vk_str, put in quotes */
    INT,   /* int64_t */
    BOOL,  /* bool */
    TIME,  /* int64_t */
    SUM,   /* vk_s3w_sum: the element of its algorithm; with a type, that too */
    OWNER, /* vk_str: ID and DisplayName */
    IF,    /* bool: the literal `text`, when it is true */
    LIT,   /* the literal `text` */
    EACH,  /* an array and, at `n_at`, its length: a `name` element each, of the fields `of` */
    TEXTS, /* vk_s3x_list: a `name` element each */
    GROUP, /* a `name` element of fields of the same struct, when the int64_t at `at` is not below 0 */
} kind;

typedef struct field {
    const char *name;
    kind kind;
    size_t at, n_at, size;
    const char *text;
    const struct field *of; /* ends with a row without a name */
} field;

#define F(type, element, kind, member)                                                                       \
    {                                                                                                        \
        element, kind, offsetof(type, member), 0, 0, NULL, NULL                                              \
    }
#define F_EACH(type, element, member, rows)                                                                  \
    {                                                                                                        \
        element, EACH, offsetof(type, member), offsetof(type, n_##member), sizeof(*((type *)0)->member),     \
            NULL, rows                                                                                       \
    }
#define F_LIT(xml)                                                                                           \
    {                                                                                                        \
        "-", LIT, 0, 0, 0, xml, NULL                                                                         \
    }
#define F_IF(type, member, xml)                                                                              \
    {                                                                                                        \
        "-", IF, offsetof(type, member), 0, 0, xml, NULL                                                     \
    }
#define F_GROUP(type, element, member, rows)                                                                 \
    {                                                                                                        \
        element, GROUP, offsetof(type, member), 0, 0, NULL, rows                                             \
    }
#define F_END                                                                                                \
    {                                                                                                        \
        NULL, TEXT, 0, 0, 0, NULL, NULL                                                                      \
    }

static const char *const sum_elements[VK_CHECKSUM_MD5] = {
    [VK_CHECKSUM_CRC32] = "ChecksumCRC32",         [VK_CHECKSUM_CRC32C] = "ChecksumCRC32C",
    [VK_CHECKSUM_CRC64NVME] = "ChecksumCRC64NVME", [VK_CHECKSUM_SHA1] = "ChecksumSHA1",
    [VK_CHECKSUM_SHA256] = "ChecksumSHA256",
};

static void sum(vk_buf *out, const vk_s3w_sum *s)
{
    if ((int)s->kind >= (int)VK_CHECKSUM_MD5 || !s->text.p)
        return;
    element(out, sum_elements[s->kind], s->text);
    if (s->type.p)
        element(out, "ChecksumType", s->type);
}

static void text_field(vk_buf *out, const field *f, vk_str s, bool url)
{
    if (!s.p)
        return;
    open_tag(out, f->name);
    if (f->kind == OWNER) {
        element(out, "ID", s);
        element(out, "DisplayName", s);
    } else if (f->kind == ETAG) {
        vk_buf_lit(out, "&quot;");
        escape(out, s);
        vk_buf_lit(out, "&quot;");
    } else if (f->kind == KEY && url) {
        url_encode(out, s);
    } else {
        escape(out, s);
    }
    close_tag(out, f->name);
}

static void int_field(vk_buf *out, const field *f, int64_t v)
{
    char text[VK_CLOCK_TEXT];
    if (v < 0)
        return;
    open_tag(out, f->name);
    if (f->kind == INT) {
        vk_buf_i64(out, v);
    } else { /* whole seconds, as Last-Modified has them */
        vk_clock_text(v / 1000 * 1000, text);
        vk_buf_z(out, text);
    }
    close_tag(out, f->name);
}

/* `url`: of the whole document. */
static void fields(vk_buf *out, const field *f, const void *of, bool url)
{
    for (; f->name; f++) {
        const char *at = (const char *)of + f->at;
        switch (f->kind) {
        case TEXT:
        case KEY:
        case ETAG:
        case OWNER:
            text_field(out, f, *(const vk_str *)(const void *)at, url);
            break;
        case INT:
        case TIME:
            int_field(out, f, *(const int64_t *)(const void *)at);
            break;
        case BOOL:
            element(out, f->name, *(const bool *)at ? VK_STR("true") : VK_STR("false"));
            break;
        case SUM:
            sum(out, (const vk_s3w_sum *)(const void *)at);
            break;
        case IF:
            if (*(const bool *)at)
                vk_buf_z(out, f->text);
            break;
        case LIT:
            vk_buf_z(out, f->text);
            break;
        case GROUP:
            if (*(const int64_t *)(const void *)at < 0)
                break;
            open_tag(out, f->name);
            fields(out, f->of, of, url);
            close_tag(out, f->name);
            break;
        case EACH: {
            const char *one = *(const char *const *)(const void *)at;
            size_t n = *(const size_t *)(const void *)((const char *)of + f->n_at);
            for (size_t i = 0; i < n; i++, one += f->size) {
                open_tag(out, f->name);
                fields(out, f->of, one, url);
                close_tag(out, f->name);
            }
            break;
        }
        case TEXTS: {
            const vk_s3x_list *l = (const vk_s3x_list *)(const void *)at;
            for (size_t i = 0; i < l->n; i++)
                element(out, f->name, l->at[i]);
            break;
        }
        }
    }
}

static void document(vk_buf *out, const char *root, const char *ns, const field *f, const void *of, bool url)
{
    vk_buf_lit(out, HEAD "<");
    vk_buf_z(out, root);
    vk_buf_z(out, ns);
    vk_buf_ch(out, '>');
    fields(out, f, of, url);
    close_tag(out, root);
}

/* ---- listings */

#define STANDARD F_LIT("<StorageClass>STANDARD</StorageClass>")
#define SAYS_URL(type) F_IF(type, url, "<EncodingType>url</EncodingType>")

static const field object_fields[] = {
    F(vk_s3w_object, "Key", KEY, key),
    F(vk_s3w_object, "LastModified", TIME, mtime_ms),
    F(vk_s3w_object, "ETag", ETAG, etag),
    F(vk_s3w_object, "ChecksumAlgorithm", TEXT, sum_algo),
    F(vk_s3w_object, "ChecksumType", TEXT, sum_type),
    F(vk_s3w_object, "Size", INT, size),
    F(vk_s3w_object, "Owner", OWNER, owner),
    STANDARD,
    F_END,
};

static const field prefix_fields[] = {F(vk_s3w_prefix, "Prefix", KEY, prefix), F_END};

void vk_s3w_list_objects(vk_buf *out, const vk_s3w_list *l)
{
    static const field f[] = {
        F(vk_s3w_list, "Name", TEXT, bucket),
        F(vk_s3w_list, "Prefix", KEY, prefix),
        F(vk_s3w_list, "Marker", KEY, marker),
        F(vk_s3w_list, "NextMarker", KEY, next_marker),
        F(vk_s3w_list, "StartAfter", KEY, start_after),
        F(vk_s3w_list, "ContinuationToken", TEXT, token),
        F(vk_s3w_list, "KeyCount", INT, key_count),
        F(vk_s3w_list, "MaxKeys", INT, max_keys),
        F(vk_s3w_list, "Delimiter", KEY, delimiter),
        SAYS_URL(vk_s3w_list),
        F(vk_s3w_list, "IsTruncated", BOOL, truncated),
        F(vk_s3w_list, "NextContinuationToken", TEXT, next_token),
        F_EACH(vk_s3w_list, "Contents", objects, object_fields),
        F_EACH(vk_s3w_list, "CommonPrefixes", prefixes, prefix_fields),
        F_END,
    };
    document(out, "ListBucketResult", XMLNS, f, l, l->url);
}

void vk_s3w_list_versions(vk_buf *out, const vk_s3w_versions *l)
{
    static const field version_fields[] = {
        F(vk_s3w_object, "Key", KEY, key),
        F_LIT("<VersionId>null</VersionId><IsLatest>true</IsLatest>"),
        F(vk_s3w_object, "LastModified", TIME, mtime_ms),
        F(vk_s3w_object, "ETag", ETAG, etag),
        F(vk_s3w_object, "ChecksumAlgorithm", TEXT, sum_algo),
        F(vk_s3w_object, "ChecksumType", TEXT, sum_type),
        F(vk_s3w_object, "Size", INT, size),
        F(vk_s3w_object, "Owner", OWNER, owner),
        STANDARD,
        F_END,
    };
    static const field f[] = {
        F(vk_s3w_versions, "Name", TEXT, bucket),
        F(vk_s3w_versions, "Prefix", KEY, prefix),
        F(vk_s3w_versions, "KeyMarker", KEY, key_marker),
        F(vk_s3w_versions, "VersionIdMarker", TEXT, version_marker),
        F(vk_s3w_versions, "NextKeyMarker", KEY, next_key_marker),
        F(vk_s3w_versions, "NextVersionIdMarker", TEXT, next_version_marker),
        F(vk_s3w_versions, "MaxKeys", INT, max_keys),
        F(vk_s3w_versions, "Delimiter", KEY, delimiter),
        SAYS_URL(vk_s3w_versions),
        F(vk_s3w_versions, "IsTruncated", BOOL, truncated),
        F_EACH(vk_s3w_versions, "Version", objects, version_fields),
        F_EACH(vk_s3w_versions, "CommonPrefixes", prefixes, prefix_fields),
        F_END,
    };
    document(out, "ListVersionsResult", XMLNS, f, l, l->url);
}

void vk_s3w_list_buckets(vk_buf *out, const vk_s3w_buckets *l)
{
    static const field bucket_fields[] = {
        F(vk_s3w_bucket, "Name", TEXT, name),
        F(vk_s3w_bucket, "CreationDate", TIME, created_ms),
        F_END,
    };
    static const field f[] = {
        F(vk_s3w_buckets, "Owner", OWNER, owner),
        F_LIT("<Buckets>"),
        F_EACH(vk_s3w_buckets, "Bucket", buckets, bucket_fields),
        F_LIT("</Buckets>"),
        F_END,
    };
    document(out, "ListAllMyBucketsResult", XMLNS, f, l, false);
}

void vk_s3w_list_uploads(vk_buf *out, const vk_s3w_uploads *l)
{
    static const field upload_fields[] = {
        F(vk_s3w_upload, "Key", KEY, key),
        F(vk_s3w_upload, "UploadId", TEXT, id),
        F(vk_s3w_upload, "Initiator", OWNER, owner),
        F(vk_s3w_upload, "Owner", OWNER, owner),
        STANDARD,
        F(vk_s3w_upload, "Initiated", TIME, created_ms),
        F(vk_s3w_upload, "ChecksumAlgorithm", TEXT, sum_algo),
        F(vk_s3w_upload, "ChecksumType", TEXT, sum_type),
        F_END,
    };
    static const field f[] = {
        F(vk_s3w_uploads, "Bucket", TEXT, bucket),
        F(vk_s3w_uploads, "KeyMarker", KEY, key_marker),
        F(vk_s3w_uploads, "UploadIdMarker", TEXT, id_marker),
        F(vk_s3w_uploads, "NextKeyMarker", KEY, next_key_marker),
        F(vk_s3w_uploads, "NextUploadIdMarker", TEXT, next_id_marker),
        F(vk_s3w_uploads, "Prefix", KEY, prefix),
        F(vk_s3w_uploads, "Delimiter", KEY, delimiter),
        F(vk_s3w_uploads, "MaxUploads", INT, max_uploads),
        SAYS_URL(vk_s3w_uploads),
        F(vk_s3w_uploads, "IsTruncated", BOOL, truncated),
        F_EACH(vk_s3w_uploads, "Upload", uploads, upload_fields),
        F_EACH(vk_s3w_uploads, "CommonPrefixes", prefixes, prefix_fields),
        F_END,
    };
    document(out, "ListMultipartUploadsResult", XMLNS, f, l, l->url);
}

void vk_s3w_list_parts(vk_buf *out, const vk_s3w_parts *l)
{
    static const field part_fields[] = {
        F(vk_s3w_part, "PartNumber", INT, number), F(vk_s3w_part, "LastModified", TIME, mtime_ms),
        F(vk_s3w_part, "ETag", ETAG, etag),        F(vk_s3w_part, "-", SUM, sum),
        F(vk_s3w_part, "Size", INT, size),         F_END,
    };
    static const field f[] = {
        F(vk_s3w_parts, "Bucket", TEXT, bucket),
        F(vk_s3w_parts, "Key", TEXT, key),
        F(vk_s3w_parts, "UploadId", TEXT, upload_id),
        F(vk_s3w_parts, "PartNumberMarker", INT, marker),
        F(vk_s3w_parts, "NextPartNumberMarker", INT, next_marker),
        F(vk_s3w_parts, "MaxParts", INT, max_parts),
        F(vk_s3w_parts, "IsTruncated", BOOL, truncated),
        F_EACH(vk_s3w_parts, "Part", parts, part_fields),
        F(vk_s3w_parts, "Initiator", OWNER, owner),
        F(vk_s3w_parts, "Owner", OWNER, owner),
        STANDARD,
        F(vk_s3w_parts, "ChecksumAlgorithm", TEXT, sum_algo),
        F(vk_s3w_parts, "ChecksumType", TEXT, sum_type),
        F_END,
    };
    document(out, "ListPartsResult", XMLNS, f, l, false);
}

/* ---- results */

void vk_s3w_created_upload(vk_buf *out, vk_str bucket, vk_str key, vk_str upload_id)
{
    vk_buf_lit(out, HEAD "<InitiateMultipartUploadResult" XMLNS ">");
    element(out, "Bucket", bucket);
    element(out, "Key", key);
    element(out, "UploadId", upload_id);
    vk_buf_lit(out, "</InitiateMultipartUploadResult>");
}

typedef struct copied {
    int64_t mtime_ms;
    vk_str etag;
    vk_s3w_sum sum;
} copied;

void vk_s3w_copied(vk_buf *out, bool part, int64_t mtime_ms, vk_str etag, const vk_s3w_sum *s)
{
    static const field f[] = {
        F(copied, "LastModified", TIME, mtime_ms),
        F(copied, "ETag", ETAG, etag),
        F(copied, "-", SUM, sum),
        F_END,
    };
    const copied c = {mtime_ms, etag, s ? *s : (vk_s3w_sum){.kind = VK_CHECKSUM_KINDS}};
    document(out, part ? "CopyPartResult" : "CopyObjectResult", XMLNS, f, &c, false);
}

static const field completed_fields[] = {
    F(vk_s3w_completed, "Location", TEXT, location),
    F(vk_s3w_completed, "Bucket", TEXT, bucket),
    F(vk_s3w_completed, "Key", TEXT, key),
    F(vk_s3w_completed, "ETag", ETAG, etag),
    F(vk_s3w_completed, "-", SUM, sum),
    F_END,
};

void vk_s3w_completed_upload(vk_buf *out, const vk_s3w_completed *c)
{
    document(out, "CompleteMultipartUploadResult", XMLNS, completed_fields, c, false);
}

void vk_s3w_posted(vk_buf *out, const vk_s3w_completed *c)
{
    vk_s3w_completed plain = *c;
    plain.sum.kind = VK_CHECKSUM_KINDS;
    document(out, "PostResponse", "", completed_fields, &plain, false);
}

void vk_s3w_delete_result(vk_buf *out, const vk_s3w_deletes *d)
{
    static const field deleted_fields[] = {F(vk_s3w_deleted, "Key", TEXT, key), F_END};
    static const field failed_fields[] = {
        F(vk_s3w_not_deleted, "Key", TEXT, key),
        F(vk_s3w_not_deleted, "Code", TEXT, code),
        F(vk_s3w_not_deleted, "Message", TEXT, message),
        F_END,
    };
    static const field f[] = {
        F_EACH(vk_s3w_deletes, "Deleted", deleted, deleted_fields),
        F_EACH(vk_s3w_deletes, "Error", failed, failed_fields),
        F_END,
    };
    document(out, "DeleteResult", XMLNS, f, d, false);
}

void vk_s3w_object_attributes(vk_buf *out, const vk_s3w_attributes *o)
{
    static const field part_fields[] = {
        F(vk_s3w_part, "PartNumber", INT, number),
        F(vk_s3w_part, "-", SUM, sum),
        F(vk_s3w_part, "Size", INT, size),
        F_END,
    };
    static const field parts_fields[] = {
        F(vk_s3w_attributes, "PartsCount", INT, parts),
        F(vk_s3w_attributes, "PartNumberMarker", INT, marker),
        F(vk_s3w_attributes, "NextPartNumberMarker", INT, next_marker),
        F(vk_s3w_attributes, "MaxParts", INT, max_parts),
        F(vk_s3w_attributes, "IsTruncated", BOOL, truncated),
        F_EACH(vk_s3w_attributes, "Part", part, part_fields),
        F_END,
    };
    static const field f[] = {
        F_GROUP(vk_s3w_attributes, "ObjectParts", parts, parts_fields),
        F(vk_s3w_attributes, "StorageClass", TEXT, storage_class),
        F(vk_s3w_attributes, "ObjectSize", INT, size),
        F_END,
    };
    vk_buf_lit(out, HEAD "<GetObjectAttributesResponse" XMLNS ">");
    if (o->etag.p) /* without quotes, here alone */
        element(out, "ETag", o->etag);
    if ((int)o->sum.kind < (int)VK_CHECKSUM_MD5 && o->sum.text.p) {
        vk_buf_lit(out, "<Checksum>");
        sum(out, &o->sum);
        vk_buf_lit(out, "</Checksum>");
    }
    fields(out, f, o, false);
    vk_buf_lit(out, "</GetObjectAttributesResponse>");
}

void vk_s3w_location(vk_buf *out, vk_str region)
{
    vk_buf_lit(out, HEAD "<LocationConstraint" XMLNS ">");
    escape(out, region);
    vk_buf_lit(out, "</LocationConstraint>");
}

void vk_s3w_versioning(vk_buf *out)
{
    vk_buf_lit(out, HEAD "<VersioningConfiguration" XMLNS "/>");
}

void vk_s3w_cors(vk_buf *out, const vk_s3x_cors *c)
{
    static const field rule_fields[] = {
        F(vk_s3x_rule, "ID", TEXT, id),
        F(vk_s3x_rule, "AllowedMethod", TEXTS, methods),
        F(vk_s3x_rule, "AllowedOrigin", TEXTS, origins),
        F(vk_s3x_rule, "AllowedHeader", TEXTS, headers),
        F(vk_s3x_rule, "ExposeHeader", TEXTS, expose),
        F(vk_s3x_rule, "MaxAgeSeconds", INT, max_age_s),
        F_END,
    };
    static const field f[] = {
        {"CORSRule", EACH, offsetof(vk_s3x_cors, rules), offsetof(vk_s3x_cors, n), sizeof(vk_s3x_rule), NULL,
         rule_fields},
        F_END,
    };
    document(out, "CORSConfiguration", XMLNS, f, c, false);
}

void vk_s3w_error(vk_buf *out, const vk_s3w_failure *f)
{
    vk_buf_lit(out, HEAD "<Error>");
    element(out, "Code", f->code);
    element(out, "Message", f->message);
    for (size_t i = 0; i < f->n_extra; i++)
        element(out, f->extra[i].name, f->extra[i].text);
    if (f->resource.p)
        element(out, "Resource", f->resource);
    element(out, "RequestId", f->request_id);
    vk_buf_lit(out, "</Error>");
}
