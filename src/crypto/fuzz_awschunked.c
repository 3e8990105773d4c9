/* aws-chunked bodies of any bytes, whole and in pieces: both ways give the same data and the same end. With
 * the first byte's top bit the input is data instead, which is framed and signed here: then it must come out
 * again, and with one byte of the framing changed it must not pass as something else. */
#include "core/encode.h"
#include "crypto/awschunked.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

#define STAMP "20261123T181515Z"
#define SCOPE "20261123/auto/s3/aws4_request"
#define TRAILER "x-amz-checksum-crc32"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_sigv4_fail decode(const vk_sigv4_grant *g, int64_t decoded, vk_str trailer, vk_str body,
                            unsigned step, vk_buf *out)
{
    vk_awschunked d;
    vk_sigv4_fail fail = vk_awschunked_begin(&d, g, decoded, trailer);
    vk_buf_clear(out);
    while (!fail && body.n) {
        size_t n = step ? 1 + step % 7 : body.n;
        vk_str in = {body.p, n < body.n ? n : body.n};
        step = step ? step * 5 + 1 : 0;
        body.p += in.n;
        body.n -= in.n;
        for (bool more = true; more;) {
            vk_str piece = VK_STR_NONE;
            switch (vk_awschunked_next(&d, &in, &piece)) {
            case VK_AWSCHUNK_DATA:
                CHECK(piece.n > 0);
                vk_buf_str(out, piece);
                CHECK(out->n <= (uint64_t)decoded);
                break;
            case VK_AWSCHUNK_MORE:
                CHECK(in.n == 0);
                more = false;
                break;
            case VK_AWSCHUNK_END:
                CHECK(in.n == 0 && out->n == (uint64_t)decoded && vk_awschunked_why(&d) == VK_SIGV4_OK);
                more = false;
                break;
            case VK_AWSCHUNK_BAD:
            default:
                fail = vk_awschunked_why(&d);
                CHECK(fail != VK_SIGV4_OK && vk_awschunked_next(&d, &in, &piece) == VK_AWSCHUNK_BAD);
                more = false;
            }
        }
    }
    if (!fail)
        fail = vk_awschunked_why(&d);
    vk_awschunked_wipe(&d);
    return fail;
}

static void any_bytes(const vk_sigv4_grant *g, int64_t decoded, vk_str rest)
{
    vk_buf whole, pieces;
    vk_str trailer = VK_STR_NONE;
    if (!vk_str_cut(&rest, '\n', &trailer))
        trailer = VK_STR_NONE;
    vk_buf_init(&whole, 1 << 20);
    vk_buf_init(&pieces, 1 << 20);
    vk_sigv4_fail one = decode(g, decoded, trailer, rest, 0, &whole);
    vk_sigv4_fail two = decode(g, decoded, trailer, rest, (unsigned)(rest.n + 1), &pieces);
    CHECK(one == two);
    CHECK(one != VK_SIGV4_OK || vk_str_eq(vk_buf_view(&whole), vk_buf_view(&pieces)));
    CHECK(one != VK_SIGV4_OK ||
          g->payload == VK_SIGV4_STREAM_UNSIGNED_TRAILER); /* a signature that nobody made */
    vk_buf_free(&whole);
    vk_buf_free(&pieces);
}

static void sign(const vk_sigv4_grant *g, const char *algorithm, const char *middle, vk_str data,
                 uint8_t last[VK_SHA256], char hex[2 * VK_SHA256 + 1])
{
    char text[512], before[2 * VK_SHA256 + 1], hash[2 * VK_SHA256 + 1];
    uint8_t raw[VK_SHA256];
    vk_sha256(data, raw);
    vk_hex(hash, raw, sizeof raw);
    vk_hex(before, last, VK_SHA256);
    int n =
        snprintf(text, sizeof text, "%s\n" STAMP "\n" SCOPE "\n%s\n%s%s", algorithm, before, middle, hash);
    vk_hmac256(&g->chain.key, (vk_str){text, (size_t)n}, last);
    vk_hex(hex, last, VK_SHA256);
}

static void framed(const vk_sigv4_grant *g, const uint8_t *data, size_t n)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    bool is_signed = g->payload != VK_SIGV4_STREAM_UNSIGNED_TRAILER,
         trailer = g->payload != VK_SIGV4_STREAM_SIGNED;
    char hex[2 * VK_SHA256 + 1];
    uint8_t last[VK_SHA256];
    vk_buf b, out;
    size_t at = n ? data[0] : 0;
    vk_buf_init(&b, 16 << 20);
    vk_buf_init(&out, 1 << 20);
    memcpy(last, g->chain.signature, sizeof last);
    for (size_t i = 0; i <= n;) {
        size_t take = i < n ? (size_t)1 + data[i] % 16 : 0;
        take = take < n - i ? take : n - i;
        vk_str piece = {(const char *)data + i, take};
        vk_buf_printf(&b, "%zx", take);
        if (is_signed) {
            sign(g, "AWS4-HMAC-SHA256-PAYLOAD", empty, piece, last, hex);
            vk_buf_printf(&b, ";chunk-signature=%s", hex);
        }
        vk_buf_lit(&b, "\r\n");
        vk_buf_str(&b, piece);
        if (take)
            vk_buf_lit(&b, "\r\n");
        i += take ? take : 1;
    }
    if (trailer)
        vk_buf_lit(&b, TRAILER ":AAAAAA==\r\n");
    if (trailer && is_signed) {
        sign(g, "AWS4-HMAC-SHA256-TRAILER", "", VK_STR(TRAILER ":AAAAAA==\n"), last, hex);
        vk_buf_printf(&b, "x-amz-trailer-signature:%s\r\n", hex);
    }
    vk_buf_lit(&b, "\r\n");
    CHECK(b.err == VK_OK);
    vk_str names = trailer ? VK_STR(TRAILER) : VK_STR_NONE;
    CHECK(decode(g, (int64_t)n, names, vk_buf_view(&b), (unsigned)n, &out) == VK_SIGV4_OK);
    CHECK(vk_str_eq(vk_buf_view(&out), (vk_str){(const char *)data, n}));
    at = (at * 131 + n) % b.n;
    b.p[at] = (char)(b.p[at] ^ (1 << (n % 8)));
    if (decode(g, (int64_t)n, names, vk_buf_view(&b), 0, &out) == VK_SIGV4_OK && is_signed)
        CHECK(n % 8 == 5 && vk_str_eq(vk_buf_view(&out), (vk_str){(const char *)data, n}));
    vk_buf_free(&b);
    vk_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vk_sigv4_grant g;
    if (size < 3)
        return 0;
    if (!g.chain.scope_n) {
        CHECK(vk_digest_init() == VK_OK);
        vk_sigv4_derive(vk_secret_of(VK_STR("secret")), VK_STR("20261123"), VK_STR("auto"), VK_STR("s3"),
                        &g.chain.key);
        memcpy(g.chain.stamp, STAMP, VK_SIGV4_STAMP);
        memcpy(g.chain.scope, SCOPE, sizeof SCOPE - 1);
        g.chain.scope_n = sizeof SCOPE - 1;
    }
    g.payload = (vk_sigv4_payload)(VK_SIGV4_STREAM_UNSIGNED_TRAILER + (data[0] & 0x7f) % 3);
    if (data[0] & 0x80)
        framed(&g, data + 1, size - 1 < 512 ? size - 1 : 512); /* each few bytes cost three hashes */
    else
        any_bytes(&g, (int64_t)data[1] * 8 + data[2] % 8 - 1, (vk_str){(const char *)data + 3, size - 3});
    return 0;
}
