/* Emptying a prefix takes many requests of one step, which go by p->carry: one byte that says what is next,
 * the hash of the first key of the last page that was deleted, and what the next request is made of.
 *
 *   (nothing) ─► list uploads ─► 'u' abort them, one by one ─┐
 *                  ▲   └─ none ─► 'o' list objects ─► 'd' delete a page of them ─┐
 *                  │                    ▲   └─ none ─► the end                   │
 *                  └────────────────────┴────────────────────────────────────────┘
 *
 * Uploads come first, since one that is completed makes an object. */
#include "keeper/provision_s3.h"

#include "core/encode.h"
#include "core/map.h"
#include "crypto/checksum.h"
#include "keeper/s3_answer.h"
#include "keeper/s3_order.h"

enum {
    HASH = 16, /* hex digits */
    HEAD = 1 + HASH,
};

/* ---- text */

/* As SigV4 wants it. */
static void encode(vk_buf *b, vk_str s, bool slash)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || (slash && c == '/');
        if (plain)
            vk_buf_ch(b, (char)c);
        else
            vk_buf_printf(b, "%%%02X", c);
    }
}

/* What XML cannot hold is no key that could be named: false. */
static bool escape(vk_buf *b, vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0)
            return false;
        if (c == '&' || c == '<' || c == '>' || c < ' ' || c == 0x7f)
            vk_buf_printf(b, "&#%u;", c);
        else
            vk_buf_ch(b, (char)c);
    }
    return true;
}

static vk_str kept(const vk_prov *p, vk_buf *b)
{
    vk_str s = b->err ? VK_STR_NONE : vk_arena_dup(p->arena, vk_buf_view(b));
    vk_buf_free(b);
    return s;
}

vk_str vk_s3p_prefix(const vk_prov *p)
{
    char prefix[VK_S3O_PREFIX_MAX];
    const vk_order o = {.build = p->build, .generation = p->generation};
    vk_s3o_prefix(&o, prefix);
    return vk_arena_dup(p->arena, vk_str_z(prefix));
}

/* ---- requests and answers */

vk_err vk_s3p_ask(vk_prov_request *r, const vk_prov *p, const vk_s3p_place *at, const char *method,
                  vk_str rest)
{
    *r = (vk_prov_request){.method = method, .order = at->order, .again = strcmp(method, "POST") != 0};
    if (!rest.p || !at->bucket.p || !at->prefix.p)
        return VK_E_NOMEM;
    r->path = vk_arena_printf(p->arena, "/" VK_STR_FMT VK_STR_FMT, VK_STR_ARG(at->bucket), VK_STR_ARG(rest));
    return r->path.p ? VK_OK : VK_E_NOMEM;
}

/* A page: names of the query in their order. `from`: a continuation token, or empty. */
static vk_err ask_list(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r, int most, vk_str from)
{
    vk_buf b;
    vk_buf_init(&b, 16384);
    vk_buf_lit(&b, "?");
    if (from.n) {
        vk_buf_lit(&b, "continuation-token=");
        encode(&b, from, false);
        vk_buf_ch(&b, '&');
    }
    vk_buf_printf(&b, "encoding-type=url&list-type=2&max-keys=%d&prefix=", most);
    encode(&b, at->prefix, false);
    return vk_s3p_ask(r, p, at, "GET", kept(p, &b));
}

static vk_err ask_uploads(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    vk_buf b;
    vk_buf_init(&b, 4096);
    vk_buf_printf(&b, "?encoding-type=url&max-uploads=%d&prefix=", VK_S3P_UPLOADS);
    encode(&b, at->prefix, false);
    vk_buf_lit(&b, "&uploads=");
    return vk_s3p_ask(r, p, at, "GET", kept(p, &b));
}

vk_err vk_s3p_ask_look(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    return ask_list(p, at, r, 1, VK_STR(""));
}

static vk_str code_of(vk_prov *p, vk_s3a *a)
{
    return p->raw.n && vk_s3a_read(p->arena, p->raw, a) == VK_OK && a->kind == VK_S3A_ERROR ? a->code
                                                                                            : VK_STR_NONE;
}

bool vk_s3p_no_bucket(vk_prov *p, int status)
{
    vk_s3a a;
    return status == 404 && vk_str_eqz(code_of(p, &a), "NoSuchBucket");
}

/* Of a vendor's code only what can be one is repeated: the rest of the answer may hold anything. */
static bool is_code(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= 'a' && s.p[i] <= 'z') ||
              (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n > 0 && s.n <= 48;
}

vk_err vk_s3p_refused(vk_prov *p, const char *what, int status, const char **why_r)
{
    vk_s3a a;
    vk_str code = code_of(p, &a);
    bool said = is_code(code);
    vk_str why =
        vk_arena_printf(p->arena, "%s: %s answers with status %d%s" VK_STR_FMT ".", what, p->vendor->title,
                        status, said ? ", " : "", VK_STR_ARG(said ? code : VK_STR("")));
    *why_r = why.p ? why.p : "There is not enough memory.";
    if (vk_str_eqz(code, "SlowDown") || vk_str_eqz(code, "OperationAborted") ||
        vk_str_eqz(code, "RequestTimeout"))
        return VK_E_BUSY;
    return status == 401 || status == 403 ? VK_E_FORBIDDEN
           : status == 404                ? VK_E_NOT_FOUND
           : status == 409                ? VK_E_CONFLICT
                                          : VK_E_INVALID;
}

/* The document that was asked for, with all of its keys below the prefix. */
static vk_err read_list(vk_prov *p, const vk_s3p_place *at, vk_s3a_kind kind, vk_s3a *a, const char **why_r)
{
    vk_err e = vk_s3a_read(p->arena, p->raw, a);
    if (e == VK_E_NOMEM)
        return e;
    *why_r = "The answer to a listing is none.";
    if (e != VK_OK || a->kind != kind)
        return VK_E_INVALID;
    *why_r = "A listing has keys that are outside of what was asked for; nothing of it was touched.";
    for (size_t i = 0; i < a->n; i++)
        if (!a->entries[i].key.n || !vk_str_starts(a->entries[i].key, at->prefix))
            return VK_E_INVALID;
    return VK_OK;
}

/* ---- emptying */

static char state_of(const vk_prov *p)
{
    return p->carry->n ? p->carry->p[0] : '\0';
}

static vk_str rest_of(const vk_prov *p)
{
    return p->carry->n > HEAD ? (vk_str){p->carry->p + HEAD, p->carry->n - HEAD} : VK_STR("");
}

/* `hash` may be in the carry itself. */
static void begin(vk_prov *p, char state, const char hash[HASH])
{
    char head[HEAD];
    head[0] = state;
    memcpy(head + 1, hash, HASH);
    vk_buf_clear(p->carry);
    vk_buf_add(p->carry, head, sizeof head);
}

static const char NO_HASH[HASH + 1] = "................";

static vk_err go_on(vk_prov *p)
{
    p->soon = true;
    return p->carry->err == VK_OK ? VK_AGAIN : VK_E_NOMEM;
}

/* "key\0id\0" is first in what is left. */
static bool next_text(vk_str *left, vk_str *out_r)
{
    return vk_str_cut(left, '\0', out_r);
}

static vk_err ask_abort(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    vk_str left = rest_of(p), key, id;
    vk_buf b;
    if (!next_text(&left, &key) || !next_text(&left, &id))
        return VK_E_INTERNAL;
    vk_buf_init(&b, 32768);
    vk_buf_ch(&b, '/');
    encode(&b, key, true);
    vk_buf_lit(&b, "?uploadId=");
    encode(&b, id, false);
    return vk_s3p_ask(r, p, at, "DELETE", kept(p, &b));
}

/* Content-MD5, which every server of this kind wants or takes. */
static vk_err ask_delete(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    uint8_t raw[VK_CHECKSUM_MAX];
    char text[VK_CHECKSUM_TEXT];
    vk_checksum c;
    vk_err e = vk_s3p_ask(r, p, at, "POST", VK_STR("?delete="));
    if (e != VK_OK)
        return e;
    r->body = vk_arena_dup(p->arena, rest_of(p));
    vk_checksum_begin(&c, VK_CHECKSUM_MD5);
    vk_checksum_add(&c, rest_of(p));
    (void)vk_checksum_end(&c, raw);
    vk_checksum_text(VK_CHECKSUM_MD5, raw, text);
    r->content_type = VK_STR("application/xml");
    r->lines = vk_arena_printf(p->arena, "Content-MD5: %s\r\n", text);
    r->again = true;
    return r->body.p && r->lines.p ? VK_OK : VK_E_NOMEM;
}

vk_err vk_s3p_ask_empty(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    switch (state_of(p)) {
    case 'u':
        return ask_abort(p, at, r);
    case 'o':
        return ask_list(p, at, r, VK_S3P_PAGE, VK_STR(""));
    case 'd':
        return ask_delete(p, at, r);
    default:
        return ask_uploads(p, at, r);
    }
}

static vk_err took_uploads(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r)
{
    vk_s3a a = {.n = 0};
    if (status != 501) { /* a server that has no such listing has nothing that could be in it */
        if (status != 200)
            return vk_s3p_refused(p, "Listing uploads", status, why_r);
        vk_err e = read_list(p, at, VK_S3A_UPLOADS, &a, why_r);
        if (e != VK_OK)
            return e;
    }
    begin(p, a.n ? 'u' : 'o', NO_HASH);
    for (size_t i = 0; i < a.n; i++) {
        vk_str key = a.entries[i].key, id = a.entries[i].id;
        if (!id.n || memchr(key.p, 0, key.n) || memchr(id.p, 0, id.n)) {
            *why_r = "A listing of uploads has one that cannot be.";
            return VK_E_INVALID;
        }
        if (p->carry->n + key.n + id.n + 2 > VK_S3P_DELETE)
            break; /* the rest is in the next listing */
        vk_buf_str(p->carry, key);
        vk_buf_ch(p->carry, '\0');
        vk_buf_str(p->carry, id);
        vk_buf_ch(p->carry, '\0');
    }
    return go_on(p);
}

static vk_err took_abort(vk_prov *p, int status, const char **why_r)
{
    vk_str left = rest_of(p), one;
    if (status != 204 && status != 200 && status != 404)
        return vk_s3p_refused(p, "Aborting an upload", status, why_r);
    if (!next_text(&left, &one) || !next_text(&left, &one))
        return VK_E_INTERNAL;
    vk_str rest = left.n ? vk_arena_dup(p->arena, left) : VK_STR("");
    if (!rest.p)
        return VK_E_NOMEM;
    if (!rest.n) {
        vk_buf_clear(p->carry);
        return go_on(p);
    }
    begin(p, 'u', NO_HASH);
    vk_buf_str(p->carry, rest);
    return go_on(p);
}

static vk_err took_objects(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r)
{
    vk_s3a a;
    char hash[HASH + 1];
    if (status != 200)
        return vk_s3p_refused(p, "Listing objects", status, why_r);
    vk_err e = read_list(p, at, VK_S3A_OBJECTS, &a, why_r);
    if (e != VK_OK)
        return e;
    if (!a.n && a.truncated) {
        *why_r = "A listing has nothing in it, and says that there is more.";
        return VK_E_INVALID;
    }
    if (!a.n)
        return VK_OK;
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)vk_hash_str(a.entries[0].key));
    if (memcmp(p->carry->p + 1, hash, HASH) == 0) { /* it was said to be deleted */
        vk_buf_clear(p->carry);
        *why_r = "What was deleted is listed still.";
        return VK_E_BUSY;
    }
    begin(p, 'd', hash);
    vk_buf_lit(p->carry, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < a.n && p->carry->n + 6 * VK_S3O_KEY_MAX + 64 < VK_S3P_DELETE; i++) {
        vk_buf_lit(p->carry, "<Object><Key>");
        if (a.entries[i].key.n > VK_S3O_KEY_MAX || !escape(p->carry, a.entries[i].key)) {
            *why_r = "A listing has a key that cannot be.";
            return VK_E_INVALID;
        }
        vk_buf_lit(p->carry, "</Key></Object>");
    }
    vk_buf_lit(p->carry, "</Delete>");
    return go_on(p);
}

static vk_err took_delete(vk_prov *p, int status, const char **why_r)
{
    vk_s3a a = {.n = 0};
    if (status != 200 && status != 204)
        return vk_s3p_refused(p, "Deleting objects", status, why_r);
    if (p->raw.n) {
        vk_err e = vk_s3a_read(p->arena, p->raw, &a);
        if (e == VK_E_NOMEM)
            return e;
        if (e != VK_OK || (a.kind != VK_S3A_DELETED && a.kind != VK_S3A_ERROR)) {
            *why_r = "The answer to a deletion is none.";
            return VK_E_INVALID;
        }
    }
    if (a.kind == VK_S3A_ERROR && p->raw.n)
        return vk_s3p_refused(p, "Deleting objects", 400, why_r);
    if (a.n) {
        bool denied = vk_str_eqz(a.entries[0].id, "AccessDenied");
        vk_str code = is_code(a.entries[0].id) ? a.entries[0].id : VK_STR("no reason");
        vk_str why = vk_arena_printf(p->arena, "%u objects were not deleted: %s says " VK_STR_FMT ".",
                                     (unsigned)a.n, p->vendor->title, VK_STR_ARG(code));
        *why_r = why.p ? why.p : "There is not enough memory.";
        vk_buf_clear(p->carry);
        return denied ? VK_E_FORBIDDEN : VK_E_BUSY;
    }
    begin(p, 'o', p->carry->p + 1);
    return go_on(p);
}

vk_err vk_s3p_took_empty(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r)
{
    if (vk_s3p_no_bucket(p, status))
        return VK_OK;
    vk_err e;
    switch (state_of(p)) {
    case 'u':
        e = took_abort(p, status, why_r);
        break;
    case 'o':
        e = took_objects(p, at, status, why_r);
        break;
    case 'd':
        e = took_delete(p, status, why_r);
        break;
    default:
        e = took_uploads(p, at, status, why_r);
    }
    if (e != VK_AGAIN && e != VK_E_BUSY && e != VK_E_NOMEM)
        vk_buf_clear(p->carry); /* whoever tries again begins again */
    return e;
}

/* ---- counting: "<pages> <objects> <bytes> <token>" is carried */

static void counted(const vk_prov *p, long long n[3], vk_str *token_r)
{
    vk_str left = vk_buf_view(p->carry), one;
    n[0] = n[1] = n[2] = 0;
    for (size_t i = 0; i < 3 && vk_str_cut(&left, ' ', &one); i++) {
        int64_t v;
        n[i] = vk_str_to_i64(one, &v) == VK_OK ? v : 0;
    }
    *token_r = left.p ? left : VK_STR("");
}

vk_err vk_s3p_ask_count(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r)
{
    long long n[3];
    vk_str token;
    counted(p, n, &token);
    return ask_list(p, at, r, VK_S3P_PAGE, token);
}

vk_err vk_s3p_took_count(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r)
{
    long long n[3];
    vk_str token;
    vk_s3a a;
    counted(p, n, &token);
    if (status != 200)
        return vk_s3p_refused(p, "Listing objects", status, why_r);
    vk_err e = read_list(p, at, VK_S3A_OBJECTS, &a, why_r);
    if (e != VK_OK)
        return e;
    n[0]++;
    n[1] += (long long)a.n;
    for (size_t i = 0; i < a.n; i++)
        n[2] += a.entries[i].size > 0 && n[2] < INT64_MAX / 2 - a.entries[i].size ? a.entries[i].size : 0;
    bool more = a.truncated && a.next.n > 0;
    if (more && n[0] < VK_S3P_COUNT_PAGES) {
        vk_buf_clear(p->carry);
        vk_buf_printf(p->carry, "%lld %lld %lld ", n[0], n[1], n[2]);
        vk_buf_str(p->carry, a.next);
        return go_on(p);
    }
    vk_prov_use(p, "storage_bytes", n[2]);
    vk_prov_use(p, "objects", n[1]);
    if (a.truncated)
        vk_prov_use(p, "partial", 1);
    return VK_OK;
}

/* ---- the vendor s3: a prefix of a bucket that is there */

static vk_str org_value(const vk_prov *p, const char *field)
{
    return vk_secret_bytes(vk_org_value(p->org, field));
}

static vk_s3p_place place_of(const vk_prov *p)
{
    return (vk_s3p_place){
        .bucket = org_value(p, "bucket"), .prefix = vk_s3p_prefix(p), .order = vk_s3_order_own};
}

static vk_err s3_ask_look(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(why_r);
    return vk_s3p_ask_look(p, &at, r);
}

static vk_err s3_took_look(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    VK_UNUSED(body);
    if (status != 200)
        return vk_s3p_refused(p, "Looking at the bucket", status, why_r);
    vk_err e = vk_prov_note(p, "bucket", org_value(p, "bucket"));
    return e == VK_OK ? vk_prov_note(p, "endpoint", org_value(p, "endpoint")) : e;
}

static bool s3_was_made(const vk_prov *p)
{
    return vk_prov_noted(p, "bucket").n > 0;
}

static vk_err s3_ask_empty(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    if (!vk_str_eq(vk_prov_noted(p, "bucket"), at.bucket) ||
        !vk_str_eq(vk_prov_noted(p, "endpoint"), org_value(p, "endpoint"))) {
        *why_r =
            "The organisation's bucket is another one by now; what the build stored is in the one before.";
        return VK_E_CONFLICT;
    }
    return vk_s3p_ask_empty(p, &at, r);
}

static vk_err s3_took_empty(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(body);
    return vk_s3p_took_empty(p, &at, status, why_r);
}

static vk_err s3_ask_count(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(why_r);
    return vk_s3p_ask_count(p, &at, r);
}

static vk_err s3_took_count(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_s3p_place at = place_of(p);
    VK_UNUSED(body);
    return vk_s3p_took_count(p, &at, status, why_r);
}

static const vk_prov_step s3_make[] = {
    {.what = "look at the bucket", .op = "bucket.look", .ask = s3_ask_look, .took = s3_took_look},
    {.what = NULL},
};
static const vk_prov_step s3_end[] = {
    {.what = "delete the build's objects",
     .op = "objects.delete",
     .needed = s3_was_made,
     .ask = s3_ask_empty,
     .took = s3_took_empty},
    {.what = NULL},
};
static const vk_prov_step s3_usage[] = {
    {.what = "count the build's objects", .op = "objects.list", .ask = s3_ask_count, .took = s3_took_count},
    {.what = NULL},
};

const vk_provisioner vk_prov_s3 = {
    .resource = "prefix of a bucket",
    .joint = '-',
    .at_once = 8,
    .make = s3_make,
    .end = s3_end,
    .usage = s3_usage,
};
