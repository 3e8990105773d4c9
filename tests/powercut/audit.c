/* What the power-cut test does with the audit log: a program around keeper's writer.
 *
 *   audit run DIR     works below DIR/log and says on stdout which intents were acknowledged: "seq x began
 * ended", times of CLOCK_MONOTONIC in ns; ends as kill -9 does
 *   audit again DIR   goes on with what that left, and ends as it should
 *   audit check DIR   starts on what is there, then checks the whole and says which intents it holds: "seq
 * x"; exit code 1: something is wrong, and a sentence says what */
#include "core/clock.h"
#include "core/disk.h"
#include "keeper/audit_read.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

enum { AT_ONCE = 6, ROUNDS = 30 };

static vk_loop *loop;
static vk_audit *a;
static size_t due;

static void die(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    _exit(1);
}

static void begin(int root)
{
    static const uint8_t key[32] = "not a secret, made for this test";
    char why[VK_AUDIT_WHY];
    if (vk_disk_mkdir(root, "log", 0700) != VK_OK || vk_loop_new(&loop) != VK_OK)
        die("the data folder cannot be made");
    int fd = openat(root, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const vk_audit_place at = {.loop = loop,
                               .data_fd = fd,
                               .dir_fd = -1,
                               .sync = true,
                               .key = key,
                               .file_bytes = 12000,
                               .epoch_records = 25,
                               .reserve_bytes = 4096};
    if (vk_audit_prepare(&at, &a, why) != VK_OK)
        die(why);
}

static void durable(vk_audit_entry *e, vk_err err)
{
    if (err != VK_OK)
        die("a use was refused");
    VK_UNUSED(e);
    if (--due == 0)
        vk_loop_stop(loop);
}

static void use(int rounds)
{
    static vk_audit_entry all[AT_ONCE];
    if (vk_audit_start(a) != VK_OK)
        die("no thread");
    for (int r = 0; r < rounds; r++) {
        int64_t began = vk_clock_mono_ns();
        for (size_t i = 0; i < AT_ONCE; i++) {
            all[i] = (vk_audit_entry){.kind = VK_AUDIT_INTENT, .build = "demo", .durable = durable};
            snprintf(all[i].op, sizeof all[i].op, "some.call %d", r);
            if (vk_audit_write(a, &all[i]) != VK_OK)
                die("a use was refused");
            due++;
        }
        atomic_store(&loop->stopping, false);
        vk_loop_run(loop);
        for (size_t i = 0; i < AT_ONCE; i++) {
            const vk_audit_entry done = {.kind = VK_AUDIT_OUTCOME, .of = all[i].seq, .result = 200};
            vk_audit_entry copy = done;
            printf("%llu x %lld %lld\n", (unsigned long long)all[i].seq, (long long)began,
                   (long long)vk_clock_mono_ns());
            if (vk_audit_write(a, &copy) != VK_OK)
                die("an outcome was refused");
        }
        fflush(stdout);
    }
}

static bool tell(void *arg, const vk_audit_record *r, uint64_t file)
{
    vk_audit_keys k;
    VK_UNUSED(arg);
    VK_UNUSED(file);
    if (r->kind == VK_AUDIT_INTENT)
        printf("%llu x\n", (unsigned long long)r->seq);
    /* A new row of keys begins only where none had been stored yet: in the very first epoch. */
    if (r->kind == VK_AUDIT_FILE && vk_audit_keys_read(r->extra, &k) == VK_OK && k.first_epoch > 2)
        die("the stored epoch key was lost");
    return true;
}

static void found(void *arg, const vk_audit_finding *f)
{
    VK_UNUSED(arg);
    if (f->level == VK_AUDIT_WRONG)
        die(f->text);
}

static int check(int root)
{
    begin(root);
    vk_audit_state s;
    vk_audit_state_of(a, &s);
    if (s.sealed)
        die(s.why);
    vk_audit_end(a);
    int fd = openat(root, "log/audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    vk_audit_check c = {.dir_fd = fd, .found = found, .record = tell};
    if (vk_audit_verify(&c) != VK_OK)
        die("the log cannot be read");
    return 0;
}

int main(int argc, char **argv)
{
    int root = argc == 3 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root < 0 || sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 2;
    if (strcmp(argv[1], "check") == 0)
        return check(root);
    begin(root);
    use(ROUNDS);
    if (strcmp(argv[1], "again") == 0)
        vk_audit_end(a);
    _exit(0);
}
