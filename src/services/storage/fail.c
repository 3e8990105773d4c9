#include "services/storage/fail.h"

const vk_s3_error vk_s3_errors[VK_S3_FAILS] = {
    [VK_S3_OK] = {"", "", 200},
    [VK_S3_BAD_URI] = {"InvalidURI", "Couldn't parse the specified URI.", 400},
    [VK_S3_BAD_BUCKET] = {"InvalidBucketName", "The specified bucket is not valid.", 400},
    [VK_S3_BAD_KEY] =
        {"InvalidObjectName",
         "A key is 1 to 1024 bytes of UTF-8, without NUL and without the segments '.' and '..'.", 400},
    [VK_S3_KEY_TOO_LONG] = {"KeyTooLongError", "Your key is too long", 400},
    [VK_S3_NOT_IMPLEMENTED] = {"NotImplemented",
                               "valetkey does not have this part of S3. Its documentation lists what it has.",
                               501},
    [VK_S3_METHOD] = {"MethodNotAllowed", "The specified method is not allowed against this resource.", 405},
    [VK_S3_CONFLICT] = {"InvalidArgument",
                        "Conflicting query string parameters, or one that stands there twice.", 400},
    [VK_S3_BAD_ARGUMENT] = {"InvalidArgument", "A parameter of the query has a value it cannot have.", 400},
    [VK_S3_NO_SUCH_VERSION] =
        {"NoSuchVersion", "The specified version does not exist. Objects here have the version 'null' only.",
         404},
    [VK_S3_BAD_COPY_SOURCE] =
        {"InvalidArgument",
         "x-amz-copy-source must be one bucket and key, percent-encoded: /bucket/key or bucket/key.", 400},
    [VK_S3_BAD_TOKEN] = {"InvalidArgument", "The continuation token provided is incorrect", 400},
    [VK_S3_MALFORMED_XML] =
        {"MalformedXML",
         "The XML you provided was not well-formed or did not validate against our published schema", 400},
    [VK_S3_MALFORMED_POST] = {"MalformedPOSTRequest",
                              "The body of your POST request is not well-formed multipart/form-data.", 400},
    [VK_S3_FORM_TOO_LARGE] = {"MaxPostPreDataLengthExceededError",
                              "Your POST request fields preceding the upload file were too large.", 400},
    [VK_S3_PRECONDITION] = {"PreconditionFailed",
                            "At least one of the pre-conditions you specified did not hold", 412},
    [VK_S3_NOT_MODIFIED] = {"NotModified", "Not Modified", 304},
    [VK_S3_BAD_RANGE] = {"InvalidRange", "The requested range is not satisfiable", 416},
    [VK_S3_CORS_FORBIDDEN] = {"AccessForbidden",
                              "CORSResponse: This CORS request is not allowed. No rule of the bucket allows "
                              "this origin, method and "
                              "headers.",
                              403},
    [VK_S3_CORS_NO_ORIGIN] = {"BadRequest", "Insufficient information. Origin request header needed.", 400},
    [VK_S3_TOO_MANY] = {"InvalidRequest", "The request has too many parameters.", 400},
    [VK_S3_NO_MEMORY] = {"ServiceUnavailable", "Out of memory; try again in a moment.", 503},
};
