/* Conditions and ranges of S3's requests: If-Match and its kin for reading, copying and writing, Range, and
 * x-amz-copy-source-range. Pure. Source: RFC 9110 §13 and §14, and where S3 differs, the API reference of
 * GetObject, CopyObject, PutObject and UploadPartCopy.
 *
 * Of an ETag lists and "*" are understood, with and without quotes. Dates compare in whole seconds; one that
 * is no date is no condition (RFC 9110 §13.1.3). A header's absence is an empty view. */
#ifndef VK_STORAGE_S3COND_H
#define VK_STORAGE_S3COND_H

#include "core/base.h"
#include "services/storage/fail.h"

typedef struct vk_s3_conditions {
    vk_str if_match, if_none_match, if_modified_since,
        if_unmodified_since; /* of copies: x-amz-copy-source-if-* */
} vk_s3_conditions;

/* GetObject and HeadObject of an object that is there. VK_S3_OK, VK_S3_NOT_MODIFIED, VK_S3_PRECONDITION.
 * If-Match decides before If-Unmodified-Since, and when it holds that is not looked at; If-None-Match
 * likewise before If-Modified-Since. `etag` is without quotes. */
vk_s3_fail vk_s3_read_allowed(const vk_s3_conditions *c, vk_str etag, int64_t mtime_ms);
/* The source of a copy: as above, but everything that fails is VK_S3_PRECONDITION. */
vk_s3_fail vk_s3_copy_allowed(const vk_s3_conditions *c, vk_str etag, int64_t mtime_ms);
/* What may be asked of a write; it is decided in the commit (vk_ob_commit.if_none_match_any; if_match as it
 * is). VK_S3_NOT_IMPLEMENTED: an If-None-Match that is not "*", both at once, or a date: what S3 does not
 * have, and a condition must not be dropped. */
vk_s3_fail vk_s3_write_conditions(const vk_s3_conditions *c, bool *if_none_match_any_r);

typedef struct vk_s3_range {
    bool part; /* 206: the bytes `at` to `at + n - 1`; else all of it */
    int64_t at, n;
} vk_s3_range;

/* Range of an object of `size` bytes. Only "bytes=" with one range counts, anything else is ignored (the
 * whole, 200). VK_S3_BAD_RANGE: it begins behind the end, or asks for no byte; any range of an empty object.
 */
vk_s3_fail vk_s3_range_of(vk_str header, int64_t size, vk_s3_range *out_r);
/* False: the If-Range header names another state of the object, so Range is to be ignored. */
bool vk_s3_range_holds(vk_str if_range, vk_str etag, int64_t mtime_ms);
/* x-amz-copy-source-range: both ends, no more. VK_S3_BAD_ARGUMENT; VK_S3_BAD_RANGE: not all of it is there.
 */
vk_s3_fail vk_s3_copy_range_of(vk_str header, int64_t size, int64_t *at_r, int64_t *n_r);

enum { VK_S3_DATE = 32 };
/* "Mon, 23 Nov 2026 18:15:15 GMT": what Last-Modified has. Years 1970 to 9999. */
void vk_s3_date(int64_t ms, char out[VK_S3_DATE]);
/* IMF-fixdate and, as RFC 9110 §5.6.7 demands, the two forms of old; whole seconds as milliseconds. */
bool vk_s3_date_read(vk_str text, int64_t *ms_r);

#endif
