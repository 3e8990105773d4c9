/* A text in parts against a search of all of it at once, form by form and byte by byte. */
#include "keeper/scrub.h"

#include "core/encode.h"
#include "crypto/digest.h"

enum { MOST = 4096 };

static bool marked[MOST];

static void mark(vk_str text, vk_str form)
{
    for (size_t i = 0; form.n && i + form.n <= text.n; i++)
        if (memcmp(text.p + i, form.p, form.n) == 0)
            memset(marked + i, true, form.n);
}

/* What must be starred, of the forms that are easily written another way. */
static void mark_all(vk_str text, vk_str secret)
{
    char hex[2 * 64 + 1], upper[2 * 64 + 1];
    memset(marked, false, sizeof marked);
    mark(text, secret);
    vk_hex(hex, secret.p, secret.n);
    mark(text, (vk_str){hex, 2 * secret.n});
    for (size_t i = 0; i <= 2 * secret.n; i++)
        upper[i] = (char)(hex[i] >= 'a' && hex[i] <= 'f' ? hex[i] - 32 : hex[i]);
    mark(text, (vk_str){upper, 2 * secret.n});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char text[MOST], window[MOST], out[MOST];
    static bool ready;
    if (!ready && vk_digest_init() != VK_OK)
        abort();
    ready = true;
    if (n < 3 || n > MOST)
        return 0;
    size_t secret_n = VK_SCRUB_LEAST + data[0] % 57, step = 1 + data[1] * 3u, at = 2;
    if (at + secret_n > n)
        return 0;
    const vk_str secret = {(const char *)data + at, secret_n};
    const vk_secret one = vk_secret_of(secret);
    vk_scrub *s;
    if (vk_scrub_new(&one, 1, &s) != VK_OK)
        return 0;
    size_t all = n - at; /* the secret itself is the beginning of the text */
    memcpy(text, data + at, all);
    mark_all((vk_str){text, all}, secret);
    vk_scrub_run r = {.with = s};
    size_t keep = vk_scrub_keep(s), held = 0, done = 0, came = 0;
    while (came < all || held) {
        size_t part = step < all - came ? step : all - came;
        memcpy(window + held, text + came, part);
        came += part;
        held += part;
        vk_scrub_look(&r, window, held, came == all);
        size_t leaves = came == all ? held : held > keep ? held - keep : 0;
        memcpy(out + done, window, leaves);
        done += leaves;
        held -= leaves;
        memmove(window, window + leaves, held);
    }
    if (done != all || r.owed || r.found == 0)
        abort();
    for (size_t i = 0; i < all; i++)
        if ((marked[i] && out[i] != '*') || (out[i] != '*' && out[i] != text[i]))
            abort();
    vk_scrub_run whole = {.with = s};
    vk_scrub_look(&whole, text, all, true);
    if (memcmp(out, text, all) != 0 || whole.found != r.found)
        abort();
    vk_scrub_free(s);
    return 0;
}
