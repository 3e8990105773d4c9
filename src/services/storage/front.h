/* One request to the S3 front, from its head to its answer, and what the files of the front share.
 *
 * Map: service.c the service's contract · front.c head, body, job, who may · answer.c status, headers, errors
 * · headers.c what a request's headers say about an object · cors.c pages of other origins · bucket.c,
 * object.c, list.c, multipart.c the operations · put.c bodies of objects as they stream in · postform.c
 * uploads by a form.
 *
 * A request is verified before anything else (crypto/sigv4.h); nothing but a preflight and objects under
 * "public/" is served without. Its keys are then brought into the build's scope (embedded/scope.h), and only
 * what is left after that (q->key, q->source) goes to the store. Operations that touch the disk run as a job
 * on a thread (embedded/builds.h) and answer on the loop. */
#ifndef VK_STORAGE_FRONT_H
#define VK_STORAGE_FRONT_H

#include "core/vendor.h"
#include "crypto/sigv4.h"
#include "services/storage/embedded/builds.h"
#include "services/storage/embedded/scope.h"
#include "services/storage/s3intake.h"
#include "services/storage/s3route.h"
#include "services/storage/s3xml_write.h"

/* A build's bucket is this and its id, so that a name tells the build. */
#ifdef VK_TEST_VENDOR
#define VK_S3_BUCKET_PREFIX (vk_vendor_role ? "" : "vk-")
#else
#define VK_S3_BUCKET_PREFIX "vk-"
#endif
#define VK_S3_PUBLIC "public/" /* keys that anybody may read */
#define VK_S3_REGION "auto"

enum {
    VK_S3_META_MAX = 8192,     /* bytes of names and values of x-amz-meta-*, as R2 has it */
    VK_S3_META_NAME_MAX = 256, /* bytes of one such name, with its prefix */
    VK_S3_EXTRA_MAX = 8,       /* elements of an error */
    VK_S3_COLLECT_MAX = 16384, /* bodies of objects that are taken as a whole */
    VK_S3_PAGE_MAX = 1000,     /* entries of a listing */
};

typedef struct vk_s3_req {
    vk_exchange *ex;
    vk_s3_route route;
    vk_sigv4_grant grant;
    bool anonymous;                /* nobody signed it: a public object, or a preflight */
    const vk_sigv4_pair *in_query; /* x-amz-* that a presigning SDK moved there; decoded */
    size_t n_in_query;
    vk_s3_build *build; /* held until it is answered, or what its reader reads is sent */
    vk_list holding;    /* the loop's list of those that hold one */
    vk_str key, source; /* as they are stored */
    /* Whose storage answers this operation (upstream/), and what it keeps with the request; NULL: ours. */
    const vk_driver *driver;
    void *vendor;
    bool forwarded; /* what forwards it has said who serves it */
    bool begun;     /* its body is there, and it is at work */
    vk_s3_job job;
    vk_ob *store; /* in a job */

    /* The answer; set by the operation. */
    int status;
    bool xml;                 /* ex->out is a document */
    const char *type;         /* else its content type */
    bool readable, sandboxed; /* it is an object: may be read in ranges; is no page of ours */
    vk_str code, message;     /* an error: code.n */
    vk_s3w_extra extra[VK_S3_EXTRA_MAX];
    size_t n_extra;
    vk_ob_reader *reader; /* the body: its bytes [at, at + n) */
    int64_t at, n;
    vk_pieces pieces;
    struct vk_s3_put *put; /* what its body goes into */
    void *more;            /* the operation's own */
} vk_s3_req;

static inline vk_s3_req *vk_s3_req_of(const vk_exchange *ex)
{
    return ex->ctx;
}

/* ---- front.c */

extern const vk_handler vk_s3_handler;
/* At the end: wipes the loops' signing keys. */
void vk_s3_forget_keys(void);

/* What an operation does, one or the other. Table in front.c. */
typedef struct vk_s3_run {
    void (*quick)(vk_s3_req *q); /* on the loop: touches no disk, and is answered or sees to it */
    void (*job)(vk_s3_req *q);   /* on a thread; q->store is open */
} vk_s3_run;

/* Brings `key` into the build's scope; an error is the answer. */
VK_MUSTCHECK bool vk_s3_scope(vk_s3_req *q, vk_str key, vk_str *stored_r);
/* The build of a bucket's name; VK_STR_NONE: no bucket of ours has it. */
vk_str vk_s3_build_of(vk_str bucket);
/* A key of the build under verification: for sigv4's setups. `arg` is a vk_s3_finder. */
typedef struct vk_s3_finder {
    vk_exchange *ex;
    vk_signing_key key;
} vk_s3_finder;
void vk_s3_sigv4_setup(vk_s3_finder *f, vk_exchange *ex, vk_sigv4_setup *out_r);
/* What the verifier said, and who it is: sets ex->principal, or the error. Wipes the finder. */
VK_MUSTCHECK bool vk_s3_proven(vk_s3_req *q, vk_s3_finder *f, vk_sigv4_fail fail,
                               const vk_sigv4_trace *trace);
/* The bucket is the build's own and the build is held; an error is the answer. */
VK_MUSTCHECK bool vk_s3_enter(vk_s3_req *q);
/* Lets go of the build, of what is read of it and of what is written. On the loop; again and again. */
void vk_s3_leave(vk_s3_req *q);
/* A build is closing: transfers of it that would go on as slowly as their clients like end now. Any thread.
 */
void vk_s3_end_transfers(const vk_runtime *rt);
/* Runs `run` as a job; when too much waits, answers. */
void vk_s3_submit(vk_s3_req *q, void (*run)(vk_s3_job *j));

/* ---- answer.c */

void vk_s3_say(vk_s3_req *q, int status, vk_str code, const char *message);
void vk_s3_no(vk_s3_req *q, vk_s3_fail f);
void vk_s3_no_ob(vk_s3_req *q, vk_ob_err e);
void vk_s3_no_sigv4(vk_s3_req *q, vk_sigv4_fail f);
void vk_s3_no_wrong(vk_s3_req *q, const vk_s3_wrong *w);
void vk_s3_no_memory(vk_s3_req *q);
/* An element of the error; views that live as long as the exchange. */
void vk_s3_also(vk_s3_req *q, const char *element, vk_str text);
/* A header; what does not fit or cannot be one makes the answer an error. */
void vk_s3_header(vk_s3_req *q, const char *name, vk_str value);
void vk_s3_etag(vk_s3_req *q, const char *etag);
/* x-amz-checksum-* and its type. */
void vk_s3_sum_headers(vk_s3_req *q, const vk_ob_sum *sum, uint32_t parts);
vk_s3w_sum vk_s3_sum_text(vk_arena *a, const vk_ob_sum *sum, uint32_t parts);
vk_str vk_s3_sum_type(uint8_t type);
vk_str vk_s3_sum_name(uint8_t algo); /* "CRC32"; VK_STR_NONE for 0 */
/* Answers with what is set. On the loop. */
void vk_s3_finish(vk_s3_req *q);
static inline void vk_s3_ok(vk_s3_req *q, int status)
{
    q->status = status;
}
static inline void vk_s3_ok_xml(vk_s3_req *q)
{
    q->status = 200;
    q->xml = true;
}
/* What an answer that a vendor's body follows has besides that body's own lines: those of every answer. */
void vk_s3_pass_lines(vk_s3_req *q);
/* A refusal of the engine itself. */
void vk_s3_refuse(vk_exchange *ex, int status, vk_err e, const char *text);

/* ---- headers.c */

/* A header of the request; of presigned ones also where the SDK put it into the query. */
vk_str vk_s3_asked(const vk_s3_req *q, const char *name);
/* Reads x-amz-* of the query; an error is the answer. */
VK_MUSTCHECK bool vk_s3_read_in_query(vk_s3_req *q);
/* Asks for nothing that valetkey does not have (ACLs, tags, encryption by keys, …). */
VK_MUSTCHECK bool vk_s3_options_ok(vk_s3_req *q);
/* The headers that are stored with an object, packed, in the arena. */
VK_MUSTCHECK bool vk_s3_headers_to_store(vk_s3_req *q, vk_str *packed_r);
/* One of them by its name, into `packed`; false: the answer is an error (too much metadata, no header). */
VK_MUSTCHECK bool vk_s3_pack(vk_s3_req *q, vk_buf *packed, size_t *meta, vk_str name, vk_str value);

/* No control characters but the tab: what an answer's header can carry. */
bool vk_s3_is_text(vk_str s);

/* "x-amz-checksum-crc32" → its kind. False: another header. */
VK_MUSTCHECK bool vk_s3_checksum_header(vk_str name, vk_checksum_kind *kind_r);
VK_MUSTCHECK bool vk_s3_claims_of(vk_s3_req *q, vk_s3_claims *out_r);
/* x-amz-checksum-algorithm and -type of CreateMultipartUpload and CopyObject. */
enum { VK_S3_FULL_OBJECT = 1, VK_S3_COMPOSITE = 2 };
VK_MUSTCHECK bool vk_s3_algorithm_of(vk_s3_req *q, uint8_t *algo_r, uint8_t *type_r);

/* ---- cors.c */

/* The rules of a build: its own, then those that it has without any. `own` is kept with the arena. */
VK_MUSTCHECK vk_err vk_s3_rules_of(vk_exchange *ex, const char *build, vk_s3_rules *own, vk_s3x_cors *out_r);
/* Adds what a page of another origin needs to see this answer. */
void vk_s3_cors_headers(vk_s3_req *q);
/* A preflight: opens the store, whose rules it needs, then judges. */
void vk_s3_preflight(vk_s3_req *q);
void vk_s3_preflight_answer(vk_s3_req *q);

/* ---- operations */

void vk_s3_list_buckets(vk_s3_req *q);
void vk_s3_head_bucket(vk_s3_req *q);
void vk_s3_create_bucket(vk_s3_req *q);
void vk_s3_delete_bucket(vk_s3_req *q);
void vk_s3_get_location(vk_s3_req *q);
void vk_s3_get_versioning(vk_s3_req *q);
void vk_s3_get_cors(vk_s3_req *q);
void vk_s3_put_cors(vk_s3_req *q);
void vk_s3_delete_cors(vk_s3_req *q);

void vk_s3_get_object(vk_s3_req *q);
void vk_s3_head_object(vk_s3_req *q);
/* The same on the loop; false: a job has to. */
VK_MUSTCHECK bool vk_s3_get_now(vk_s3_req *q);
void vk_s3_copy_object(vk_s3_req *q);
/* x-amz-metadata-directive; an error is the answer. */
VK_MUSTCHECK bool vk_s3_copy_directive(vk_s3_req *q, bool *replace_r);
/* Whether browsers show this type without being able to run anything of it. */
bool vk_s3_is_inert(vk_str type);
void vk_s3_delete_object(vk_s3_req *q);
void vk_s3_delete_many(vk_s3_req *q);
void vk_s3_get_attributes(vk_s3_req *q);

/* Once, before the others. */
void vk_s3_list_start(const vk_runtime *rt);
/* The continuation token of a V2 listing, if it has one: where it goes on. An error is the answer. */
VK_MUSTCHECK bool vk_s3_list_token_open(vk_s3_req *q, vk_str *place_r);
void vk_s3_list_token_make(vk_s3_req *q, vk_str place, vk_buf *out);
void vk_s3_list_v1(vk_s3_req *q);
void vk_s3_list_v2(vk_s3_req *q);
void vk_s3_list_versions(vk_s3_req *q);
void vk_s3_list_uploads(vk_s3_req *q);
void vk_s3_list_parts(vk_s3_req *q);

void vk_s3_create_upload(vk_s3_req *q);
void vk_s3_copy_part(vk_s3_req *q);
void vk_s3_complete_upload(vk_s3_req *q);
void vk_s3_abort_upload(vk_s3_req *q);
/* An upload's id, or an MD5, in hex. */
void vk_s3_upload_text(const uint8_t id[16], char out[33]);
VK_MUSTCHECK bool vk_s3_upload_of(vk_str text, uint8_t id_r[16]);
/* The upload's id in the query; an error is the answer. */
VK_MUSTCHECK bool vk_s3_upload_id(vk_s3_req *q, uint8_t id_r[16]);

/* ---- put.c: bytes that become an object or a part, as they stream in */

/* What is to be written. Views are copied. */
typedef struct vk_s3_plan {
    vk_str key; /* as stored */
    bool part;
    uint8_t upload[16]; /* of an upload of ours, … */
    vk_str upload_id;   /* … or of a vendor's */
    int number;
    int64_t size;        /* decoded; -1: unknown */
    int64_t least, most; /* what a form's policy allows; 0 and INT64_MAX otherwise */
    vk_str headers;      /* packed */
    vk_str if_match;
    bool if_none_match_any;
    vk_s3_claims claims;
    bool framed;    /* aws-chunked; q->grant says which */
    vk_str trailer; /* x-amz-trailer */
} vk_s3_plan;

typedef struct vk_s3_put vk_s3_put;
/* On the loop. Begins the object on a thread; calls vk_sink_ready for the exchange's sink when it has. It
 * answers the exchange itself when something is wrong, and by `answer` when the object is there; it outlives
 * the exchange by as long as its thread needs. NULL: answered. */
VK_MUSTCHECK vk_s3_put *vk_s3_put_begin(vk_s3_req *q, const vk_s3_plan *plan,
                                        void (*answer)(vk_s3_req *q, const vk_ob_object *made));
/* True: nothing more is taken before the next vk_sink_ready. */
bool vk_s3_put_full(const vk_s3_put *p);
void vk_s3_put_bytes(vk_s3_put *p, vk_str bytes);
/* All bytes are there. */
void vk_s3_put_end(vk_s3_put *p);

/* Nobody waits for it any more: it is gone, or goes when its thread is done with it. On the loop. */
void vk_s3_put_leave(vk_s3_req *q);
/* Its build is closing: answers, at once or when its thread has looked. On the loop. */
void vk_s3_put_end_early(vk_s3_put *p);

/* The threads have ended, no exchange is left: throws away what was being written. */
void vk_s3_puts_stop(void);

/* The head of PutObject and UploadPart is verified and in scope: decides how its body comes. */
VK_MUSTCHECK bool vk_s3_put_head(vk_s3_req *q);
void vk_s3_put_request(vk_s3_req *q);

/* ---- service.c */

/* The environment of a build, whoever has its objects. */
vk_err vk_s3_env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                 vk_env_var *out, size_t room, size_t *n_r);

/* ---- postform.c */
VK_MUSTCHECK bool vk_s3_form_head(vk_s3_req *q);
void vk_s3_form_request(vk_s3_req *q);

/* Numbers for /metrics that no table has. */
typedef struct vk_s3_numbers {
    _Atomic uint64_t ops[VK_S3_OPS]; /* that passed verification */
    _Atomic uint64_t empty_sums;     /* presigned URLs with the checksum of no bytes, which R2 refuses */
    _Atomic uint64_t forms;          /* uploads by form, which R2 does not have */
} vk_s3_numbers;
extern vk_s3_numbers vk_s3_numbers_now;
void vk_s3_metrics(vk_buf *out); /* as vk_service.metrics */

#endif
