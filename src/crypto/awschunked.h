/* aws-chunked: the framing that S3 clients put around a body whose hash they do not know yet, inside of
 * HTTP's own. Three forms: unsigned, with a trailer; each chunk signed; each chunk and the trailer signed. An
 * incremental decoder that verifies the chain of signatures while bytes pass. Nothing is buffered but one
 * line.
 *
 * What was given out as data is proven only by VK_AWSCHUNK_END: whoever takes it keeps it apart until then
 * and throws it away on anything else. Sources: "Signature calculations for the Authorization header:
 * transferring payload in multiple chunks" and the same with trailing headers, S3 API reference. Strict, with
 * one concession: minio-go ends a trailer line by LF CR LF. */
#ifndef VK_CRYPTO_AWSCHUNKED_H
#define VK_CRYPTO_AWSCHUNKED_H

#include "crypto/sigv4.h"

enum {
    VK_AWSCHUNK_LINE_MAX = 512, /* a size line or a line of the trailer, its end included */
    VK_AWSCHUNK_TRAILERS_MAX =
        4, /* names in x-amz-trailer; with the line's limit this bounds the trailer to 3 KiB */
    VK_AWSCHUNK_NAMES_MAX = 256, /* bytes of x-amz-trailer */
    VK_AWSCHUNK_VALUE_MAX = 128, /* bytes of a trailer's value: a checksum in base64 has up to 88 */
};

typedef enum vk_awschunk { VK_AWSCHUNK_MORE, VK_AWSCHUNK_DATA, VK_AWSCHUNK_END, VK_AWSCHUNK_BAD } vk_awschunk;

/* Plain memory, no pointer into it from outside; do not look inside. */
typedef struct vk_awschunked {
    bool is_signed, has_trailer, lf_line;
    uint8_t state, n_names;
    vk_sigv4_fail fail;
    uint64_t chunk_left; /* bytes of the current chunk still to come */
    uint64_t left;       /* decoded bytes still to come */
    size_t line_n;
    vk_sigv4_chain chain;        /* its signature is the one before */
    uint8_t expected[VK_SHA256]; /* the signature in the current chunk's size line */
    vk_sha256_run hash;          /* of the current chunk, then of the trailer */
    struct {
        uint16_t name, name_n; /* in names */
        int16_t value_n;       /* -1: not there yet */
        char value[VK_AWSCHUNK_VALUE_MAX];
    } trailers[VK_AWSCHUNK_TRAILERS_MAX];
    char names[VK_AWSCHUNK_NAMES_MAX];
    char line[VK_AWSCHUNK_LINE_MAX];
} vk_awschunked;

/* For the body of a verified request. `decoded`: x-amz-decoded-content-length, -1 when absent; `trailer`: the
 * value of x-amz-trailer, empty when absent. VK_SIGV4_NO_DECODED_LENGTH, VK_SIGV4_TRAILER (too many names,
 * too long, a name that cannot be one, or names for a form without trailer). The grant's payload is one of
 * the three STREAM forms. Wipe it afterwards. */
VK_MUSTCHECK vk_sigv4_fail vk_awschunked_begin(vk_awschunked *d, const vk_sigv4_grant *g, int64_t decoded,
                                               vk_str trailer);

/* Takes bytes from the front of *in. DATA: *data_r is a view of payload inside of the input; call again.
 * MORE: *in is empty. END: every byte, signature and announced trailer is there, and the input ends with
 * them; more input afterwards is BAD. BAD: vk_awschunked_why says why, and stays so. */
VK_MUSTCHECK vk_awschunk vk_awschunked_next(vk_awschunked *d, vk_str *in, vk_str *data_r);

/* After BAD: VK_SIGV4_CHUNK, _CHUNK_SIGNATURE, _BODY_LENGTH or _TRAILER. When the input has ended and END was
 * not seen: VK_SIGV4_BODY_LENGTH. After END: VK_SIGV4_OK. */
vk_sigv4_fail vk_awschunked_why(const vk_awschunked *d);

/* After END: the value of an announced trailer (name in any case), a view of `d`; VK_STR_NONE when it was not
 * announced. */
vk_str vk_awschunked_trailer(const vk_awschunked *d, vk_str name);

void vk_awschunked_wipe(vk_awschunked *d);

#endif
