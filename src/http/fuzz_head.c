/* Any bytes as a request and as a response to GET and HEAD. */
#include "http/head.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

static int parse(const char *p, size_t n, int kind, vk_head *out_r)
{
    return kind == 0 ? vk_head_request(p, n, out_r)
                     : vk_head_response(p, n, kind == 1 ? VK_STR("GET") : VK_STR("HEAD"), out_r);
}

static int parse_exact(const char *p, size_t n, int kind, vk_head *out_r)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy);
    memcpy(copy, p, n);
    int r = parse(copy, n, kind, out_r);
    free(copy);
    return r;
}

static void inside(vk_str s, const char *p, int used)
{
    CHECK(!s.p || (s.p >= p && s.n <= (size_t)used && s.p + s.n <= p + used));
}

static void check_good(const char *p, int used, int kind, const vk_head *h)
{
    CHECK(used <= VK_HEAD_MAX && memcmp(p + used - 4, "\r\n\r\n", 4) == 0);
    CHECK(h->n_headers <= VK_HEADERS_MAX && (h->minor == 0 || h->minor == 1));
    inside(h->method, p, used);
    inside(h->target, p, used);
    inside(h->reason, p, used);
    inside(h->host, p, used);
    inside(h->authorization, p, used);
    inside(h->content_type, p, used);
    for (uint32_t i = 0; i < h->n_headers; i++) {
        vk_header f = h->headers[i];
        inside(f.name, p, used);
        inside(f.value, p, used);
        CHECK(f.name.n > 0 && f.name.p[f.name.n] == ':' && f.value.p);
        CHECK(!f.value.n || !memchr(" \t", f.value.p[0], 2));
        CHECK(!f.value.n || !memchr(" \t", f.value.p[f.value.n - 1], 2));
        for (size_t j = 0; j < f.value.n; j++) {
            unsigned char c = (unsigned char)f.value.p[j];
            CHECK(c == '\t' || (c >= 0x20 && c != 0x7f));
        }
        CHECK(vk_head_get(h, f.name).p);
    }
    CHECK(h->content_length <= INT64_MAX && (h->framing == VK_FRAME_LENGTH || h->content_length == 0));
    bool sized = vk_head_get(h, VK_STR("content-length")).p,
         coded = vk_head_get(h, VK_STR("transfer-encoding")).p;
    CHECK(!sized || !coded);
    if (kind == 0) {
        CHECK(h->method.n && (h->target.p[0] == '/' || vk_str_eqz(h->target, "*")));
        CHECK(h->minor == 0 || h->host.n);
        CHECK(h->framing == (sized ? VK_FRAME_LENGTH : coded ? VK_FRAME_CHUNKED : VK_FRAME_NONE));
    } else {
        CHECK(h->status >= 100 && h->status <= 599);
        CHECK(h->framing != VK_FRAME_EOF || !h->keep_alive);
        CHECK(kind == 1 || h->framing == VK_FRAME_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vk_head h, again;
    const char *p = (const char *)data;
    for (int kind = 0; kind < 3 && size > 0; kind++) {
        int r = parse(p, size, kind, &h);
        CHECK(r > 0 ? (size_t)r <= size : r == 0 || r == -400 || r == -431 || r == -501 || r == -505);
        if (r > 0) {
            check_good(p, r, kind, &h);
            /* What follows the head does not matter, nor what the struct held before. */
            memset(&again, 0xa5, sizeof again);
            CHECK(parse(p, (size_t)r, kind, &again) == r);
            CHECK(again.framing == h.framing && again.content_length == h.content_length);
            CHECK(again.keep_alive == h.keep_alive && again.upgrade == h.upgrade && again.minor == h.minor);
            CHECK(again.expect_continue == h.expect_continue && again.status == h.status);
            CHECK(again.n_headers == h.n_headers && vk_str_eq(again.target, h.target));
            CHECK(vk_str_eq(again.host, h.host) && vk_str_eq(again.authorization, h.authorization));
            CHECK(memcmp(again.headers, h.headers, sizeof h.headers[0] * h.n_headers) == 0);
        }
        /* A beginning waits, or has the error that the whole has; once it has it, all longer ones do. */
        size_t end = r > 0 ? (size_t)r : size;
        int last = 0;
        for (size_t cut = 0; cut < end; cut += 1 + end / 300) {
            int early = parse_exact(p, cut, kind, &again);
            CHECK(early == 0 || (r < 0 && early == r));
            CHECK(last == 0 || early == last);
            last = early;
        }
        CHECK(parse_exact(p, end, kind, &again) == r);
    }
    return 0;
}
