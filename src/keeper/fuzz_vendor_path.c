/* Paths that are let through say the same to every reader: decoded once or twice, with parts that are dropped
 * as servers drop them, they stay what they are. */
#include "keeper/vendors.h"

static size_t decode(const char *p, size_t n, char *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c;
        if (p[i] == '%' && i + 2 < n && sscanf((char[]){p[i + 1], p[i + 2], '\0'}, "%2x", &c) == 1) {
            out[k++] = (char)c;
            i += 2;
        } else {
            out[k++] = p[i];
        }
    }
    return k;
}

static size_t slashes(const char *p, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        k += p[i] == '/' || p[i] == '\\';
    return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char once[4096], twice[4096];
    vk_str path = {(const char *)data, n};
    if (n > sizeof once || !vk_vendor_path_ok(path, false))
        return 0;
    size_t a = decode(path.p, n, once), b = decode(once, a, twice);
    if (slashes(path.p, n) != slashes(once, a) || slashes(once, a) != slashes(twice, b))
        abort();
    for (size_t i = 0; i < b; i++) {
        bool at_part = i == 0 || twice[i - 1] == '/';
        size_t end = i;
        while (end < b && twice[end] != '/')
            end++;
        if ((unsigned char)twice[i] < 0x20 || twice[i] == ';' ||
            (at_part && end - i == 1 && twice[i] == '.') ||
            (at_part && end - i == 2 && twice[i] == '.' && twice[i + 1] == '.') || (i && at_part && end == i))
            abort();
    }
    return 0;
}
