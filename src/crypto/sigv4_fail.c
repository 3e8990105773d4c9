#include "crypto/sigv4_fail.h"

/* In the place of a code: the one for a malformed signature of this form. */
#define BY_FORM NULL

static const vk_sigv4_error errors[VK_SIGV4_FAILS] = {
    [VK_SIGV4_ANONYMOUS] = {"AccessDenied", "Access Denied", 403},
    [VK_SIGV4_MECHANISM] = {"InvalidRequest",
                            "The authorization mechanism you have provided is not supported. Please use "
                            "AWS4-HMAC-SHA256.",
                            400},
    [VK_SIGV4_TWO_SIGNATURES] =
        {"InvalidRequest",
         "Only one signature is allowed: one Authorization header, or one set of X-Amz-* "
         "query parameters.",
         400},
    [VK_SIGV4_BAD_TARGET] =
        {"InvalidRequest",
         "The path must begin with / and each % in path and query must be followed by two "
         "hexadecimal digits.",
         400},
    [VK_SIGV4_TOO_MANY] = {"InvalidRequest", "The request has too many query parameters or headers.", 400},
    [VK_SIGV4_MALFORMED] =
        {BY_FORM,
         "The authorization is malformed: Credential (id/date/region/service/aws4_request), "
         "SignedHeaders (lower-case, sorted, without repeats) and Signature (64 lower-case "
         "hexadecimal digits) are each needed exactly once.",
         400},
    [VK_SIGV4_NO_DATE] = {BY_FORM,
                          "The request needs exactly one valid date: X-Amz-Date as YYYYMMDDTHHMMSSZ.", 400},
    [VK_SIGV4_NO_PAYLOAD_HASH] = {"InvalidRequest",
                                  "Missing required header for this request: x-amz-content-sha256", 400},
    [VK_SIGV4_SCOPE_DATE] = {BY_FORM, "The date in the credential is not the day of the request's date.",
                             400},
    [VK_SIGV4_SCOPE_SERVICE] = {BY_FORM, "The credential is for another service; this one is \"s3\".", 400},
    [VK_SIGV4_SCOPE_END] = {BY_FORM, "The credential must end in \"aws4_request\".", 400},
    [VK_SIGV4_SCOPE_REGION] = {BY_FORM, "The region in the credential is wrong; expecting 'auto'", 400},
    [VK_SIGV4_UNKNOWN_KEY] = {"InvalidAccessKeyId",
                              "The AWS Access Key Id you provided does not exist in our records.", 403},
    [VK_SIGV4_KEY_EXPIRED] = {"ExpiredToken", "The access key has expired.", 400},
    [VK_SIGV4_KEY_REVOKED] = {"InvalidAccessKeyId", "The access key has been revoked.", 403},
    [VK_SIGV4_SKEW] = {"RequestTimeTooSkewed",
                       "The difference between the request time and the current time is too large.", 403},
    [VK_SIGV4_EXPIRES] = {"AuthorizationQueryParametersError",
                          "X-Amz-Expires must be a whole number of seconds from 1 to 604800.", 400},
    [VK_SIGV4_REQUEST_EXPIRED] = {"AccessDenied", "Request has expired", 403},
    [VK_SIGV4_UNSIGNED_HEADERS] = {"AccessDenied",
                                   "There were headers present in the request which were not signed", 403},
    [VK_SIGV4_ABSENT_HEADER] = {"SignatureDoesNotMatch",
                                "A header that SignedHeaders names is not in the request.", 403},
    [VK_SIGV4_SIGNATURE] =
        {"SignatureDoesNotMatch",
         "The request signature we calculated does not match the signature you provided. Check "
         "your key and signing method.",
         403},
    [VK_SIGV4_TOKEN] =
        {"InvalidToken",
         "The session token is not the one that was issued with this access key; a key that was "
         "issued without one takes none.",
         403},
    [VK_SIGV4_PAYLOAD_FORM] = {"InvalidArgument",
                               "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                               "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                               "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
                               400},
    [VK_SIGV4_PAYLOAD_UNSUPPORTED] = {"NotImplemented",
                                      "This form of streaming payload is not supported by valetkey.", 501},
    [VK_SIGV4_NO_STREAM_HERE] = {"InvalidRequest",
                                 "A STREAMING payload is allowed for PutObject and UploadPart only.", 400},
    [VK_SIGV4_PAYLOAD_HASH] = {"XAmzContentSHA256Mismatch",
                               "The provided 'x-amz-content-sha256' header does not match what was computed.",
                               400},
    [VK_SIGV4_NO_DECODED_LENGTH] = {"MissingContentLength",
                                    "A STREAMING payload needs x-amz-decoded-content-length.", 411},
    [VK_SIGV4_CHUNK] = {"InvalidRequest", "The aws-chunked framing of the body is malformed.", 400},
    [VK_SIGV4_CHUNK_SIGNATURE] =
        {"SignatureDoesNotMatch",
         "A signature inside of the aws-chunked body does not match the bytes it stands "
         "for.",
         403},
    [VK_SIGV4_BODY_LENGTH] = {"IncompleteBody",
                              "The body does not have the number of bytes that x-amz-decoded-content-length "
                              "announced.",
                              400},
    [VK_SIGV4_TRAILER] =
        {"MalformedTrailerError",
         "The trailer is malformed, or its names are not those that x-amz-trailer announced.", 400},
    [VK_SIGV4_FORM_PART] =
        {"InvalidArgument",
         "A signed POST needs the fields policy, x-amz-algorithm, x-amz-credential, x-amz-date "
         "and x-amz-signature.",
         400},
    [VK_SIGV4_FORM_TWICE] = {"InvalidArgument", "A field of the form is there twice.", 400},
    [VK_SIGV4_FORM_KEY] =
        {"InvalidArgument",
         "Bucket POST must contain a field named 'key'. If it is specified, please check the "
         "order of the fields.",
         400},
    [VK_SIGV4_POLICY_DOCUMENT] = {"InvalidPolicyDocument",
                                  "The policy must be base64 of a JSON object of \"expiration\" and "
                                  "\"conditions\" in the documented form.",
                                  400},
    [VK_SIGV4_POLICY_EXPIRED] = {"AccessDenied", "Invalid according to Policy: Policy expired.", 403},
    [VK_SIGV4_POLICY_CONDITION] = {"AccessDenied",
                                   "Invalid according to Policy: Policy Condition failed: ", 403},
    [VK_SIGV4_POLICY_EXTRA] = {"AccessDenied", "Invalid according to Policy: Extra input fields: ", 403},
    [VK_SIGV4_TOO_LARGE] = {"EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400},
    [VK_SIGV4_TOO_SMALL] = {"EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
                            400},
    [VK_SIGV4_NO_MEMORY] = {"SlowDown", "The server is short of memory. Please try again.", 503},
};

vk_sigv4_error vk_sigv4_error_of(vk_sigv4_fail why, vk_sigv4_form form)
{
    static const char *const by_form[] = {
        [VK_SIGV4_HEADER] = "AuthorizationHeaderMalformed",
        [VK_SIGV4_QUERY] = "AuthorizationQueryParametersError",
        [VK_SIGV4_POST] = "InvalidArgument",
    };
    vk_sigv4_error e = errors[why];
    if (!e.code)
        e.code = by_form[form];
    return e;
}
