/* Multipart uploads, but for their parts' bytes (put.c) and listings (list.c). On a thread. */
#include "services/storage/front.h"

#include "core/encode.h"
#include "services/storage/s3cond.h"

/* ---- ids: 128 bits in hex */

void vk_s3_upload_text(const uint8_t id[16], char out[33])
{
    vk_hex(out, id, 16);
}

bool vk_s3_upload_of(vk_str text, uint8_t id_r[16])
{
    return text.n == 32 && vk_hex_decode(text, id_r, 16) == VK_OK;
}

bool vk_s3_upload_id(vk_s3_req *q, uint8_t id_r[16])
{
    vk_str text;
    if (vk_s3_param_of(&q->route, "uploadId", &text) && vk_s3_upload_of(text, id_r))
        return true;
    vk_s3_no_ob(q, VK_OB_NO_SUCH_UPLOAD); /* no id of ours looks so */
    return false;
}

/* ---- create, abort */

void vk_s3_create_upload(vk_s3_req *q)
{
    uint8_t algo, type, id[16];
    char text[33];
    vk_str headers;
    if (!vk_s3_algorithm_of(q, &algo, &type) || !vk_s3_headers_to_store(q, &headers))
        return;
    vk_ob_err e = vk_ob_upload_create(q->store, q->key, headers, algo, type, id);
    if (e != VK_OB_OK) {
        vk_s3_no_ob(q, e);
        return;
    }
    vk_s3_upload_text(id, text);
    if (algo) {
        vk_s3_header(q, "x-amz-checksum-algorithm", vk_s3_sum_name(algo));
        vk_s3_header(q, "x-amz-checksum-type", vk_s3_sum_type(type));
    }
    vk_s3w_created_upload(&q->ex->out, q->route.bucket, q->route.key, vk_str_z(text));
    vk_s3_ok_xml(q);
}

void vk_s3_abort_upload(vk_s3_req *q)
{
    uint8_t id[16];
    if (!vk_s3_upload_id(q, id))
        return;
    vk_ob_err e = vk_ob_upload_abort(q->store, q->key, id);
    if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    else
        vk_s3_ok(q, 204);
}

/* ---- complete */

static bool invalid_part(vk_s3_req *q)
{
    vk_s3_no_ob(q, VK_OB_INVALID_PART);
    return false;
}

/* What the client lists, as claims on what is stored. False: answered. */
static bool claims(vk_s3_req *q, const vk_s3x_complete *x, vk_ob_claim *out)
{
    for (size_t i = 0; i < x->n; i++) {
        const vk_s3x_part *p = &x->parts[i];
        vk_str etag = vk_str_trim(p->etag);
        if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
            etag = (vk_str){etag.p + 1, etag.n - 2};
        out[i] = (vk_ob_claim){.number = p->number};
        if (etag.n != 32 || vk_hex_decode(etag, out[i].md5, 16) != VK_OK)
            return invalid_part(q);
        if (p->sum_algo) {
            out[i].sum.algo = p->sum_algo;
            out[i].sum.n = (uint8_t)vk_checksum_size((vk_checksum_kind)(p->sum_algo - 1));
            memcpy(out[i].sum.value, p->sum, out[i].sum.n);
        }
    }
    return true;
}

/* The stored parts that are listed, in their order; false: answered, or one is not there (which the store
 * then says). */
static bool read_parts(vk_s3_req *q, const uint8_t id[16], const vk_ob_claim *c, size_t n, vk_ob_part *out)
{
    vk_ob_part *page = vk_arena_alloc(q->ex->arena, sizeof *page * VK_S3_PAGE_MAX);
    size_t found = 0, got = 1;
    int after = 0;
    bool more = true;
    if (!page) {
        vk_s3_no_memory(q);
        return false;
    }
    while (more && found < n && got) {
        vk_ob_err e = vk_ob_upload_parts(q->store, q->key, id, after, VK_S3_PAGE_MAX, page, &got, &more);
        if (e != VK_OB_OK) {
            vk_s3_no_ob(q, e);
            return false;
        }
        for (size_t i = 0; i < got && found < n; i++)
            if (page[i].number == c[found].number)
                out[found++] = page[i];
        after = got ? page[got - 1].number : after;
    }
    return found == n;
}

/* The whole's checksum from those of the parts: of their raw values (COMPOSITE), or as if the bytes were
 * read (FULL_OBJECT, which a CRC can). False: a part has none. */
static bool sum_up(const vk_ob_upload *u, const vk_ob_part *parts, size_t n, vk_ob_sum *out_r)
{
    vk_checksum_kind kind = (vk_checksum_kind)(u->sum_algo - 1);
    vk_checksum run;
    vk_checksum_begin(&run, kind);
    *out_r = (vk_ob_sum){.algo = u->sum_algo, .type = u->sum_type, .n = (uint8_t)vk_checksum_size(kind)};
    for (size_t i = 0; i < n; i++) {
        if (parts[i].sum.algo != u->sum_algo)
            return false;
        if (u->sum_type == VK_S3_COMPOSITE)
            vk_checksum_add(&run, (vk_str){(const char *)parts[i].sum.value, parts[i].sum.n});
        else if (i == 0)
            memcpy(out_r->value, parts[i].sum.value, out_r->n);
        else if (vk_checksum_combine(kind, out_r->value, parts[i].sum.value, (uint64_t)parts[i].size,
                                     out_r->value) != VK_OK)
            return false;
    }
    if (u->sum_type == VK_S3_COMPOSITE) {
        uint8_t raw[VK_CHECKSUM_MAX];
        vk_checksum_end(&run, raw);
        memcpy(out_r->value, raw, out_r->n);
    }
    return true;
}

/* What the client says of the whole; algo 0: nothing. */
struct whole {
    uint8_t algo; /* 1 + vk_checksum_kind */
    uint8_t sum[VK_CHECKSUM_MAX];
    int64_t parts; /* of "<checksum>-N", which composite ones have; 0: not stated */
    vk_str type;   /* x-amz-checksum-type; p NULL: not stated */
};

static bool whole_matches(vk_s3_req *q, const struct whole *said, const vk_ob_sum *sum, size_t n_parts)
{
    if (!said->algo && !said->type.p)
        return true;
    if (!sum->algo) { /* a statement must not be dropped */
        vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                  "The upload was created without a checksum algorithm, so there is nothing to compare the "
                  "checksum with");
        return false;
    }
    if (said->type.p && !vk_str_eq(said->type, vk_s3_sum_type(sum->type))) {
        vk_s3_say(q, 400, VK_STR("InvalidRequest"),
                  "The upload was created with another checksum type than the one you specified");
        return false;
    }
    bool parts_ok = !said->parts || (sum->type == VK_S3_COMPOSITE && said->parts == (int64_t)n_parts);
    bool same = said->algo == sum->algo && memcmp(said->sum, sum->value, sum->n) == 0;
    if (!said->algo || (parts_ok && same))
        return true;
    vk_s3_say(q, 400, VK_STR("BadDigest"),
              "The checksum you specified did not match the calculated checksum.");
    return false;
}

static bool said_of_whole(vk_s3_req *q, struct whole *out_r)
{
    *out_r = (struct whole){.type = vk_request_header(q->ex, VK_STR("x-amz-checksum-type"))};
    for (uint32_t i = 0; i < q->ex->n_headers; i++) {
        vk_checksum_kind kind;
        vk_str count = q->ex->headers[i].value, value = count;
        if (!vk_s3_checksum_header(q->ex->headers[i].name, &kind))
            continue;
        bool counted = vk_str_cut(&count, '-', &value);
        bool ok = !out_r->algo && vk_checksum_read(kind, value, out_r->sum) == VK_OK;
        if (ok && counted)
            ok = vk_str_to_i64(count, &out_r->parts) == VK_OK && out_r->parts > 0;
        if (!ok) {
            vk_s3_say(q, 400, VK_STR("InvalidRequest"), "Value for the x-amz-checksum- header is invalid.");
            return false;
        }
        out_r->algo = (uint8_t)(1 + kind);
    }
    return true;
}

static void completed(vk_s3_req *q, const vk_ob_object *o)
{
    vk_arena *a = q->ex->arena;
    vk_s3w_completed w = {.location = vk_arena_printf(a, "http%s://" VK_STR_FMT VK_STR_FMT,
                                                      q->ex->server->tls ? "s" : "", VK_STR_ARG(q->ex->host),
                                                      VK_STR_ARG(q->ex->path)),
                          .bucket = q->route.bucket,
                          .key = q->route.key,
                          .etag = vk_str_z(o->etag),
                          .sum = vk_s3_sum_text(a, &o->sum, o->parts)};
    vk_s3w_completed_upload(&q->ex->out, &w);
    vk_s3_ok_xml(q);
}

void vk_s3_complete_upload(vk_s3_req *q)
{
    vk_arena *a = q->ex->arena;
    uint8_t id[16];
    vk_s3x_complete x;
    vk_ob_upload u;
    vk_ob_commit c = {0};
    vk_ob_object made;
    struct whole said;
    vk_s3_conditions w = {.if_match = vk_request_header(q->ex, VK_STR("If-Match")),
                          .if_none_match = vk_request_header(q->ex, VK_STR("If-None-Match"))};
    if (!vk_s3_upload_id(q, id))
        return;
    vk_s3_fail f = vk_s3x_read_complete(a, vk_buf_view(&q->ex->body), &x);
    if (f == VK_S3_OK)
        f = vk_s3_write_conditions(&w, &c.if_none_match_any);
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    c.if_match = w.if_match;
    vk_ob_claim *claimed = vk_arena_calloc(a, sizeof *claimed * x.n);
    vk_ob_part *parts = vk_arena_alloc(a, sizeof *parts * x.n);
    if (!claimed || !parts) {
        vk_s3_no_memory(q);
        return;
    }
    if (!claims(q, &x, claimed) || !said_of_whole(q, &said))
        return;
    vk_ob_err e = vk_ob_upload_get(q->store, a, q->key, id, &u);
    if (e == VK_OB_OK) {
        c.headers = u.headers;
        bool there = !u.sum_algo || read_parts(q, id, claimed, x.n, parts);
        if (u.sum_algo && !(there && sum_up(&u, parts, x.n, &c.sum)))
            c.sum = (vk_ob_sum){0};
        if (q->code.n || (there && !whole_matches(q, &said, &c.sum, x.n)))
            return;
    }
    if (e == VK_OB_OK || e == VK_OB_NO_SUCH_UPLOAD) /* it may have been completed before: same answer again */
        e = vk_ob_upload_complete(q->store, q->key, id, claimed, x.n, &c, &made);
    if (e != VK_OB_OK)
        vk_s3_no_ob(q, e);
    else
        completed(q, &made);
}
