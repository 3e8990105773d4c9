#include "services/storage/s3route.h"

/* What a query can be about. Those with an operation below, then those that S3 has and valetkey has not. */
enum {
    S_LOCATION = 1 << 0,
    S_VERSIONING = 1 << 1,
    S_CORS = 1 << 2,
    S_LIST_TYPE = 1 << 3,
    S_VERSIONS = 1 << 4,
    S_UPLOADS = 1 << 5,
    S_UPLOAD_ID = 1 << 6,
    S_PART = 1 << 7,
    S_DELETE = 1 << 8,
    S_ATTRIBUTES = 1 << 9,
    S_ABSENT = 1 << 10,
};

static const struct {
    const char *name;
    int bit;
} subs[] = {
    {"location", S_LOCATION},
    {"versioning", S_VERSIONING},
    {"cors", S_CORS},
    {"list-type", S_LIST_TYPE},
    {"versions", S_VERSIONS},
    {"uploads", S_UPLOADS},
    {"uploadId", S_UPLOAD_ID},
    {"partNumber", S_PART},
    {"delete", S_DELETE},
    {"attributes", S_ATTRIBUTES},
    /* From the subresources of the API reference's operations; a new one of S3 belongs here. */
    {"accelerate", S_ABSENT},
    {"acl", S_ABSENT},
    {"abac", S_ABSENT},
    {"analytics", S_ABSENT},
    {"annotation", S_ABSENT},
    {"append", S_ABSENT},
    {"encryption", S_ABSENT},
    {"intelligent-tiering", S_ABSENT},
    {"inventory", S_ABSENT},
    {"legal-hold", S_ABSENT},
    {"lifecycle", S_ABSENT},
    {"logging", S_ABSENT},
    {"metadataConfiguration", S_ABSENT},
    {"metadataInventoryTable", S_ABSENT},
    {"metadataJournalTable", S_ABSENT},
    {"metadataTable", S_ABSENT},
    {"metrics", S_ABSENT},
    {"notification", S_ABSENT},
    {"object-lock", S_ABSENT},
    {"ownershipControls", S_ABSENT},
    {"policy", S_ABSENT},
    {"policyStatus", S_ABSENT},
    {"publicAccessBlock", S_ABSENT},
    {"renameObject", S_ABSENT},
    {"replication", S_ABSENT},
    {"requestPayment", S_ABSENT},
    {"restore", S_ABSENT},
    {"retention", S_ABSENT},
    {"select", S_ABSENT},
    {"select-type", S_ABSENT},
    {"session", S_ABSENT},
    {"tagging", S_ABSENT},
    {"torrent", S_ABSENT},
    {"website", S_ABSENT},
};

enum level { SERVICE, BUCKET, OBJECT };
enum { PLAIN, COPY, FORM }; /* what a header adds */

static const struct {
    vk_s3_op op;
    const char *method;
    enum level level;
    int subs; /* exactly these */
    int with;
} rules[] = {
    {VK_S3_GET_OBJECT, "GET", OBJECT, 0, PLAIN},
    {VK_S3_GET_OBJECT, "GET", OBJECT, S_PART, PLAIN},
    {VK_S3_HEAD_OBJECT, "HEAD", OBJECT, 0, PLAIN},
    {VK_S3_HEAD_OBJECT, "HEAD", OBJECT, S_PART, PLAIN},
    {VK_S3_PUT_OBJECT, "PUT", OBJECT, 0, PLAIN},
    {VK_S3_COPY_OBJECT, "PUT", OBJECT, 0, COPY},
    {VK_S3_DELETE_OBJECT, "DELETE", OBJECT, 0, PLAIN},
    {VK_S3_GET_ATTRIBUTES, "GET", OBJECT, S_ATTRIBUTES, PLAIN},
    {VK_S3_CREATE_UPLOAD, "POST", OBJECT, S_UPLOADS, PLAIN},
    {VK_S3_UPLOAD_PART, "PUT", OBJECT, S_PART | S_UPLOAD_ID, PLAIN},
    {VK_S3_COPY_PART, "PUT", OBJECT, S_PART | S_UPLOAD_ID, COPY},
    {VK_S3_COMPLETE_UPLOAD, "POST", OBJECT, S_UPLOAD_ID, PLAIN},
    {VK_S3_ABORT_UPLOAD, "DELETE", OBJECT, S_UPLOAD_ID, PLAIN},
    {VK_S3_LIST_PARTS, "GET", OBJECT, S_UPLOAD_ID, PLAIN},
    {VK_S3_LIST_V1, "GET", BUCKET, 0, PLAIN},
    {VK_S3_LIST_V2, "GET", BUCKET, S_LIST_TYPE, PLAIN},
    {VK_S3_LIST_VERSIONS, "GET", BUCKET, S_VERSIONS, PLAIN},
    {VK_S3_LIST_UPLOADS, "GET", BUCKET, S_UPLOADS, PLAIN},
    {VK_S3_DELETE_MANY, "POST", BUCKET, S_DELETE, PLAIN},
    {VK_S3_POST_FORM, "POST", BUCKET, 0, FORM},
    {VK_S3_HEAD_BUCKET, "HEAD", BUCKET, 0, PLAIN},
    {VK_S3_CREATE_BUCKET, "PUT", BUCKET, 0, PLAIN},
    {VK_S3_DELETE_BUCKET, "DELETE", BUCKET, 0, PLAIN},
    {VK_S3_GET_LOCATION, "GET", BUCKET, S_LOCATION, PLAIN},
    {VK_S3_GET_VERSIONING, "GET", BUCKET, S_VERSIONING, PLAIN},
    {VK_S3_GET_CORS, "GET", BUCKET, S_CORS, PLAIN},
    {VK_S3_PUT_CORS, "PUT", BUCKET, S_CORS, PLAIN},
    {VK_S3_DELETE_CORS, "DELETE", BUCKET, S_CORS, PLAIN},
    {VK_S3_LIST_BUCKETS, "GET", SERVICE, 0, PLAIN},
};

#define READ_PARAMS                                                                                          \
    " partNumber versionId response-content-type response-content-disposition response-content-encoding "    \
    "response-content-language response-cache-control response-expires "

const vk_s3_op_info vk_s3_ops[VK_S3_OPS] = {
    [VK_S3_LIST_BUCKETS] = {"ListBuckets", VK_S3_SIGNED, false, VK_S3_NO_BODY,
                            " max-buckets continuation-token prefix bucket-region "},
    [VK_S3_HEAD_BUCKET] = {"HeadBucket", VK_S3_SIGNED, false, VK_S3_NO_BODY, " "},
    [VK_S3_CREATE_BUCKET] = {"CreateBucket", VK_S3_SIGNED, true, VK_S3_XML_BODY, " "},
    [VK_S3_DELETE_BUCKET] = {"DeleteBucket", VK_S3_SIGNED, true, VK_S3_NO_BODY, " "},
    [VK_S3_GET_LOCATION] = {"GetBucketLocation", VK_S3_SIGNED, false, VK_S3_NO_BODY, " location "},
    [VK_S3_GET_VERSIONING] = {"GetBucketVersioning", VK_S3_SIGNED, false, VK_S3_NO_BODY, " versioning "},
    [VK_S3_GET_CORS] = {"GetBucketCors", VK_S3_SIGNED, false, VK_S3_NO_BODY, " cors "},
    [VK_S3_PUT_CORS] = {"PutBucketCors", VK_S3_SIGNED, true, VK_S3_XML_BODY, " cors "},
    [VK_S3_DELETE_CORS] = {"DeleteBucketCors", VK_S3_SIGNED, true, VK_S3_NO_BODY, " cors "},
    [VK_S3_LIST_V1] = {"ListObjects", VK_S3_SIGNED, false, VK_S3_NO_BODY,
                       " prefix delimiter marker max-keys encoding-type "},
    [VK_S3_LIST_V2] = {"ListObjectsV2", VK_S3_SIGNED, false, VK_S3_NO_BODY,
                       " list-type prefix delimiter continuation-token start-after max-keys fetch-owner "
                       "encoding-type "},
    [VK_S3_LIST_VERSIONS] =
        {"ListObjectVersions", VK_S3_SIGNED, false, VK_S3_NO_BODY,
         " versions prefix delimiter key-marker version-id-marker max-keys encoding-type "},
    [VK_S3_LIST_UPLOADS] =
        {"ListMultipartUploads", VK_S3_SIGNED, false, VK_S3_NO_BODY,
         " uploads prefix delimiter key-marker upload-id-marker max-uploads encoding-type "},
    [VK_S3_DELETE_MANY] = {"DeleteObjects", VK_S3_SIGNED, true, VK_S3_XML_BODY, " delete "},
    [VK_S3_POST_FORM] = {"PostObject", VK_S3_IN_FORM, true, VK_S3_FORM_BODY, " "},
    [VK_S3_GET_OBJECT] = {"GetObject", VK_S3_PUBLIC_TOO, false, VK_S3_NO_BODY, READ_PARAMS},
    [VK_S3_HEAD_OBJECT] = {"HeadObject", VK_S3_PUBLIC_TOO, false, VK_S3_NO_BODY, READ_PARAMS},
    [VK_S3_PUT_OBJECT] = {"PutObject", VK_S3_SIGNED, true, VK_S3_OBJECT_BODY, " "},
    [VK_S3_COPY_OBJECT] = {"CopyObject", VK_S3_SIGNED, true, VK_S3_NO_BODY, " "},
    [VK_S3_DELETE_OBJECT] = {"DeleteObject", VK_S3_SIGNED, true, VK_S3_NO_BODY, " versionId "},
    [VK_S3_GET_ATTRIBUTES] = {"GetObjectAttributes", VK_S3_SIGNED, false, VK_S3_NO_BODY,
                              " attributes versionId "},
    [VK_S3_CREATE_UPLOAD] = {"CreateMultipartUpload", VK_S3_SIGNED, true, VK_S3_NO_BODY, " uploads "},
    [VK_S3_UPLOAD_PART] = {"UploadPart", VK_S3_SIGNED, true, VK_S3_OBJECT_BODY, " partNumber uploadId "},
    [VK_S3_COPY_PART] = {"UploadPartCopy", VK_S3_SIGNED, true, VK_S3_NO_BODY, " partNumber uploadId "},
    [VK_S3_COMPLETE_UPLOAD] = {"CompleteMultipartUpload", VK_S3_SIGNED, true, VK_S3_XML_BODY, " uploadId "},
    [VK_S3_ABORT_UPLOAD] = {"AbortMultipartUpload", VK_S3_SIGNED, true, VK_S3_NO_BODY, " uploadId "},
    [VK_S3_LIST_PARTS] = {"ListParts", VK_S3_SIGNED, false, VK_S3_NO_BODY,
                          " uploadId max-parts part-number-marker encoding-type "},
    [VK_S3_PREFLIGHT] = {"Preflight", VK_S3_ANYBODY, false, VK_S3_NO_BODY, " "},
};

/* The bucket of a host in virtual-host style; empty when it is none. */
static vk_str bucket_of_host(const vk_s3_ask *ask)
{
    vk_str host = ask->host;
    if (host.n && host.p[0] == '[') /* an IPv6 address */
        return VK_STR_NONE;
    const char *colon = host.n ? memchr(host.p, ':', host.n) : NULL;
    if (colon)
        host.n = (size_t)(colon - host.p);
    for (size_t i = 0; i < ask->n_bases; i++) /* a listener's own name that ends like another one */
        if (vk_str_ieq(host, ask->bases[i]))
            return VK_STR_NONE;
    for (size_t i = 0; i < ask->n_bases; i++) {
        vk_str base = ask->bases[i];
        if (base.n == 0 || host.n <= base.n + 1 || host.p[host.n - base.n - 1] != '.')
            continue;
        if (vk_str_ieq((vk_str){host.p + host.n - base.n, base.n}, base))
            return (vk_str){host.p, host.n - base.n - 1};
    }
    return VK_STR_NONE;
}

static vk_s3_fail place(vk_arena *a, const vk_s3_ask *ask, vk_s3_route *r, enum level *level_r)
{
    vk_str path = ask->path, bucket = bucket_of_host(ask), key = VK_STR_NONE;
    if (path.n == 0 || path.p[0] != '/')
        return VK_S3_BAD_URI;
    path = (vk_str){path.p + 1, path.n - 1};
    r->virtual_host = bucket.n > 0;
    if (r->virtual_host) {
        key = path;
    } else if (path.n == 0) {
        *level_r = SERVICE;
        return VK_S3_OK;
    } else {
        key = path;
        if (!vk_str_cut(&key, '/', &bucket))
            bucket = path, key = VK_STR_NONE;
        vk_s3_fail f = vk_s3_decode(a, bucket, &bucket);
        if (f != VK_S3_OK)
            return f;
    }
    if (!vk_s3_bucket_ok(bucket, true))
        return VK_S3_BAD_BUCKET;
    r->bucket = bucket;
    *level_r = key.n ? OBJECT : BUCKET;
    if (key.n == 0)
        return VK_S3_OK;
    vk_s3_fail f = vk_s3_decode(a, key, &key);
    if (f == VK_S3_OK)
        f = vk_s3_key_check(key);
    if (f == VK_S3_OK)
        r->key = key;
    return f;
}

typedef struct query {
    vk_s3_param params[VK_S3_PARAMS_MAX];
    size_t n;
    int subs;
    vk_str copy_source;
} query;

static vk_s3_fail read_query(vk_arena *a, vk_str raw, query *q)
{
    vk_str pair;
    for (bool more = raw.n > 0; more;) {
        more = vk_str_cut(&raw, '&', &pair);
        pair = more ? pair : raw;
        if (pair.n == 0)
            continue;
        if (q->n == VK_S3_PARAMS_MAX)
            return VK_S3_TOO_MANY;
        vk_s3_param *p = &q->params[q->n++];
        vk_str name, value = pair;
        if (!vk_str_cut(&value, '=', &name))
            name = pair, value = VK_STR("");
        vk_s3_fail f = vk_s3_decode_query(a, name, &p->name);
        if (f == VK_S3_OK)
            f = vk_s3_decode_query(a, value, &p->value);
        if (f != VK_S3_OK)
            return f;
        for (size_t i = 0; i < VK_COUNT(subs); i++)
            if (vk_str_eqz(p->name, subs[i].name))
                q->subs |= subs[i].bit;
        /* Presigning SDKs move headers into the query; there they mean the same. */
        if (vk_str_ieq(p->name, VK_STR("x-amz-copy-source"))) {
            if (q->copy_source.n || p->value.n == 0)
                return VK_S3_BAD_COPY_SOURCE;
            q->copy_source = p->value;
        }
    }
    return VK_S3_OK;
}

static bool is_form(vk_str type)
{
    vk_str head = type;
    (void)vk_str_cut(&type, ';', &head);
    while (head.n && (head.p[head.n - 1] == ' ' || head.p[head.n - 1] == '\t'))
        head.n--;
    return vk_str_ieq(head, VK_STR("multipart/form-data"));
}

static bool listed(const char *list, vk_str name)
{
    for (const char *p = list; name.n && (p = strchr(p, ' ')) != NULL; p++)
        if (strncmp(p + 1, name.p, name.n) == 0 && p[1 + name.n] == ' ')
            return true;
    return false;
}

/* Keeps what the operation looks at. */
static vk_s3_fail keep_params(vk_arena *a, const query *q, vk_s3_route *r)
{
    vk_s3_param *kept = vk_arena_alloc(a, sizeof *kept * (q->n ? q->n : 1));
    if (!kept)
        return VK_S3_NO_MEMORY;
    r->params = kept;
    for (size_t i = 0; i < q->n; i++) {
        vk_str dummy;
        const vk_s3_param *p = &q->params[i];
        if (p->name.n == 0 || memchr(p->name.p, '\0', p->name.n) || memchr(p->name.p, ' ', p->name.n) ||
            !listed(vk_s3_ops[r->op].params, p->name)) {
            if (vk_str_eqz(p->name, "versionId")) /* not ignored: a version was meant */
                return VK_S3_BAD_ARGUMENT;
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, VK_STR_FMT, VK_STR_ARG(p->name));
        if (vk_s3_param_of(r, name, &dummy))
            return VK_S3_CONFLICT;
        kept[r->n_params++] = *p;
    }
    return VK_S3_OK;
}

static vk_s3_fail values_ok(const vk_s3_route *r)
{
    vk_str v;
    int64_t n;
    if (vk_s3_param_of(r, "list-type", &v) && !vk_str_eqz(v, "2"))
        return VK_S3_BAD_ARGUMENT;
    if (vk_s3_param_of(r, "encoding-type", &v) && !vk_str_eqz(v, "url"))
        return VK_S3_BAD_ARGUMENT;
    if (vk_s3_param_of(r, "versionId", &v) && !vk_str_eqz(v, "null"))
        return VK_S3_NO_SUCH_VERSION;
    if (vk_s3_param_of(r, "uploadId", &v) && v.n == 0)
        return VK_S3_BAD_ARGUMENT;
    return vk_s3_param_int(r, "partNumber", 1, 10000, 1, &n);
}

vk_s3_fail vk_s3_route_of(vk_arena *a, const vk_s3_ask *ask, vk_s3_route *out_r)
{
    enum level level = SERVICE;
    query q = {.n = 0};
    memset(out_r, 0, sizeof *out_r);
    out_r->op = VK_S3_OPS;
    vk_s3_fail f = place(a, ask, out_r, &level);
    if (f != VK_S3_OK)
        return f;
    if (vk_str_eqz(ask->method, "OPTIONS")) { /* whatever it is about: the answer is the bucket's rules */
        out_r->op = VK_S3_PREFLIGHT;
        return VK_S3_OK;
    }
    f = read_query(a, ask->query, &q);
    if (f != VK_S3_OK)
        return f;
    if (q.copy_source.n && ask->copy_source.n)
        return VK_S3_BAD_COPY_SOURCE;
    vk_str source = q.copy_source.n ? q.copy_source : ask->copy_source;
    int with = source.n ? COPY : level == BUCKET && q.subs == 0 && is_form(ask->content_type) ? FORM : PLAIN;
    if (q.subs & S_ABSENT)
        return VK_S3_NOT_IMPLEMENTED;
    bool place_known = false; /* some method has these sub-resources here */
    for (size_t i = 0; i < VK_COUNT(rules) && out_r->op == VK_S3_OPS; i++) {
        if (rules[i].level != level || rules[i].subs != q.subs)
            continue;
        place_known = true;
        /* The header of a copy is nothing to a request that is no PUT of an object; a form's type neither. */
        bool same =
            rules[i].with == with ||
            (rules[i].with == PLAIN && !(with == COPY && level == OBJECT && vk_str_eqz(ask->method, "PUT")));
        if (same && vk_str_eqz(ask->method, rules[i].method))
            out_r->op = rules[i].op;
    }
    if (out_r->op == VK_S3_OPS) {
        bool one = (q.subs & (q.subs - 1)) == 0;
        if (level == OBJECT &&
            (q.subs == S_PART || (q.subs == S_UPLOAD_ID && vk_str_eqz(ask->method, "PUT"))))
            return VK_S3_BAD_ARGUMENT; /* a part needs both */
        if (level == BUCKET && q.subs == S_VERSIONING && vk_str_eqz(ask->method, "PUT"))
            return VK_S3_NOT_IMPLEMENTED; /* S3 has it */
        return place_known || one ? VK_S3_METHOD : VK_S3_CONFLICT;
    }
    if (out_r->op == VK_S3_COPY_OBJECT || out_r->op == VK_S3_COPY_PART)
        f = vk_s3_copy_source(a, source, &out_r->source_bucket, &out_r->source_key);
    if (f == VK_S3_OK)
        f = keep_params(a, &q, out_r);
    return f == VK_S3_OK ? values_ok(out_r) : f;
}

bool vk_s3_param_of(const vk_s3_route *r, const char *name, vk_str *value_r)
{
    for (size_t i = 0; i < r->n_params; i++) {
        if (vk_str_eqz(r->params[i].name, name)) {
            *value_r = r->params[i].value;
            return true;
        }
    }
    return false;
}

vk_s3_fail vk_s3_param_int(const vk_s3_route *r, const char *name, int64_t min, int64_t max, int64_t absent,
                           int64_t *out_r)
{
    vk_str v;
    int64_t n = absent;
    if (vk_s3_param_of(r, name, &v) && v.n > 0) /* an SDK's "max-keys=" is none */
        if (vk_str_to_i64(v, &n) != VK_OK || n < min || n > max)
            return VK_S3_BAD_ARGUMENT;
    *out_r = n;
    return VK_S3_OK;
}
