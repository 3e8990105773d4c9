#include "backup/tar.h"

/* Where the fields are; all else is zero. */
enum {
    NAME = 0,
    NAME_N = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    CHECK = 148,
    TYPE = 156,
    MAGIC = 257,
    DEV_MAJOR = 329,
    DEV_MINOR = 337,
    PREFIX = 345,
    PREFIX_N = 155,
};

/* `digits` octal digits and a NUL. */
static void put_octal(uint8_t *at, int digits, int64_t v)
{
    at[digits] = '\0';
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + (v & 7));
        v >>= 3;
    }
}

static bool get_octal(const uint8_t *at, int digits, int64_t *out_r)
{
    int64_t v = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '7')
            return false;
        v = v << 3 | (at[i] - '0');
    }
    *out_r = v;
    return at[digits] == '\0';
}

/* Sum of all bytes, those of the sum itself as blanks. */
static int64_t sum_of(const uint8_t block[VK_TAR_BLOCK])
{
    int64_t sum = 0;
    for (int i = 0; i < VK_TAR_BLOCK; i++)
        sum += i >= CHECK && i < TYPE ? ' ' : block[i];
    return sum;
}

vk_err vk_tar_write(const vk_tar_head *h, uint8_t out[VK_TAR_BLOCK])
{
    size_t n = strlen(h->name), cut = 0;
    if (n == 0 || h->size < 0 || h->size > VK_TAR_SIZE_MAX || h->mtime < 0 || h->mtime > VK_TAR_SIZE_MAX)
        return VK_E_TOO_LARGE;
    if (n > NAME_N) { /* the shortest front part that leaves no more than a name may have */
        for (cut = n - NAME_N - 1; h->name[cut] && h->name[cut] != '/'; cut++)
            continue;
        if (!h->name[cut] || !h->name[cut + 1] || cut == 0 || cut > PREFIX_N)
            return VK_E_TOO_LARGE;
    }
    memset(out, 0, VK_TAR_BLOCK);
    memcpy(out + PREFIX, h->name, cut);
    memcpy(out + NAME, h->name + (cut ? cut + 1 : 0), n - (cut ? cut + 1 : 0));
    put_octal(out + MODE, 7, 0600);
    put_octal(out + UID, 7, 0);
    put_octal(out + GID, 7, 0);
    put_octal(out + SIZE, 11, h->size);
    put_octal(out + MTIME, 11, h->mtime);
    out[TYPE] = '0';
    memcpy(out + MAGIC, "ustar\00000", 8);
    put_octal(out + DEV_MAJOR, 7, 0);
    put_octal(out + DEV_MINOR, 7, 0);
    put_octal(out + CHECK, 6, sum_of(out));
    out[CHECK + 7] = ' ';
    return VK_OK;
}

vk_err vk_tar_read(const uint8_t in[VK_TAR_BLOCK], vk_tar_head *out_r)
{
    uint8_t again[VK_TAR_BLOCK];
    vk_tar_head h = {.size = 0};
    size_t prefix = strnlen((const char *)in + PREFIX, PREFIX_N),
           name = strnlen((const char *)in + NAME, NAME_N);
    static const uint8_t zeros[VK_TAR_BLOCK];
    if (memcmp(in, zeros, VK_TAR_BLOCK) == 0)
        return VK_E_NOT_FOUND;
    if (prefix + 1 + name > VK_TAR_NAME_MAX || !get_octal(in + SIZE, 11, &h.size) ||
        !get_octal(in + MTIME, 11, &h.mtime))
        return VK_E_INVALID;
    memcpy(h.name, in + PREFIX, prefix);
    if (prefix)
        h.name[prefix++] = '/';
    memcpy(h.name + prefix, in + NAME, name);
    if (vk_tar_write(&h, again) != VK_OK || memcmp(in, again, VK_TAR_BLOCK) != 0)
        return VK_E_INVALID;
    *out_r = h;
    return VK_OK;
}
