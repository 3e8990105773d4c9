/* Storage at R2 or S3: the same front, verifier and scope as for objects on our own disk, but what is left of
 * a request after that goes to the organisation's bucket, through keeper (services/forward.h).
 *
 * Map: drivers.c what a binding to r2 or s3 is · call.c a request to keeper, and its answer as S3's errors ·
 * object.c, list.c, multipart.c, many.c the operations · put.c bodies of objects as they stream in · usage.c
 * what a build may store · xml.c what the vendor answers.
 *
 * A key of the build ("a", or "builds/<id>/a"; q->key is "a" for both) is the object
 * "builds/<id>/<generation>/a" of the bucket, so that a build with the name of one that was deleted does not
 * find what that one left there. front says neither the bucket nor the host: keeper puts both there, and
 * checks the prefix again.
 *
 * What is about the bucket and not about objects (its name, its CORS rules) is ours to answer, from the
 * build's folder, as it is without a vendor. */
#ifndef VK_STORAGE_UPSTREAM_H
#define VK_STORAGE_UPSTREAM_H

#include "services/forward.h"
#include "services/storage/front.h"
#include "services/storage/upstream/xml.h"

enum {
    VK_S3U_ERROR_MAX = 64 << 10, /* bytes of an answer that is no listing */
    VK_S3U_ID_MAX = 2048,        /* of an upload's id */
    VK_S3U_SCOPE_MAX = VK_OB_SCOPE_MAX,
};

/* ---- drivers.c */

extern const vk_driver vk_s3u_r2, vk_s3u_s3;
bool vk_s3u_is_r2(const vk_s3_req *q);

/* ---- call.c */

/* What the front's tables ask: whether the vendor answers this operation. */
bool vk_s3u_serves(vk_s3_op op);
/* The request is verified, in scope, and its body (if it is a document) is here: asks the vendor. The
 * exchange is answered later. */
void vk_s3u_request(vk_s3_req *q);

/* Whose key goes along: the one that was verified, or for a public object one of the build's own. */
void vk_s3u_credential(const vk_s3_req *q, char *kind_r, uint8_t hash_r[VK_HASH]);

/* The start of a target: "/builds/<id>/<generation>/<key, encoded>", or "/" for a NULL p. Error in b->err. */
void vk_s3u_target(const vk_s3_req *q, vk_buf *b, vk_str key);
/* "?name=value" or "&name=value", encoded. `scoped`: the build's prefix comes in front of the value. */
void vk_s3u_param(const vk_s3_req *q, vk_buf *b, const char *name, vk_str value, bool scoped);
void vk_s3u_line(vk_buf *b, const char *name, vk_str value);
/* Headers of the request that go on as they are, by name; NULL ends. */
void vk_s3u_lines(const vk_s3_req *q, vk_buf *b, const char *const *names);
/* Stored headers (packed) as lines, but for the type, which is given back. */
vk_str vk_s3u_stored_lines(vk_buf *b, vk_str packed);

typedef struct vk_s3u_ask {
    const char *method;
    vk_buf target, lines; /* freed by vk_s3u_send */
    vk_str type, body;    /* body VK_STR_NONE: none */
    bool again;
    size_t max; /* bytes of an answer that is collected */
    /* An answer of 200 to 299: true, it is passed on while it comes, after `head` was added; NULL: all are
     * collected. */
    bool (*passes)(vk_s3_req *q, const vk_head *h);
    /* Sees the head of such an answer that is collected; NULL: nobody wants to. */
    void (*look)(vk_s3_req *q, const vk_head *h);
    /* A collected answer of 200 to 299, with its body in q->ex->out, to be read: sets the answer. */
    void (*read)(vk_s3_req *q, int status, vk_str body);
} vk_s3u_ask;
void vk_s3u_ask_begin(vk_s3u_ask *a, const char *method);
/* An error is set, and the caller answers; otherwise the call does. */
void vk_s3u_send(vk_s3_req *q, vk_s3u_ask *a);
/* The same for a body that streams: begins *c, which is the caller's. False: an error is set. */
VK_MUSTCHECK bool vk_s3u_begin_call(vk_s3_req *q, vk_s3u_ask *a, vk_upcall *c);

/* The vendor's refusal as ours: its code (empty where it has no body) and status. */
void vk_s3u_no(vk_s3_req *q, int status, vk_str code);
/* The same of an XML document. */
void vk_s3u_no_body(vk_s3_req *q, int status, vk_str body);
/* Keeper's refusal, or that nobody is there. */
void vk_s3u_failed(vk_s3_req *q, vk_err e, bool retry, const char *why);
/* The vendor says what cannot be. */
void vk_s3u_nonsense(vk_s3_req *q, const char *what);
/* Reads it as a document of that kind; false: answered. An error's document is its answer, whatever the
 * status was. */
VK_MUSTCHECK bool vk_s3u_document(vk_s3_req *q, vk_str body, vk_s3u_kind kind, vk_s3u_doc *out_r);
/* A key of the vendor's without the build's prefix; p NULL: it has none, which is nonsense. */
vk_str vk_s3u_own(const vk_s3_req *q, vk_str key);

/* ---- the operations */

void vk_s3u_get(vk_s3_req *q);
void vk_s3u_attributes(vk_s3_req *q);
void vk_s3u_delete(vk_s3_req *q);
void vk_s3u_copy(vk_s3_req *q);
void vk_s3u_delete_many(vk_s3_req *q);
void vk_s3u_list(vk_s3_req *q);
void vk_s3u_list_uploads(vk_s3_req *q);
void vk_s3u_list_parts(vk_s3_req *q);
void vk_s3u_create_upload(vk_s3_req *q);
void vk_s3u_copy_part(vk_s3_req *q);
void vk_s3u_complete(vk_s3_req *q);
void vk_s3u_abort(vk_s3_req *q);
/* uploadId of the query; p NULL: answered. */
vk_str vk_s3u_upload_id(vk_s3_req *q);

/* ---- put.c */

/* As vk_s3_put_head, of a plan that was made of it. `sent`: bytes on the wire, -1: chunked. */
VK_MUSTCHECK bool vk_s3u_put_head(vk_s3_req *q, const vk_s3_plan *plan, int64_t sent);
void vk_s3u_put_request(vk_s3_req *q);
/* For a form whose fields are judged: `left` bytes of the request follow (-1: not known), of which `tail` are
 * the closing boundary with its CRLFs. False: the error is the answer. */
VK_MUSTCHECK bool vk_s3u_form_begin(vk_s3_req *q, const vk_s3_plan *plan, int64_t left, size_t tail,
                                    void (*answered)(vk_s3_req *q, const vk_ob_object *made));
bool vk_s3u_put_full(const vk_s3_req *q);
/* False: answered, and everything may be gone. */
bool vk_s3u_put_bytes(vk_s3_req *q, vk_str bytes);
void vk_s3u_put_end(vk_s3_req *q);

/* ---- usage.c */

void vk_s3u_usage_start(const vk_runtime *rt);
void vk_s3u_usage_stop(void);
/* Whether `bytes` more, as a new object (`objects` 1) or a part (0), are within the build's quota; false: the
 * error is the answer. */
VK_MUSTCHECK bool vk_s3u_room(vk_s3_req *q, int64_t bytes, int64_t objects);
/* The vendor has said yes to that much. */
void vk_s3u_stored(vk_s3_req *q, int64_t bytes, int64_t objects);
/* Something was deleted: what is known is more than what there is. */
void vk_s3u_removed(vk_s3_req *q);

typedef struct vk_s3u_numbers {
    _Atomic uint64_t asked, refused_us, nonsense, away, counted;
} vk_s3u_numbers;
extern vk_s3u_numbers vk_s3u_numbers_now;

#endif
