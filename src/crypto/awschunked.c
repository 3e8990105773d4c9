#include "crypto/awschunked.h"

#include <sodium.h>

#include "core/encode.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EXTENSION VK_STR(";chunk-signature=")
#define TRAILER_SIGNATURE VK_STR("x-amz-trailer-signature")

enum { SIZE_LINE, DATA, AFTER_DATA, TRAILER, LAST_LINE, ENDED, FAILED };
enum { SIZE_DIGITS_MAX = 16, SIZE_LINE_MAX = 128 };

static vk_awschunk bad(vk_awschunked *d, vk_sigv4_fail why)
{
    d->state = FAILED;
    d->fail = why;
    return VK_AWSCHUNK_BAD;
}

/* ---- the announcement ---- */

static bool trailer_name(vk_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_'))
            return false;
    }
    return name.n > 0 && !vk_str_ieq(name, TRAILER_SIGNATURE);
}

static vk_str name_of(const vk_awschunked *d, int i)
{
    return (vk_str){d->names + d->trailers[i].name, d->trailers[i].name_n};
}

static int find(const vk_awschunked *d, vk_str name)
{
    for (int i = 0; i < d->n_names; i++)
        if (vk_str_ieq(name, name_of(d, i)))
            return i;
    return -1;
}

static bool announce(vk_awschunked *d, vk_str text)
{
    size_t used = 0;
    for (bool more = vk_str_trim(text).n > 0; more;) {
        vk_str name;
        more = vk_str_cut(&text, ',', &name);
        name = vk_str_trim(more ? name : text);
        if (d->n_names == VK_AWSCHUNK_TRAILERS_MAX || used + name.n > sizeof d->names ||
            !trailer_name(name) || find(d, name) >= 0)
            return false;
        memcpy(d->names + used, name.p, name.n);
        d->trailers[d->n_names].name = (uint16_t)used;
        d->trailers[d->n_names].name_n = (uint16_t)name.n;
        d->trailers[d->n_names].value_n = -1;
        d->n_names++;
        used += name.n;
    }
    return true;
}

vk_sigv4_fail vk_awschunked_begin(vk_awschunked *d, const vk_sigv4_grant *g, int64_t decoded, vk_str trailer)
{
    memset(d, 0, sizeof *d);
    d->is_signed = g->payload == VK_SIGV4_STREAM_SIGNED || g->payload == VK_SIGV4_STREAM_SIGNED_TRAILER;
    d->has_trailer = g->payload != VK_SIGV4_STREAM_SIGNED;
    if (!d->is_signed && g->payload != VK_SIGV4_STREAM_UNSIGNED_TRAILER)
        abort(); /* a plain body has no chunks */
    if (decoded < 0) {
        bad(d, VK_SIGV4_NO_DECODED_LENGTH);
        return d->fail;
    }
    if (!announce(d, trailer) || (d->n_names && !d->has_trailer)) {
        bad(d, VK_SIGV4_TRAILER);
        return d->fail;
    }
    d->left = (uint64_t)decoded;
    if (d->is_signed)
        d->chain = g->chain;
    return VK_SIGV4_OK;
}

/* ---- signatures ---- */

/* Compares `given` with what the chain demands for the hash in d->hash, and makes it the one before. */
static bool continues(vk_awschunked *d, const char *algorithm, const char *middle,
                      const uint8_t given[VK_SHA256])
{
    char text[32 + VK_SIGV4_STAMP + VK_SIGV4_SCOPE_MAX + 3 * (2 * VK_SHA256 + 1) + 4];
    char before[2 * VK_SHA256 + 1], hash[2 * VK_SHA256 + 1];
    uint8_t raw[VK_SHA256], want[VK_SHA256];
    vk_sha256_end(&d->hash, raw);
    vk_hex(hash, raw, sizeof raw);
    vk_hex(before, d->chain.signature, VK_SHA256);
    int n = snprintf(text, sizeof text, "%s\n%.*s\n%.*s\n%s\n%s%s", algorithm, VK_SIGV4_STAMP, d->chain.stamp,
                     (int)d->chain.scope_n, d->chain.scope, before, middle, hash);
    vk_hmac256(&d->chain.key, (vk_str){text, (size_t)n}, want);
    bool right = sodium_memcmp(want, given, VK_SHA256) == 0;
    memcpy(d->chain.signature, given, VK_SHA256);
    vk_wipe(want, sizeof want);
    return right;
}

static bool chunk_continues(vk_awschunked *d)
{
    return !d->is_signed || continues(d, "AWS4-HMAC-SHA256-PAYLOAD", EMPTY_HASH "\n", d->expected);
}

static bool lower_hex(vk_str text, uint8_t out[VK_SHA256])
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'F')
            return false;
    return vk_hex_decode(text, out, VK_SHA256) == VK_OK;
}

/* ---- lines ---- */

/* Moves bytes into d->line up to and with LF. False: the line goes on, *in is empty; or it is too long
 * (*long_r). */
static bool whole_line(vk_awschunked *d, vk_str *in, size_t max, bool *long_r)
{
    size_t room = max - d->line_n, look = in->n < room ? in->n : room;
    const char *lf = look ? memchr(in->p, '\n', look) : NULL;
    size_t n = lf ? (size_t)(lf - in->p) + 1 : look;
    *long_r = !lf && in->n >= room;
    if (*long_r)
        return false;
    if (n)
        memcpy(d->line + d->line_n, in->p, n);
    d->line_n += n;
    in->p += n;
    in->n -= n;
    return lf != NULL;
}

static bool cut_crlf(vk_str *line)
{
    if (line->n < 2 || line->p[line->n - 2] != '\r')
        return false;
    line->n -= 2;
    return !memchr(line->p, '\r', line->n);
}

static bool digit(char c, uint64_t *v)
{
    int d = c >= '0' && c <= '9'                     ? c - '0'
            : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                     : -1;
    *v = *v << 4 | (uint64_t)(d & 15);
    return d >= 0;
}

static vk_sigv4_fail size_line(vk_awschunked *d, vk_str line)
{
    uint64_t size = 0;
    size_t n = 0;
    if (!cut_crlf(&line))
        return VK_SIGV4_CHUNK;
    while (n < line.n && n < SIZE_DIGITS_MAX && line.p[n] != ';')
        if (!digit(line.p[n++], &size))
            return VK_SIGV4_CHUNK;
    vk_str rest = {line.p + n, line.n - n};
    if (n == 0 || (!d->is_signed && rest.n))
        return VK_SIGV4_CHUNK;
    if (d->is_signed) {
        if (!vk_str_starts(rest, EXTENSION) ||
            !lower_hex((vk_str){rest.p + EXTENSION.n, rest.n - EXTENSION.n}, d->expected))
            return VK_SIGV4_CHUNK;
        vk_sha256_begin(&d->hash);
    }
    if (size > d->left || (size == 0 && d->left))
        return VK_SIGV4_BODY_LENGTH;
    d->chunk_left = size;
    if (size) {
        d->state = DATA;
        return VK_SIGV4_OK;
    }
    if (!chunk_continues(d))
        return VK_SIGV4_CHUNK_SIGNATURE;
    d->state = d->has_trailer ? TRAILER : LAST_LINE;
    vk_sha256_begin(&d->hash);
    return VK_SIGV4_OK;
}

static vk_sigv4_fail trailer_end(vk_awschunked *d)
{
    for (int i = 0; i < d->n_names; i++)
        if (d->trailers[i].value_n < 0)
            return VK_SIGV4_TRAILER;
    if (d->is_signed) /* its signature comes before the empty line, and leads to LAST_LINE */
        return VK_SIGV4_TRAILER;
    d->state = ENDED;
    return VK_SIGV4_OK;
}

static void hash_lower(vk_awschunked *d, vk_str name)
{
    char lower[VK_AWSCHUNK_LINE_MAX];
    for (size_t i = 0; i < name.n; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
    vk_sha256_add(&d->hash, (vk_str){lower, name.n});
}

static vk_sigv4_fail trailer_line(vk_awschunked *d, vk_str line)
{
    bool crlf = cut_crlf(&line);
    if (d->lf_line) { /* the rest of LF CR LF */
        d->lf_line = false;
        return crlf && line.n == 0 ? VK_SIGV4_OK : VK_SIGV4_TRAILER;
    }
    if (crlf && line.n == 0)
        return trailer_end(d);
    if (!crlf) {
        line.n--;
        d->lf_line = true;
        if (memchr(line.p, '\r', line.n))
            return VK_SIGV4_TRAILER;
    }
    vk_str name;
    if (!vk_str_cut(&line, ':', &name))
        return VK_SIGV4_TRAILER;
    vk_str value = vk_str_trim(line);
    if (d->is_signed && vk_str_ieq(name, TRAILER_SIGNATURE)) {
        uint8_t given[VK_SHA256];
        if (!crlf || !lower_hex(value, given))
            return VK_SIGV4_TRAILER;
        for (int i = 0; i < d->n_names; i++)
            if (d->trailers[i].value_n < 0)
                return VK_SIGV4_TRAILER;
        d->state = LAST_LINE;
        return continues(d, "AWS4-HMAC-SHA256-TRAILER", "", given) ? VK_SIGV4_OK : VK_SIGV4_CHUNK_SIGNATURE;
    }
    int i = find(d, name);
    if (i < 0 || d->trailers[i].value_n >= 0 || value.n > VK_AWSCHUNK_VALUE_MAX)
        return VK_SIGV4_TRAILER;
    for (size_t k = 0; k < value.n; k++)
        if (value.p[k] < ' ' || value.p[k] > '~')
            return VK_SIGV4_TRAILER;
    if (value.n)
        memcpy(d->trailers[i].value, value.p, value.n);
    d->trailers[i].value_n = (int16_t)value.n;
    hash_lower(d, name);
    vk_sha256_add(&d->hash, VK_STR(":"));
    vk_sha256_add(&d->hash, value);
    vk_sha256_add(&d->hash, VK_STR("\n"));
    return VK_SIGV4_OK;
}

/* ---- the decoder ---- */

static vk_awschunk data(vk_awschunked *d, vk_str *in, vk_str *data_r)
{
    size_t n = in->n < d->chunk_left ? in->n : (size_t)d->chunk_left;
    *data_r = (vk_str){in->p, n};
    in->p += n;
    in->n -= n;
    d->chunk_left -= n;
    d->left -= n;
    if (d->is_signed)
        vk_sha256_add(&d->hash, *data_r);
    if (d->chunk_left == 0) {
        if (!chunk_continues(d))
            return bad(d, VK_SIGV4_CHUNK_SIGNATURE);
        d->state = AFTER_DATA;
    }
    return VK_AWSCHUNK_DATA;
}

static vk_sigv4_fail line(vk_awschunked *d, vk_str text)
{
    switch (d->state) {
    case SIZE_LINE:
        return size_line(d, text);
    case TRAILER:
        return trailer_line(d, text);
    default: /* AFTER_DATA, LAST_LINE */
        if (!cut_crlf(&text) || text.n)
            return VK_SIGV4_CHUNK;
        d->state = d->state == AFTER_DATA ? SIZE_LINE : ENDED;
        return VK_SIGV4_OK;
    }
}

vk_awschunk vk_awschunked_next(vk_awschunked *d, vk_str *in, vk_str *data_r)
{
    while (in->n || d->state == ENDED || d->state == FAILED) {
        if (d->state == FAILED)
            return VK_AWSCHUNK_BAD;
        if (d->state == ENDED)
            return in->n ? bad(d, VK_SIGV4_CHUNK) : VK_AWSCHUNK_END;
        if (d->state == DATA)
            return data(d, in, data_r);
        bool is_long;
        size_t max = d->state == TRAILER ? VK_AWSCHUNK_LINE_MAX : d->state == SIZE_LINE ? SIZE_LINE_MAX : 2;
        if (!whole_line(d, in, max, &is_long)) {
            if (is_long)
                return bad(d, d->state == TRAILER ? VK_SIGV4_TRAILER : VK_SIGV4_CHUNK);
            break;
        }
        vk_sigv4_fail fail = line(d, (vk_str){d->line, d->line_n});
        d->line_n = 0;
        if (fail)
            return bad(d, fail);
    }
    return VK_AWSCHUNK_MORE;
}

vk_sigv4_fail vk_awschunked_why(const vk_awschunked *d)
{
    return d->state == FAILED ? d->fail : d->state == ENDED ? VK_SIGV4_OK : VK_SIGV4_BODY_LENGTH;
}

vk_str vk_awschunked_trailer(const vk_awschunked *d, vk_str name)
{
    int i = find(d, name);
    return i < 0 || d->trailers[i].value_n < 0
               ? VK_STR_NONE
               : (vk_str){d->trailers[i].value, (size_t)d->trailers[i].value_n};
}

void vk_awschunked_wipe(vk_awschunked *d)
{
    vk_wipe(d, sizeof *d);
}
