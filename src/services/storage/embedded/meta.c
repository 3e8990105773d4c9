#include "services/storage/embedded/objects.h"

/* HTTP status and code as S3 has them (Amazon S3 API reference, "Error responses"). The quota is a 403 so
 * that SDKs show it instead of trying again; what may be over in a moment is a 503, which they repeat. */
const vk_ob_err_info vk_ob_errs[VK_OB_ERRS] = {
    [VK_OB_OK] = {"", "", 200},
    [VK_OB_NO_SUCH_KEY] = {"NoSuchKey", "The specified key does not exist.", 404},
    [VK_OB_NO_SUCH_UPLOAD] = {"NoSuchUpload",
                              "The specified upload does not exist. The upload ID may be invalid, or the "
                              "upload may have been aborted or completed.",
                              404},
    [VK_OB_NO_SUCH_CORS] = {"NoSuchCORSConfiguration", "The CORS configuration does not exist", 404},
    [VK_OB_PRECONDITION] = {"PreconditionFailed",
                            "At least one of the pre-conditions you specified did not hold", 412},
    [VK_OB_INVALID_PART] = {"InvalidPart",
                            "One or more of the specified parts could not be found. The part may not have "
                            "been uploaded, or the specified entity tag may not match the part's entity tag.",
                            400},
    [VK_OB_INVALID_PART_ORDER] = {"InvalidPartOrder",
                                  "The list of parts was not in ascending order. The parts list must be "
                                  "specified in order by part number.",
                                  400},
    [VK_OB_PART_TOO_SMALL] = {"EntityTooSmall",
                              "Your proposed upload is smaller than the minimum allowed size", 400},
    [VK_OB_TOO_LARGE] = {"EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400},
    [VK_OB_QUOTA] = {"QuotaExceeded",
                     "The build's storage quota does not allow this. Delete objects or "
                     "incomplete uploads, or have the quota raised.",
                     403},
    [VK_OB_INCOMPLETE] =
        {"IncompleteBody",
         "You did not provide the number of bytes specified by the Content-Length HTTP header", 400},
    [VK_OB_KEY_TOO_LONG] = {"KeyTooLongError", "Your key is too long", 400},
    [VK_OB_BAD_KEY] =
        {"InvalidObjectName",
         "A key is 1 to 1024 bytes of UTF-8, without NUL and without the segments '.' and '..'.", 400},
    [VK_OB_OUTSIDE] = {"AccessDenied", "Access Denied", 403},
    [VK_OB_METADATA_TOO_LARGE] = {"MetadataTooLarge",
                                  "Your metadata headers exceed the maximum allowed metadata size", 400},
    [VK_OB_INVALID] = {"InvalidArgument", "Invalid Argument", 400},
    [VK_OB_INVALID_RANGE] = {"InvalidRange", "The requested range is not satisfiable", 416},
    [VK_OB_BUSY] = {"SlowDown", "Too much is under way for this build; try again in a moment.", 503},
    [VK_OB_DISK_FULL] = {"ServiceUnavailable", "The disk of the storage service is full; nothing was stored.",
                         503},
    [VK_OB_IO] = {"InternalError", "The disk refused to store or to read this.", 500},
    [VK_OB_CORRUPT] = {"InternalError", "The stored data is damaged.", 500},
    [VK_OB_NEWER] = {"InternalError", "The data was written by a newer version of valetkey.", 500},
    [VK_OB_NOMEM] = {"ServiceUnavailable", "Out of memory; try again in a moment.", 503},
};

static void add_field(vk_buf *b, vk_str s)
{
    char n[2] = {(char)(s.n >> 8), (char)(s.n & 0xff)};
    if (s.n > 0xffff) {
        b->err = b->err == VK_OK ? VK_E_TOO_LARGE : b->err;
        return;
    }
    vk_buf_add(b, n, 2);
    vk_buf_str(b, s);
}

void vk_ob_header_add(vk_buf *packed, vk_str name, vk_str value)
{
    add_field(packed, name);
    add_field(packed, value);
}

static bool take_field(vk_str *s, vk_str *out_r)
{
    if (s->n < 2)
        return false;
    size_t n = (size_t)(unsigned char)s->p[0] << 8 | (unsigned char)s->p[1];
    if (s->n - 2 < n)
        return false;
    *out_r = (vk_str){s->p + 2, n};
    *s = (vk_str){s->p + 2 + n, s->n - 2 - n};
    return true;
}

bool vk_ob_header_next(vk_str *packed, vk_str *name_r, vk_str *value_r)
{
    return take_field(packed, name_r) && take_field(packed, value_r);
}

bool vk_ob_etag_matches(vk_str list, vk_str etag)
{
    vk_str one;
    for (bool more = true; more;) {
        more = vk_str_cut(&list, ',', &one);
        one = vk_str_trim(more ? one : list);
        if (vk_str_starts(one, VK_STR("W/")))
            one = (vk_str){one.p + 2, one.n - 2};
        if (one.n >= 2 && one.p[0] == '"' && one.p[one.n - 1] == '"')
            one = (vk_str){one.p + 1, one.n - 2};
        if (vk_str_eqz(one, "*") || (one.n && vk_str_eq(one, etag)))
            return true;
    }
    return false;
}
