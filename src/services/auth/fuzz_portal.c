/* Any bytes as redirect_url and as the path of a picture. A page that is made has exactly its own scripts,
 * and no byte of what came from outside is markup; a picture that is accepted has one address and no markup
 * of strangers. */
#include "services/auth/picture.h"
#include "services/auth/portal.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const vk_str origins[] = {{"http://localhost:3000", 21}, {"https://app.example", 19}};

static size_t times(const vk_buf *b, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == c;
    return n;
}

/* As many brackets as the page of a redirect_url that has none. */
static void page(vk_str redirect)
{
    static size_t brackets;
    vk_buf html, plain;
    vk_auth_portal p = {.build = VK_STR("demo"),
                        .gateway = VK_STR("http://127.0.0.1:4501"),
                        .publishable_key = VK_STR("pk_test_x"),
                        .redirect_url = VK_STR("http://localhost:3000"),
                        .origins = origins,
                        .n_origins = VK_COUNT(origins)};
    vk_buf_init(&html, 1 << 18);
    vk_buf_init(&plain, 1 << 18);
    if (!brackets) {
        CHECK(vk_auth_portal_write(&p, &plain) == VK_OK);
        brackets = times(&plain, '<');
    }
    p.redirect_url = redirect;
    vk_err e = vk_auth_portal_write(&p, &html);
    CHECK(e == VK_OK || e == VK_E_INVALID);
    CHECK(e == VK_OK ? times(&html, '<') == brackets : html.n == 0);
    vk_buf_free(&html);
    vk_buf_free(&plain);
}

static void picture(vk_str path)
{
    vk_auth_picture p;
    vk_buf out;
    if (!vk_auth_picture_match(path, &p))
        return;
    vk_buf_init(&out, 4096);
    vk_auth_picture_url(&p, VK_STR_NONE, &out);
    CHECK(vk_str_eq(vk_buf_view(&out), path));
    vk_buf_clear(&out);
    vk_auth_picture_write(&p, &out);
    CHECK(out.err == VK_OK && times(&out, '<') == 5);
    vk_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[256];
    vk_str in = {(const char *)data, size};
    page(in);
    picture(in);
    /* one that begins as it should */
    int n =
        snprintf(path, sizeof path, "/picture/%.*s.svg", (int)(size < 64 ? size : 64), (const char *)data);
    if (n > 0 && size && !memchr(data, '\0', size < 64 ? size : 64))
        picture((vk_str){path, (size_t)n});
    char url[512];
    n = snprintf(url, sizeof url, "http://localhost:3000/%.*s", (int)(size < 400 ? size : 400),
                 (const char *)data);
    if (n > 0 && size)
        page((vk_str){url, (size_t)n});
    return 0;
}
