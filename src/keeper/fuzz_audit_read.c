/* The reader of the audit log on any bytes: as a file of the log, as lines of checkpoints, as one record.
 * What decodes must encode to the same bytes. */
#include "keeper/audit_key.h"
#include "keeper/audit_read.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int dir_fd = -1;
static char path[] = "/tmp/vk-fuzz-audit-XXXXXX";

static void take_away(void)
{
    unlinkat(dir_fd, "0000000001.log", 0);
    rmdir(path);
}

static void begin(void)
{
    if (dir_fd >= 0)
        return;
    if (sodium_init() < 0 || vk_digest_init() != VK_OK || !mkdtemp(path))
        abort();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || atexit(take_away) != 0)
        abort();
}

static void spit(const char *name, vk_str bytes)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n)
        abort();
    close(fd);
}

/* A frame, CRC and chain made good, so that the reader gets to what is inside. */
static void frames(vk_str in, vk_buf *out)
{
    vk_audit_header head = {.number = 1};
    vk_hmac256_key key;
    uint8_t h[VK_SHA256];
    vk_hmac256_key_init(&key, VK_STR("k"));
    vk_audit_header_write(&head, out, h);
    while (in.n > 2) {
        size_t n = (size_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];
        in = (vk_str){in.p + 2, in.n - 2};
        n = n < in.n ? n : in.n;
        n = n < VK_AR_MAX ? n : VK_AR_MAX;
        if (n)
            vk_audit_frame_write((vk_str){in.p, n}, &key, h, out);
        in = (vk_str){in.p + n, in.n - n};
    }
}

static void verify(vk_str checkpoints)
{
    static const uint8_t secret[32] = {1};
    vk_audit_check c = {.dir_fd = dir_fd, .checkpoints = checkpoints, .secret = secret};
    vk_err e = vk_audit_verify(&c);
    if (e != VK_OK && e != VK_E_NEWER)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_str in = {(const char *)data, n};
    vk_audit_record r;
    vk_buf b;
    begin();
    vk_buf_init(&b, 4 << 20);
    if (vk_audit_decode(in, &r) == VK_OK) {
        vk_audit_encode(&r, &b);
        if (!vk_str_eq(vk_buf_view(&b), in))
            abort();
    }
    spit("0000000001.log", in);
    verify(in);
    vk_buf_clear(&b);
    frames(in, &b);
    if (b.err == VK_OK) {
        spit("0000000001.log", vk_buf_view(&b));
        verify(VK_STR_NONE);
    }
    vk_buf_free(&b);
    return 0;
}
