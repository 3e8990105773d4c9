#include "backup/pack.h"

#include "backup/contents.h"

#include "core/disk.h"
#include "core/encode.h"

#include <errno.h>
#include <unistd.h>

static vk_err failed(vk_pack *p)
{
    p->err = errno;
    return vk_disk_err(errno) == VK_E_FULL || errno == EFBIG ? VK_E_FULL : VK_E_IO;
}

static vk_err put(vk_pack *p, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t w = write(p->fd, at, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return failed(p);
        at += w;
        n -= (size_t)w;
        p->at += w;
    }
    return VK_OK;
}

static vk_err put_zeros(vk_pack *p, size_t n)
{
    static const uint8_t zeros[2 * VK_TAR_BLOCK];
    return put(p, zeros, n);
}

static vk_err head(vk_pack *p, const char *name, int64_t size)
{
    uint8_t block[VK_TAR_BLOCK];
    p->now = (vk_tar_head){.size = size, .mtime = p->info.created_ms / 1000};
    if (snprintf(p->now.name, sizeof p->now.name, "%s", name) >= (int)sizeof p->now.name)
        return VK_E_TOO_LARGE;
    p->left = size;
    crypto_hash_sha256_init(&p->sum);
    vk_err e = vk_tar_write(&p->now, block);
    return e == VK_OK ? put(p, block, sizeof block) : e;
}

vk_err vk_pack_bytes(vk_pack *p, vk_str piece)
{
    if (piece.n > (uint64_t)p->left)
        return VK_E_INVALID;
    p->left -= (int64_t)piece.n;
    crypto_hash_sha256_update(&p->sum, (const uint8_t *)piece.p, piece.n);
    return put(p, piece.p, piece.n);
}

static vk_err tail(vk_pack *p, uint8_t sha256[VK_SHA256])
{
    if (p->left)
        return VK_E_INVALID;
    crypto_hash_sha256_final(&p->sum, sha256);
    return put_zeros(p, (size_t)(-p->now.size & (VK_TAR_BLOCK - 1)));
}

/* A member that is all there. */
static vk_err whole(vk_pack *p, const char *name, vk_str content, uint8_t sha256[VK_SHA256])
{
    vk_err e = head(p, name, (int64_t)content.n);
    if (e == VK_OK)
        e = vk_pack_bytes(p, content);
    return e == VK_OK ? tail(p, sha256) : e;
}

vk_err vk_pack_begin(vk_pack *p, int fd, const vk_backup_info *info)
{
    uint8_t sha256[VK_SHA256];
    vk_buf text;
    *p = (vk_pack){.fd = fd, .info = *info};
    vk_buf_init(&p->manifest, VK_BACKUP_MANIFEST_MAX);
    vk_manifest_begin(&p->manifest, info);
    vk_buf_init(&text, VK_BACKUP_INFO_MAX);
    vk_backup_info_write(&text, info);
    vk_err e = text.err ? text.err : whole(p, VK_BACKUP_INFO, vk_buf_view(&text), sha256);
    vk_buf_free(&text);
    if (e == VK_OK)
        vk_manifest_file(&p->manifest, VK_STR(VK_BACKUP_INFO), p->now.size, sha256);
    return e == VK_OK ? p->manifest.err : e;
}

vk_err vk_pack_file(vk_pack *p, const char *name, int64_t size)
{
    int64_t most;
    snprintf(p->asked, sizeof p->asked, "%s", name);
    if (!vk_backup_name_ok(vk_str_z(name), &most) ||
        vk_backup_order(vk_str_z(p->now.name), vk_str_z(name)) >= 0)
        return VK_E_INVALID;
    return size > most ? VK_E_TOO_LARGE : head(p, name, size);
}

vk_err vk_pack_file_end(vk_pack *p)
{
    uint8_t sha256[VK_SHA256];
    vk_err e = tail(p, sha256);
    if (e != VK_OK)
        return e;
    vk_manifest_file(&p->manifest, vk_str_z(p->now.name), p->now.size, sha256);
    p->files++;
    p->bytes += p->now.size;
    return p->manifest.err;
}

vk_err vk_pack_from(vk_pack *p, const char *name, int fd, int64_t size)
{
    enum { PIECE = 64 << 10 };
    char *piece = malloc(PIECE);
    vk_err e = piece ? vk_pack_file(p, name, size) : VK_E_NOMEM;
    for (int64_t at = 0; e == VK_OK && at < size;) {
        ssize_t n = pread(fd, piece, size - at < PIECE ? (size_t)(size - at) : PIECE, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            e = n < 0 ? failed(p) : VK_E_INVALID;
        else
            e = vk_pack_bytes(p, (vk_str){piece, (size_t)n});
        at += n;
    }
    if (piece)
        vk_wipe(piece, PIECE); /* it may have been a secret's */
    free(piece);
    return e == VK_OK ? vk_pack_file_end(p) : e;
}

vk_pack_mark vk_pack_here(const vk_pack *p)
{
    return (vk_pack_mark){p->at, p->bytes, p->files, p->manifest.n};
}

vk_err vk_pack_back(vk_pack *p, vk_pack_mark to)
{
    if (ftruncate(p->fd, (off_t)to.at) != 0 || lseek(p->fd, (off_t)to.at, SEEK_SET) < 0)
        return failed(p);
    p->at = to.at;
    p->bytes = to.bytes;
    p->files = to.files;
    p->left = 0;
    vk_buf_truncate(&p->manifest, to.manifest);
    /* Names before the mark are smaller than any that was behind it, so the order holds from what is next. */
    snprintf(p->now.name, sizeof p->now.name, "%s", VK_BACKUP_INFO);
    return VK_OK;
}

vk_err vk_pack_end(vk_pack *p)
{
    uint8_t sha256[VK_SHA256];
    char digits[2 * VK_SHA256 + 1], sum[VK_BACKUP_SUM_MAX];
    vk_manifest_end(&p->manifest);
    vk_err e = p->manifest.err;
    if (e == VK_OK)
        e = whole(p, VK_BACKUP_MANIFEST, vk_buf_view(&p->manifest), sha256);
    if (e != VK_OK)
        return e;
    vk_hex(digits, sha256, VK_SHA256);
    snprintf(sum, sizeof sum, "%s  %s\n", digits, VK_BACKUP_MANIFEST);
    e = whole(p, VK_BACKUP_SUM, vk_str_z(sum), sha256);
    return e == VK_OK ? put_zeros(p, (size_t)2 * VK_TAR_BLOCK) : e;
}

void vk_pack_free(vk_pack *p)
{
    vk_buf_free(&p->manifest);
}
