/* Archives: as they come, and as a list of members with right heads so that what lies behind the checksums is
 * reached too. Whatever is in them, what is handed on has a name of the list, in order, within its size. */
#include "backup/contents.h"
#include "backup/tar.h"
#include "backup/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct in {
    const uint8_t *p;
    size_t n, at;
};

static ssize_t read_in(void *arg, void *to, size_t n)
{
    struct in *in = arg;
    size_t some = in->n - in->at < n ? in->n - in->at : n;
    if (some > 700) /* as pipes do */
        some = 700;
    memcpy(to, in->p + in->at, some);
    in->at += some;
    return (ssize_t)some;
}

struct seen {
    char last[VK_TAR_NAME_MAX + 1];
    int64_t left;
    bool open;
};

static vk_err begin(void *arg, const char *name, int64_t size, char why[VK_UNPACK_WHY])
{
    struct seen *s = arg;
    int64_t most;
    VK_UNUSED(why);
    if (s->open || !vk_backup_name_ok(vk_str_z(name), &most) || size > most || strstr(name, "..") ||
        strstr(name, "//") || name[0] == '/' || vk_backup_order(vk_str_z(s->last), vk_str_z(name)) >= 0)
        abort();
    snprintf(s->last, sizeof s->last, "%s", name);
    s->left = size;
    s->open = true;
    return VK_OK;
}

static vk_err bytes(void *arg, vk_str piece, char why[VK_UNPACK_WHY])
{
    struct seen *s = arg;
    VK_UNUSED(why);
    s->left -= (int64_t)piece.n;
    if (!s->open || s->left < 0)
        abort();
    return VK_OK;
}

static vk_err end(void *arg, char why[VK_UNPACK_WHY])
{
    struct seen *s = arg;
    VK_UNUSED(why);
    if (!s->open || s->left)
        abort();
    s->open = false;
    return VK_OK;
}

static void look(const uint8_t *p, size_t n)
{
    struct in in = {p, n, 0};
    struct seen seen = {.left = 0};
    char why[VK_UNPACK_WHY];
    vk_unpacked got;
    const vk_unpack_source from = {read_in, &in};
    const vk_unpack_sink to = {begin, bytes, end, &seen};
    vk_err e = vk_unpack(&from, &to, &got, why);
    if ((e == VK_OK) != (in.at == n && got.files > 0 && !seen.open) && e == VK_OK)
        abort();
    if (e != VK_OK && !why[0])
        abort();
}

/* Input: a name of `n` bytes, a length of two bytes, the content; again and again. The first member is a good
 * backup.json. */
static void look_at_members(const uint8_t *p, size_t n)
{
    static const char info[] = "{\"valetkey_backup\":1,\"data_version\":1,\"program\":\"0.1.0\",\"created\":"
                               "\"1970-01-01T00:00:00.000Z\",\"secrets\":false}\n";
    enum { ROOM = 64 << 10 };
    static uint8_t out[ROOM];
    size_t at = 0;
    vk_tar_head h = {.name = VK_BACKUP_INFO, .size = sizeof info - 1};
    const uint8_t *content = (const uint8_t *)info;
    for (;;) {
        size_t padded = ((size_t)h.size + VK_TAR_BLOCK - 1) / VK_TAR_BLOCK * VK_TAR_BLOCK;
        if (at + VK_TAR_BLOCK + padded > ROOM || vk_tar_write(&h, out + at) != VK_OK)
            break;
        memset(out + at + VK_TAR_BLOCK, 0, padded);
        memcpy(out + at + VK_TAR_BLOCK, content, (size_t)h.size);
        at += VK_TAR_BLOCK + padded;
        if (n < 1 || n < 3u + p[0])
            break;
        size_t name = p[0] < VK_TAR_NAME_MAX ? p[0] : VK_TAR_NAME_MAX, length = p[1] | (p[2] & 7u) << 8;
        h = (vk_tar_head){.size = 0};
        memcpy(h.name, p + 3, name);
        p += 3 + name;
        n -= 3 + name;
        h.size = (int64_t)(length < n ? length : n);
        content = p;
        p += h.size;
        n -= (size_t)h.size;
    }
    look(out, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        look_at_members(data + 1, size - 1);
    else
        look(data + 1, size - 1);
    vk_backup_info info;
    if (vk_backup_info_read((vk_str){(const char *)data, size}, &info) ==
        VK_OK) { /* one text for each meaning */
        vk_buf again;
        vk_buf_init(&again, VK_BACKUP_INFO_MAX);
        vk_backup_info_write(&again, &info);
        if (!vk_str_eq(vk_buf_view(&again), (vk_str){(const char *)data, size}))
            abort();
        vk_buf_free(&again);
    }
    return 0;
}
