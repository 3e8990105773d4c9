#include "cli/storage.h"

#include "cli/cli.h"
#include "cli/out.h"

#include <strings.h>

static void escape(vk_buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (const char *p = text; *p; p++) {
        char hex[4];
        snprintf(hex, sizeof hex, "%%%02X", (unsigned char)*p);
        if (strchr(plain, *p))
            vk_buf_ch(out, *p);
        else
            vk_buf_z(out, hex);
    }
}

int vk_storage_target(const char *command, const char *id, const char *call, const char *const query[],
                      char out[VK_STORAGE_TARGET])
{
    char path[64];
    vk_buf b;
    snprintf(path, sizeof path, "/services/storage/%.40s", call);
    if (vk_build_target(command, id, path, out, VK_STORAGE_TARGET) != VK_OK)
        return VK_EXIT_USAGE;
    vk_buf_init(&b, VK_STORAGE_TARGET - 1);
    vk_buf_z(&b, out);
    char between = '?';
    for (size_t i = 0; query && query[i]; i += 2) {
        if (!query[i + 1])
            continue;
        vk_buf_ch(&b, between);
        vk_buf_z(&b, query[i]);
        vk_buf_ch(&b, '=');
        escape(&b, query[i + 1]);
        between = '&';
    }
    bool fits = b.err == VK_OK;
    if (fits)
        snprintf(out, VK_STORAGE_TARGET, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
    return fits ? VK_EXIT_OK : vk_usage(command, "A key has at most 1,024 bytes.");
}

const char *vk_storage_type(const char *name)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        {"avif", "image/avif"},
        {"css", "text/css; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"gif", "image/gif"},
        {"gz", "application/gzip"},
        {"htm", "text/html; charset=utf-8"},
        {"html", "text/html; charset=utf-8"},
        {"ico", "image/vnd.microsoft.icon"},
        {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},
        {"js", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"md", "text/markdown; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"pdf", "application/pdf"},
        {"png", "image/png"},
        {"svg", "image/svg+xml"},
        {"tar", "application/x-tar"},
        {"txt", "text/plain; charset=utf-8"},
        {"wasm", "application/wasm"},
        {"wav", "audio/wav"},
        {"webm", "video/webm"},
        {"webp", "image/webp"},
        {"woff2", "font/woff2"},
        {"xml", "application/xml"},
        {"zip", "application/zip"},
    };
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    for (size_t i = 0; dot && i < VK_COUNT(types); i++)
        if (strcasecmp(dot + 1, types[i].end) == 0)
            return types[i].type;
    return NULL;
}
