#include "services/storage/s3xml_table.h"

/* ---- listings */

#define STANDARD F_LIT("<StorageClass>STANDARD</StorageClass>")
#define SAYS_URL(type) F_IF(type, url, "<EncodingType>url</EncodingType>")

static const vk_s3x_field object_fields[] = {
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

static const vk_s3x_field prefix_fields[] = {F(vk_s3w_prefix, "Prefix", KEY, prefix), F_END};

void vk_s3w_list_objects(vk_buf *out, const vk_s3w_list *l)
{
    static const vk_s3x_field f[] = {
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
    vk_s3x_document(out, "ListBucketResult", VK_S3X_NS, f, l, l->url);
}

void vk_s3w_list_versions(vk_buf *out, const vk_s3w_versions *l)
{
    static const vk_s3x_field version_fields[] = {
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
    static const vk_s3x_field f[] = {
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
    vk_s3x_document(out, "ListVersionsResult", VK_S3X_NS, f, l, l->url);
}

void vk_s3w_list_buckets(vk_buf *out, const vk_s3w_buckets *l)
{
    static const vk_s3x_field bucket_fields[] = {
        F(vk_s3w_bucket, "Name", TEXT, name),
        F(vk_s3w_bucket, "CreationDate", TIME, created_ms),
        F_END,
    };
    static const vk_s3x_field f[] = {
        F(vk_s3w_buckets, "Owner", OWNER, owner),
        F_LIT("<Buckets>"),
        F_EACH(vk_s3w_buckets, "Bucket", buckets, bucket_fields),
        F_LIT("</Buckets>"),
        F_END,
    };
    vk_s3x_document(out, "ListAllMyBucketsResult", VK_S3X_NS, f, l, false);
}

void vk_s3w_list_uploads(vk_buf *out, const vk_s3w_uploads *l)
{
    static const vk_s3x_field upload_fields[] = {
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
    static const vk_s3x_field f[] = {
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
    vk_s3x_document(out, "ListMultipartUploadsResult", VK_S3X_NS, f, l, l->url);
}

void vk_s3w_list_parts(vk_buf *out, const vk_s3w_parts *l)
{
    static const vk_s3x_field part_fields[] = {
        F(vk_s3w_part, "PartNumber", INT, number), F(vk_s3w_part, "LastModified", TIME, mtime_ms),
        F(vk_s3w_part, "ETag", ETAG, etag),        F(vk_s3w_part, "-", SUM, sum),
        F(vk_s3w_part, "Size", INT, size),         F_END,
    };
    static const vk_s3x_field f[] = {
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
    vk_s3x_document(out, "ListPartsResult", VK_S3X_NS, f, l, false);
}

/* ---- results */

void vk_s3w_created_upload(vk_buf *out, vk_str bucket, vk_str key, vk_str upload_id)
{
    vk_buf_lit(out, VK_S3X_HEAD "<InitiateMultipartUploadResult" VK_S3X_NS ">");
    vk_s3x_element(out, "Bucket", bucket);
    vk_s3x_element(out, "Key", key);
    vk_s3x_element(out, "UploadId", upload_id);
    vk_buf_lit(out, "</InitiateMultipartUploadResult>");
}

typedef struct copied {
    int64_t mtime_ms;
    vk_str etag;
    vk_s3w_sum sum;
} copied;

void vk_s3w_copied(vk_buf *out, bool part, int64_t mtime_ms, vk_str etag, const vk_s3w_sum *s)
{
    static const vk_s3x_field f[] = {
        F(copied, "LastModified", TIME, mtime_ms),
        F(copied, "ETag", ETAG, etag),
        F(copied, "-", SUM, sum),
        F_END,
    };
    const copied c = {mtime_ms, etag, s ? *s : (vk_s3w_sum){.kind = VK_CHECKSUM_KINDS}};
    vk_s3x_document(out, part ? "CopyPartResult" : "CopyObjectResult", VK_S3X_NS, f, &c, false);
}

static const vk_s3x_field completed_fields[] = {
    F(vk_s3w_completed, "Location", TEXT, location),
    F(vk_s3w_completed, "Bucket", TEXT, bucket),
    F(vk_s3w_completed, "Key", TEXT, key),
    F(vk_s3w_completed, "ETag", ETAG, etag),
    F(vk_s3w_completed, "-", SUM, sum),
    F_END,
};

void vk_s3w_completed_upload(vk_buf *out, const vk_s3w_completed *c)
{
    vk_s3x_document(out, "CompleteMultipartUploadResult", VK_S3X_NS, completed_fields, c, false);
}

void vk_s3w_posted(vk_buf *out, const vk_s3w_completed *c)
{
    vk_s3w_completed plain = *c;
    plain.sum.kind = VK_CHECKSUM_KINDS;
    vk_s3x_document(out, "PostResponse", "", completed_fields, &plain, false);
}

void vk_s3w_delete_result(vk_buf *out, const vk_s3w_deletes *d)
{
    static const vk_s3x_field deleted_fields[] = {F(vk_s3w_deleted, "Key", TEXT, key), F_END};
    static const vk_s3x_field failed_fields[] = {
        F(vk_s3w_not_deleted, "Key", TEXT, key),
        F(vk_s3w_not_deleted, "Code", TEXT, code),
        F(vk_s3w_not_deleted, "Message", TEXT, message),
        F_END,
    };
    static const vk_s3x_field f[] = {
        F_EACH(vk_s3w_deletes, "Deleted", deleted, deleted_fields),
        F_EACH(vk_s3w_deletes, "Error", failed, failed_fields),
        F_END,
    };
    vk_s3x_document(out, "DeleteResult", VK_S3X_NS, f, d, false);
}

void vk_s3w_object_attributes(vk_buf *out, const vk_s3w_attributes *o)
{
    static const vk_s3x_field part_fields[] = {
        F(vk_s3w_part, "PartNumber", INT, number),
        F(vk_s3w_part, "-", SUM, sum),
        F(vk_s3w_part, "Size", INT, size),
        F_END,
    };
    static const vk_s3x_field parts_fields[] = {
        F(vk_s3w_attributes, "PartsCount", INT, parts),
        F(vk_s3w_attributes, "PartNumberMarker", INT, marker),
        F(vk_s3w_attributes, "NextPartNumberMarker", INT, next_marker),
        F(vk_s3w_attributes, "MaxParts", INT, max_parts),
        F(vk_s3w_attributes, "IsTruncated", BOOL, truncated),
        F_EACH(vk_s3w_attributes, "Part", part, part_fields),
        F_END,
    };
    static const vk_s3x_field f[] = {
        F_GROUP(vk_s3w_attributes, "ObjectParts", parts, parts_fields),
        F(vk_s3w_attributes, "StorageClass", TEXT, storage_class),
        F(vk_s3w_attributes, "ObjectSize", INT, size),
        F_END,
    };
    vk_buf_lit(out, VK_S3X_HEAD "<GetObjectAttributesResponse" VK_S3X_NS ">");
    if (o->etag.p) /* without quotes, here alone */
        vk_s3x_element(out, "ETag", o->etag);
    if ((int)o->sum.kind < (int)VK_CHECKSUM_MD5 && o->sum.text.p) {
        vk_buf_lit(out, "<Checksum>");
        vk_s3x_sum(out, &o->sum);
        vk_buf_lit(out, "</Checksum>");
    }
    vk_s3x_fields(out, f, o, false);
    vk_buf_lit(out, "</GetObjectAttributesResponse>");
}

void vk_s3w_location(vk_buf *out, vk_str region)
{
    vk_buf_lit(out, VK_S3X_HEAD "<LocationConstraint" VK_S3X_NS ">");
    vk_s3x_escape(out, region);
    vk_buf_lit(out, "</LocationConstraint>");
}

void vk_s3w_versioning(vk_buf *out)
{
    vk_buf_lit(out, VK_S3X_HEAD "<VersioningConfiguration" VK_S3X_NS "/>");
}

void vk_s3w_cors(vk_buf *out, const vk_s3x_cors *c)
{
    static const vk_s3x_field rule_fields[] = {
        F(vk_s3x_rule, "ID", TEXT, id),
        F(vk_s3x_rule, "AllowedMethod", TEXTS, methods),
        F(vk_s3x_rule, "AllowedOrigin", TEXTS, origins),
        F(vk_s3x_rule, "AllowedHeader", TEXTS, headers),
        F(vk_s3x_rule, "ExposeHeader", TEXTS, expose),
        F(vk_s3x_rule, "MaxAgeSeconds", INT, max_age_s),
        F_END,
    };
    static const vk_s3x_field f[] = {
        {"CORSRule", VK_S3X_EACH, offsetof(vk_s3x_cors, rules), offsetof(vk_s3x_cors, n), sizeof(vk_s3x_rule),
         NULL, rule_fields},
        F_END,
    };
    vk_s3x_document(out, "CORSConfiguration", VK_S3X_NS, f, c, false);
}

void vk_s3w_error(vk_buf *out, const vk_s3w_failure *f)
{
    vk_buf_lit(out, VK_S3X_HEAD "<Error>");
    vk_s3x_element(out, "Code", f->code);
    vk_s3x_element(out, "Message", f->message);
    for (size_t i = 0; i < f->n_extra; i++)
        vk_s3x_element(out, f->extra[i].name, f->extra[i].text);
    if (f->resource.p)
        vk_s3x_element(out, "Resource", f->resource);
    vk_s3x_element(out, "RequestId", f->request_id);
    vk_buf_lit(out, "</Error>");
}
