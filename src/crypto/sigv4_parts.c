#include "crypto/sigv4_parts.h"

#include "core/encode.h"

#define ALGORITHM VK_STR("AWS4-HMAC-SHA256")

/* ---- dates ---- */

static bool number(const char *p, size_t digits, int *out_r)
{
    int v = 0;
    for (size_t i = 0; i < digits; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (p[i] - '0');
    }
    *out_r = v;
    return true;
}

/* Of the proleptic Gregorian calendar; `month` from 1. Not timegm, which takes a lock of the C library. */
static bool civil_ms(int year, int month, int day, int h, int m, int s, int64_t *ms_r)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days[month - 1] + (leap && month == 2) ||
        h > 23 || m > 59 || s > 59)
        return false;
    int64_t y = year - 1;
    int64_t since = 365 * (int64_t)(year - 1970) + (y / 4 - y / 100 + y / 400) -
                    (1969 / 4 - 1969 / 100 + 1969 / 400) + before[month - 1] + (leap && month > 2) + day - 1;
    *ms_r = (((since * 24 + h) * 60 + m) * 60 + s) * 1000;
    return true;
}

bool vk_sigv4_stamp_read(vk_str t, int64_t *ms_r)
{
    int y, mo, d, h, mi, s;
    return t.n == VK_SIGV4_STAMP && t.p[8] == 'T' && t.p[15] == 'Z' && number(t.p, 4, &y) &&
           number(t.p + 4, 2, &mo) && number(t.p + 6, 2, &d) && number(t.p + 9, 2, &h) &&
           number(t.p + 11, 2, &mi) && number(t.p + 13, 2, &s) && civil_ms(y, mo, d, h, mi, s, ms_r);
}

/* "Mon, 23 Nov 2026 18:15:15 GMT" (RFC 9110 §5.6.7) as a stamp, which is what is signed then. The name of the
 * day is not compared. */
static bool http_date_to_stamp(vk_str t, char stamp[VK_SIGV4_STAMP])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec",
                      form[] = "---, -- --- ---- --:--:-- GMT";
    if (t.n != sizeof form - 1)
        return false;
    for (size_t i = 0; i < t.n; i++)
        if (form[i] != '-' && t.p[i] != form[i])
            return false;
    for (int m = 0; m < 12; m++) {
        if (memcmp(t.p + 8, months + 3 * m, 3) != 0)
            continue;
        memcpy(stamp, t.p + 12, 4);
        stamp[4] = (char)('0' + (m + 1) / 10);
        stamp[5] = (char)('0' + (m + 1) % 10);
        memcpy(stamp + 6, t.p + 5, 2);
        stamp[8] = 'T';
        memcpy(stamp + 9, t.p + 17, 2);
        memcpy(stamp + 11, t.p + 20, 2);
        memcpy(stamp + 13, t.p + 23, 2);
        stamp[15] = 'Z';
        return true;
    }
    return false;
}

/* ---- parts ---- */

static bool credential(vk_str text, vk_sigv4_claim *c)
{
    if (!vk_str_cut(&text, '/', &c->id))
        return false;
    c->scope = text;
    if (!vk_str_cut(&text, '/', &c->day) || !vk_str_cut(&text, '/', &c->region) ||
        !vk_str_cut(&text, '/', &c->service))
        return false;
    c->end = text;
    int unused;
    if (c->id.n == 0 || c->id.n > VK_SIGV4_ID_MAX || c->day.n != VK_SIGV4_DAY ||
        !number(c->day.p, VK_SIGV4_DAY, &unused) || c->region.n > VK_SIGV4_REGION_MAX ||
        c->scope.n > VK_SIGV4_SCOPE_MAX || memchr(text.p, '/', text.n))
        return false;
    for (size_t i = 0; i < c->id.n; i++)
        if (c->id.p[i] <= ' ' || c->id.p[i] > '~')
            return false;
    return true;
}

static bool signature(vk_str text, uint8_t out[VK_SHA256])
{
    uint64_t all = UINT64_MAX;
    for (size_t i = 0; i + sizeof all <= text.n; i += sizeof all) {
        uint64_t x;
        memcpy(&x, text.p + i, sizeof x);
        all &= x;
    }
    /* Of the digits, the large letters alone are without this bit. 64 digits leave nothing over. */
    return (~all & UINT64_C(0x2020202020202020)) == 0 && vk_hex_decode(text, out, VK_SHA256) == VK_OK;
}

static bool stamp(vk_str text, vk_sigv4_claim *c)
{
    if (!vk_sigv4_stamp_read(text, &c->at_ms))
        return false;
    memcpy(c->stamp, text.p, VK_SIGV4_STAMP);
    return true;
}

/* ---- Authorization ---- */

static vk_sigv4_fail authorization(vk_str value, vk_sigv4_claim *c)
{
    enum { CREDENTIAL = 1, HEADERS = 2, SIGNATURE = 4, ALL = 7 };
    vk_str scheme;
    if (!vk_str_cut(&value, ' ', &scheme))
        scheme = value, value = VK_STR_NONE;
    if (!vk_str_eq(scheme, ALGORITHM))
        return VK_SIGV4_MECHANISM;
    int have = 0;
    for (bool more = true; more;) {
        vk_str part, name;
        more = vk_str_cut(&value, ',', &part);
        if (!more)
            part = value;
        while (part.n && part.p[0] == ' ')
            part.p++, part.n--;
        while (part.n && part.p[part.n - 1] == ' ')
            part.n--;
        if (!vk_str_cut(&part, '=', &name))
            return VK_SIGV4_MALFORMED;
        int which = 0;
        bool ok = false;
        if (vk_str_eq(name, VK_STR("Credential"))) {
            which = CREDENTIAL;
            ok = credential(part, c);
        } else if (vk_str_eq(name, VK_STR("SignedHeaders"))) {
            which = HEADERS;
            c->signed_headers = part;
            ok = vk_sigv4_signed_headers_ok(part);
        } else if (vk_str_eq(name, VK_STR("Signature"))) {
            which = SIGNATURE;
            ok = signature(part, c->signature);
        }
        if (!ok || (have & which))
            return VK_SIGV4_MALFORMED;
        have |= which;
    }
    return have == ALL ? VK_SIGV4_OK : VK_SIGV4_MALFORMED;
}

/* ---- which headers and parameters speak of a signature ---- */

typedef struct found {
    vk_str authorization, x_date, date, payload, token;
    uint8_t n_authorization, n_x_date, n_date, n_payload, n_token;
} found;

static void note(vk_str value, vk_str *slot, uint8_t *n)
{
    *slot = value;
    *n = (uint8_t)(*n + (*n < 2));
}

static found headers(const vk_sigv4_request *r)
{
    found f = {0};
    for (size_t i = 0; i < r->n_headers; i++) {
        vk_str name = r->headers[i].name, value = r->headers[i].value;
        if (name.n < 4 || name.n > 20)
            continue;
        switch (name.n) {
        case 4:
            if (vk_sigv4_name_is(name, VK_STR("date")))
                note(vk_str_trim(value), &f.date, &f.n_date);
            break;
        case 10:
            if (vk_sigv4_name_is(name, VK_STR("x-amz-date")))
                note(vk_str_trim(value), &f.x_date, &f.n_x_date);
            break;
        case 13:
            if (vk_sigv4_name_is(name, VK_STR("authorization")))
                note(vk_str_trim(value), &f.authorization, &f.n_authorization);
            break;
        case 20:
            if (vk_sigv4_name_is(name, VK_STR("x-amz-content-sha256")))
                note(vk_str_trim(value), &f.payload, &f.n_payload);
            else if (vk_sigv4_name_is(name, VK_STR("x-amz-security-token")))
                note(vk_str_trim(value), &f.token, &f.n_token);
            break;
        default:
            break;
        }
    }
    return f;
}

enum {
    Q_ALGORITHM,
    Q_CREDENTIAL,
    Q_DATE,
    Q_EXPIRES,
    Q_HEADERS,
    Q_SIGNATURE,
    Q_NEEDED,
    Q_TOKEN = Q_NEEDED,
    Q_PAYLOAD,
    Q_COUNT
};

static const struct {
    const char *name;
    size_t n;
} query_names[Q_COUNT] = {
#define NAME(z)                                                                                              \
    {                                                                                                        \
        z, sizeof(z) - 1                                                                                     \
    }
    [Q_ALGORITHM] = NAME("X-Amz-Algorithm"),
    [Q_CREDENTIAL] = NAME("X-Amz-Credential"),
    [Q_DATE] = NAME("X-Amz-Date"),
    [Q_EXPIRES] = NAME("X-Amz-Expires"),
    [Q_HEADERS] = NAME("X-Amz-SignedHeaders"),
    [Q_SIGNATURE] = NAME("X-Amz-Signature"),
    [Q_TOKEN] = NAME("X-Amz-Security-Token"),
    [Q_PAYLOAD] = NAME("X-Amz-Content-Sha256"),
#undef NAME
};

typedef struct asked {
    vk_str value[Q_COUNT]; /* encoded */
    uint8_t n[Q_COUNT];
    bool any;       /* one of those that make a query form */
    bool misspelt;  /* one of ours in another case */
    bool version_2; /* AWSAccessKeyId or Signature */
} asked;

static asked parameters(const vk_sigv4_params *p)
{
    asked q = {0};
    for (uint32_t i = 0; i < p->n; i++) {
        vk_str name = p->at[i].name;
        q.version_2 |= vk_str_eq(name, VK_STR("AWSAccessKeyId")) || vk_str_eq(name, VK_STR("Signature"));
        if (name.n < 10 || (name.p[0] | 0x20) != 'x')
            continue;
        for (int k = 0; k < Q_COUNT; k++) {
            vk_str ours = {query_names[k].name, query_names[k].n};
            if (!vk_str_ieq(name, ours))
                continue;
            q.misspelt |= !vk_str_eq(name, ours);
            q.any |= k < Q_NEEDED;
            note(p->at[i].value, &q.value[k], &q.n[k]);
        }
    }
    return q;
}

static vk_sigv4_fail read_query(vk_arena *a, const found *f, const asked *q, vk_sigv4_claim *c)
{
    vk_str v[Q_COUNT];
    if (q->misspelt)
        return VK_SIGV4_MALFORMED;
    for (int k = 0; k < Q_COUNT; k++) {
        if (q->n[k] > 1 || (k < Q_NEEDED && q->n[k] == 0))
            return k == Q_DATE ? VK_SIGV4_NO_DATE : VK_SIGV4_MALFORMED;
        v[k] = q->n[k] ? vk_sigv4_param_decode(a, q->value[k]) : VK_STR_NONE;
        if (q->n[k] && !v[k].p)
            return VK_SIGV4_NO_MEMORY;
    }
    if (!vk_str_eq(v[Q_ALGORITHM], ALGORITHM))
        return VK_SIGV4_MECHANISM;
    c->signed_headers = v[Q_HEADERS];
    if (!credential(v[Q_CREDENTIAL], c) || !vk_sigv4_signed_headers_ok(v[Q_HEADERS]) ||
        !signature(v[Q_SIGNATURE], c->signature))
        return VK_SIGV4_MALFORMED;
    if (!stamp(v[Q_DATE], c))
        return VK_SIGV4_NO_DATE;
    int seconds = 0;
    bool ok = v[Q_EXPIRES].n >= 1 && v[Q_EXPIRES].n <= 6 && number(v[Q_EXPIRES].p, v[Q_EXPIRES].n, &seconds);
    c->expires_s = ok && seconds <= VK_SIGV4_EXPIRES_MAX_S ? seconds : 0;
    c->payload = q->n[Q_PAYLOAD] ? v[Q_PAYLOAD] : f->n_payload ? f->payload : VK_STR("UNSIGNED-PAYLOAD");
    c->token = vk_secret_of(q->n[Q_TOKEN] ? v[Q_TOKEN] : f->token);
    return VK_SIGV4_OK;
}

static vk_sigv4_fail read_header(const found *f, vk_sigv4_claim *c)
{
    vk_sigv4_fail fail = authorization(f->authorization, c);
    if (fail)
        return fail;
    char from_date[VK_SIGV4_STAMP];
    vk_str when = f->n_x_date ? f->x_date : f->date;
    if (!f->n_x_date && http_date_to_stamp(f->date, from_date))
        when = (vk_str){from_date, sizeof from_date};
    if (f->n_x_date + (f->n_x_date ? 0 : f->n_date) != 1 || !stamp(when, c))
        return VK_SIGV4_NO_DATE;
    if (f->n_payload == 0)
        return VK_SIGV4_NO_PAYLOAD_HASH;
    c->payload = f->payload;
    c->token = vk_secret_of(f->token);
    return VK_SIGV4_OK;
}

vk_sigv4_fail vk_sigv4_claim_read(vk_arena *a, const vk_sigv4_request *r, const vk_sigv4_params *p,
                                  vk_sigv4_claim *out_r)
{
    found f = headers(r);
    asked q = parameters(p);
    out_r->form = f.n_authorization || !q.any ? VK_SIGV4_HEADER : VK_SIGV4_QUERY;
    if (q.version_2)
        return VK_SIGV4_MECHANISM;
    if (f.n_authorization + q.any > 1)
        return VK_SIGV4_TWO_SIGNATURES;
    if (!f.n_authorization && !q.any)
        return VK_SIGV4_ANONYMOUS;
    if (f.n_payload > 1 || f.n_token > 1)
        return VK_SIGV4_MALFORMED;
    out_r->two_tokens = f.n_token + q.n[Q_TOKEN] > 1 || (out_r->form == VK_SIGV4_HEADER && q.n[Q_TOKEN]);
    return out_r->form == VK_SIGV4_HEADER ? read_header(&f, out_r) : read_query(a, &f, &q, out_r);
}

/* ---- form ---- */

vk_sigv4_fail vk_sigv4_claim_form(const vk_sigv4_pair *fields, size_t n, vk_sigv4_claim *out_r,
                                  vk_str *policy_r)
{
    enum { ALGO, CREDENTIAL, DATE, SIGNATURE, POLICY, NEEDED, TOKEN = NEEDED, V2_ID, V2_SIGNATURE, COUNT };
    static const char *const names[COUNT] = {[ALGO] = "x-amz-algorithm", [CREDENTIAL] = "x-amz-credential",
                                             [DATE] = "x-amz-date",      [SIGNATURE] = "x-amz-signature",
                                             [POLICY] = "policy",        [TOKEN] = "x-amz-security-token",
                                             [V2_ID] = "awsaccesskeyid", [V2_SIGNATURE] = "signature"};
    vk_str v[COUNT] = {{NULL, 0}};
    uint8_t have[COUNT] = {0};
    out_r->form = VK_SIGV4_POST;
    out_r->two_tokens = false;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < COUNT; k++)
            if (vk_str_ieq(fields[i].name, vk_str_z(names[k])))
                note(fields[i].value, &v[k], &have[k]);
    if (have[V2_ID] || have[V2_SIGNATURE])
        return VK_SIGV4_MECHANISM;
    int present = 0;
    for (int k = 0; k < COUNT; k++) {
        if (have[k] > 1)
            return VK_SIGV4_FORM_TWICE;
        present += k < NEEDED && have[k];
    }
    if (present == 0)
        return VK_SIGV4_ANONYMOUS;
    if (have[ALGO] && !vk_str_eq(v[ALGO], ALGORITHM))
        return VK_SIGV4_MECHANISM;
    if (present < NEEDED || v[POLICY].n == 0)
        return VK_SIGV4_FORM_PART;
    if (!credential(v[CREDENTIAL], out_r) || !signature(v[SIGNATURE], out_r->signature))
        return VK_SIGV4_MALFORMED;
    if (!stamp(v[DATE], out_r))
        return VK_SIGV4_NO_DATE;
    out_r->token = vk_secret_of(v[TOKEN]);
    *policy_r = v[POLICY];
    return VK_SIGV4_OK;
}
