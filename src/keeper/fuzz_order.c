/* Whatever front writes as an order's head, what is sent to the vendor is one request to the one host, with
 * one credential, and frames its body as the order does. */
#include "keeper/order_in.h"

static const char *const travel[] = {"accept", "idempotency-key", "user-agent", "x-app", NULL};
static const vk_vendor_call calls[] = {{"*", "/**", "any"}, {.method = NULL}};
static const vk_vendor strict = {.name = "t", .title = "T", .travel = travel, .calls = calls, .scrub = true},
                       raw = {.name = "r", .title = "R", .travel = travel, .calls = calls, .raw_path = true};

static void check(const vk_order *o, vk_str head)
{
    vk_head h;
    if (vk_head_request(head.p, head.n, &h) != (int)head.n)
        abort(); /* not one whole head, and nothing else */
    if (!vk_str_eqz(h.host, "api.example.com") || !vk_str_eqz(h.authorization, "Bearer ours"))
        abort();
    if (h.framing == VK_FRAME_CHUNKED ? o->body_n >= 0 : (int64_t)h.content_length != o->body_n)
        abort();
    if (h.upgrade || h.expect_continue || vk_head_get(&h, VK_STR("Valetkey-Order")).p ||
        vk_head_get(&h, VK_STR("Cookie")).p)
        abort();
}

static void try_it(const vk_vendor *v, const vk_head *h, vk_arena *a)
{
    const char *why;
    vk_buf lines, out;
    const char *q = memchr(h->target.p, '?', h->target.n);
    vk_order o = {.vendor = v,
                  .arena = a,
                  .method = h->method,
                  .content_type = h->content_type,
                  .to_host = VK_STR("api.example.com")};
    o.path = q ? (vk_str){h->target.p, (size_t)(q - h->target.p)} : h->target;
    o.query = q ? (vk_str){q + 1, h->target.n - o.path.n - 1} : VK_STR_NONE;
    o.to_path = o.path;
    o.to_query = o.query;
    o.body_n = h->framing == VK_FRAME_CHUNKED ? -1 : (int64_t)h->content_length;
    vk_buf_init(&lines, 1000);
    vk_buf_init(&out, 65536);
    vk_buf_z(&lines, "Authorization: Bearer ours\r\n");
    o.lines = &lines;
    if (vk_vendor_call_of(v, o.method, o.path) &&
        vk_order_travel(&o, h->headers, h->n_headers, &why) == VK_OK && vk_order_compose(&o, &out) == VK_OK)
        check(&o, vk_buf_view(&out));
    vk_buf_free(&lines);
    vk_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_head h;
    vk_order_line line;
    vk_str said;
    if (vk_order_parse((vk_str){(const char *)data, n}, &line) == VK_OK &&
        (line.kind < 'a' || line.kind > 'z' || !line.service[0]))
        abort();
    if (n > VK_HEAD_MAX || vk_head_request((const char *)data, n, &h) <= 0)
        return 0;
    if (vk_order_line_of(h.headers, h.n_headers, &said) == VK_OK && vk_order_parse(said, &line) == VK_OK &&
        strlen(line.service) > VK_SERVICE_MAX)
        abort();
    vk_arena *a = vk_arena_new(1 << 20);
    if (a) {
        try_it(&strict, &h, a);
        try_it(&raw, &h, a);
    }
    vk_arena_free(a);
    return 0;
}
