#include "core/disk.h"
#include "core/random.h"
#include "crypto/seal.h"
#include "keeper/kek.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_MAX = 4096 };

typedef struct place {
    char root[64], data[80], key[96];
    vk_vault_place at;
    bool used;
} place;

static void path_in(char out[PATH_MAX], const char *folder, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    assert_true(n > 0 && n < PATH_MAX);
}

static int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->root, sizeof p->root, "/tmp/vk-test-vault-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->data, sizeof p->data, "%s/data", p->root);
    snprintf(p->key, sizeof p->key, "%s/data.key", p->root);
    assert_int_equal(mkdir(p->data, 0700), 0);
    p->at = (vk_vault_place){.data_fd = open(p->data, O_RDONLY | O_DIRECTORY), .data_dir = p->data};
    assert_true(p->at.data_fd >= 0);
    *state = p;
    return 0;
}

static void remove_at(int fd, const char *path)
{
    if (unlinkat(fd, path, 0) != 0)
        unlinkat(fd, path, AT_REMOVEDIR);
}

static int tear_down(void **state)
{
    place *p = *state;
    static const char *const names[] = {"data/vault/ring",
                                        "data/vault/ring.new",
                                        "data/vault/master",
                                        "data/vault/master.new",
                                        "data/vault",
                                        "data/valetkey.db",
                                        "data/builds",
                                        "data",
                                        "data.key",
                                        "data.key.new",
                                        "named.key",
                                        "link.key",
                                        "command.sh",
                                        "creds/" VK_KEK_CREDENTIAL,
                                        "creds"};
    int fd = open(p->root, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < VK_COUNT(names); i++)
        remove_at(fd, names[i]);
    close(fd);
    close(p->at.data_fd);
    assert_int_equal(rmdir(p->root), 0); /* nothing else was left behind */
    free(p);
    return 0;
}

static size_t slurp(const char *path, char out[FILE_MAX])
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, out, FILE_MAX);
    close(fd);
    return n < 0 ? 0 : (size_t)n;
}

static void spit(const char *path, const void *p, size_t n, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static void master_path(const place *p, char out[PATH_MAX])
{
    path_in(out, p->data, "vault/master");
}

static void open_ok(const place *p, uint8_t master[VK_MASTER], bool fresh)
{
    vk_vault v;
    char why[VK_VAULT_WHY];
    vk_err e = vk_vault_open(&p->at, &v, why);
    if (e != VK_OK)
        print_error("%s\n", why);
    assert_int_equal(e, VK_OK);
    assert_int_equal(v.kid, VK_KID);
    assert_int_equal(v.fresh, fresh);
    memcpy(master, v.master, VK_MASTER);
    vk_vault_close(&v);
}

/* Refused with that error and a sentence that names `word`, and no byte of the folder or the key file
 * changed. */
static void open_refused(const place *p, vk_err want, const char *word)
{
    static char before[2][FILE_MAX], after[2][FILE_MAX];
    char master[PATH_MAX], why[VK_VAULT_WHY];
    vk_vault v;
    master_path(p, master);
    size_t n0 = slurp(master, before[0]), n1 = slurp(p->key, before[1]);
    vk_err e = vk_vault_open(&p->at, &v, why);
    if (e != want || !strstr(why, word))
        print_error("%s: %s\n", vk_err_name(e), why);
    assert_int_equal(e, want);
    assert_non_null(strstr(why, word));
    assert_null(v.master);
    assert_int_equal(slurp(master, after[0]), n0);
    assert_int_equal(slurp(p->key, after[1]), n1);
    assert_memory_equal(before[0], after[0], n0);
    assert_memory_equal(before[1], after[1], n1);
}

static void first_start(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER], two[VK_MASTER];
    char path[PATH_MAX], file[FILE_MAX];
    struct stat st;
    open_ok(p, one, true);
    open_ok(p, two, false);
    assert_memory_equal(one, two, VK_MASTER);
    master_path(p, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(p->key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    path_in(path, p->data, "vault");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    /* The master stands nowhere in clear. */
    master_path(p, path);
    size_t n = slurp(path, file);
    assert_int_equal(n, VK_MASTER + 18 + 24 + 32 + 16);
    assert_null(memmem(file, n, one, VK_MASTER));
    n = slurp(p->key, file);
    assert_null(memmem(file, n, one, VK_MASTER));
}

static void two_folders_differ(void **state)
{
    place *p = *state;
    void *other;
    uint8_t one[VK_MASTER], two[VK_MASTER];
    set_up(&other);
    open_ok(p, one, true);
    open_ok(other, two, true);
    assert_memory_not_equal(one, two, VK_MASTER);
    tear_down(&other);
}

static void wrong_key(void **state)
{
    place *p = *state;
    void *other;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char mine[FILE_MAX], theirs[FILE_MAX];
    open_ok(p, one, true);
    set_up(&other);
    open_ok(other, back, true);
    size_t n_mine = slurp(p->key, mine), n_theirs = slurp(((place *)other)->key, theirs);
    spit(p->key, theirs, n_theirs, 0600);
    open_refused(p, VK_E_CORRUPT, "another key");
    spit(p->key, mine, n_mine, 0600);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    tear_down(&other);
}

static void flipped_bytes_of(place *p, const char *file)
{
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char path[PATH_MAX], good[FILE_MAX], bad[FILE_MAX];
    open_ok(p, one, !p->used);
    p->used = true;
    path_in(path, p->data, file);
    size_t n = slurp(path, good);
    assert_true(n > 100);
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, good, n);
        bad[i] = (char)(bad[i] ^ 0x20);
        spit(path, bad, n, 0600);
        open_refused(p, VK_E_CORRUPT, "");
    }
    for (size_t cut = 0; cut < n; cut += 13) { /* torn */
        spit(path, good, cut, 0600);
        open_refused(p, VK_E_CORRUPT, "does not open");
    }
    memset(bad, 0, sizeof bad); /* longer */
    memcpy(bad, good, n);
    spit(path, bad, sizeof bad, 0600);
    open_refused(p, VK_E_CORRUPT, "does not open");
    spit(path, good, n, 0600);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
}

static void every_flipped_byte(void **state)
{
    flipped_bytes_of(*state, "vault/master");
    flipped_bytes_of(*state, "vault/ring");
}

static void missing_key(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char key[FILE_MAX];
    struct stat st;
    open_ok(p, one, true);
    size_t n = slurp(p->key, key);
    unlink(p->key);
    open_refused(p, VK_E_NOT_FOUND, p->key);
    assert_int_not_equal(stat(p->key, &st), 0); /* no new one was made */
    spit(p->key, key, n, 0600);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
}

static void missing_master(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER];
    char path[PATH_MAX], db[PATH_MAX];
    struct stat st;
    open_ok(p, one, true);
    path_in(db, p->data, "valetkey.db");
    spit(db, "x", 1, 0600);
    master_path(p, path);
    unlink(path);
    open_refused(p, VK_E_NOT_FOUND, "vault/master is missing");
    assert_int_not_equal(stat(path, &st), 0);
}

static void key_file_of_others(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER];
    open_ok(p, one, true);
    assert_int_equal(chmod(p->key, 0640), 0);
    open_refused(p, VK_E_FORBIDDEN, "chmod 600");
    assert_int_equal(chmod(p->key, 0400), 0);
    open_ok(p, one, false);
}

static void unreadable_key_texts(void **state)
{
    static const char *const texts[] = {
        "",
        "# only a comment\n",
        "AAAA\n",
        "not base64 at all, but long enough to be taken for it\n",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"};
    place *p = *state;
    uint8_t one[VK_MASTER];
    open_ok(p, one, true);
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        spit(p->key, texts[i], strlen(texts[i]), 0600);
        open_refused(p, VK_E_CORRUPT, "is not a key file");
    }
}

static void named_file_and_credential(void **state)
{
    static const char a[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                      b[] = "# made by hand\r\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\r\n";
    place *p = *state;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char named[PATH_MAX], link_to[PATH_MAX], creds[PATH_MAX], cred[PATH_MAX];
    struct stat st;
    path_in(named, p->root, "named.key");
    p->at.key_file = named;
    open_refused(p, VK_E_NOT_FOUND, "does not exist"); /* a named file is never made */
    spit(named, b, sizeof b - 1, 0400);
    open_ok(p, one, true);
    assert_int_not_equal(stat(p->key, &st), 0); /* nor one beside it */
    path_in(link_to, p->root, "link.key");      /* as a secret mount has it */
    assert_int_equal(symlink("named.key", link_to), 0);
    p->at.key_file = link_to;
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    /* The credential comes first, and when it does not fit nothing else is tried. */
    path_in(creds, p->root, "creds");
    path_in(cred, creds, VK_KEK_CREDENTIAL);
    assert_int_equal(mkdir(creds, 0700), 0);
    p->at.credentials_dir = creds;
    open_ok(p, back, false); /* the folder has no such credential */
    spit(cred, a, sizeof a - 1, 0400);
    open_refused(p, VK_E_CORRUPT, "systemd credential");
    spit(cred, b, sizeof b - 1, 0400);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    /* Without its name the vault is not opened with anything else, and no key is made. */
    p->at.credentials_dir = p->at.key_file = NULL;
    open_refused(p, VK_E_NOT_FOUND, "--key-file");
    assert_int_not_equal(stat(p->key, &st), 0);
}

/* ---- other sources */

#define SOME_KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static void script(char path[PATH_MAX], const place *p, const char *text)
{
    path_in(path, p->root, "command.sh");
    spit(path, text, strlen(text), 0700);
}

static void key_command(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char path[PATH_MAX], command[PATH_MAX + 64];
    struct stat st;
    setenv("VALETKEY_TEST_SECRET", "x", 1);
    script(path, p,
           "#!/bin/sh\n[ -z \"$VALETKEY_TEST_SECRET\" ] || exit 9\n[ \"$1\" = \"a b\" ] || exit 8\n"
           "echo '# made by a test'; echo " SOME_KEY "\n");
    snprintf(command, sizeof command, "[\"%s\",\"a b\"]", path);
    p->at.key_command = command;
    open_ok(p, one, true);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    assert_int_not_equal(stat(p->key, &st), 0);        /* no key file is made */
    snprintf(command, sizeof command, "%s a b", path); /* words: "a", "b" */
    open_refused(p, VK_E_UNAVAILABLE, "failed (8)");
    script(path, p, "#!/bin/sh\n[ \"$2\" = b ] && echo " SOME_KEY "\n");
    snprintf(command, sizeof command, "  %s   a b ", path);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    script(path, p, "#!/bin/sh\necho AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"); /* another key */
    open_refused(p, VK_E_CORRUPT, "does not open with the key command");
    script(path, p, "#!/bin/sh\necho hello\n");
    open_refused(p, VK_E_CORRUPT, "did not print a key");
    script(path, p, "#!/bin/sh\nyes " SOME_KEY "\n");
    open_refused(p, VK_E_CORRUPT, "did not print a key");
    script(path, p, "#!/bin/sh\necho " SOME_KEY "; exit 3\n"); /* what failed is not believed */
    open_refused(p, VK_E_UNAVAILABLE, "failed (3)");
    script(path, p, "not a program");
    open_refused(p, VK_E_NOT_FOUND, "cannot be run");
    unlink(path);
    open_refused(p, VK_E_NOT_FOUND, "cannot be run");
    p->at.key_command = "echo " SOME_KEY;
    open_refused(p, VK_E_INVALID, "absolute path");
    p->at.key_command = "[\"/bin/echo\", 1]";
    open_refused(p, VK_E_INVALID, "absolute path");
    p->at.key_command = NULL; /* without it nothing else is tried, and no key is made */
    open_refused(p, VK_E_NOT_FOUND, "");
    assert_int_not_equal(stat(p->key, &st), 0);
    unsetenv("VALETKEY_TEST_SECRET");
}

static void passphrase(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char named[PATH_MAX], ring[PATH_MAX], file[FILE_MAX];
    path_in(named, p->root, "named.key");
    path_in(ring, p->data, "vault/ring");
    p->at.passphrase_file = named;
    open_refused(p, VK_E_NOT_FOUND, "");
    spit(named, "too short\n", 10, 0600);
    open_refused(p, VK_E_INVALID, "passphrase");
    static const char text[] = "correct horse battery\n", other[] = "correct horse batterie\n";
    spit(named, text, sizeof text - 1, 0644);
    open_refused(p, VK_E_FORBIDDEN, "chmod 600");
    spit(named, text, sizeof text - 1, 0600);
    open_ok(p, one, true);
    spit(named, text, sizeof text - 2, 0600); /* the line break is no part of it */
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    assert_true(slurp(ring, file) > 32);
    assert_memory_equal(file, "VKR1\0\0\0\x04\0\x01\0\0\0\0\0\x01", 16); /* t 4, 64 MiB, p 1 */
    spit(named, other, sizeof other - 1, 0600);
    open_refused(p, VK_E_CORRUPT, "does not open with the passphrase");
    p->at.passphrase_file = NULL;
    spit(p->key, SOME_KEY "\n", sizeof SOME_KEY, 0600); /* a key is no passphrase */
    open_refused(p, VK_E_CORRUPT, "was sealed with a passphrase");
    unlink(p->key);
}

/* A change of the key that was cut off between its second and its third step. */
static void rekey_is_finished(void **state)
{
    place *p = *state;
    uint8_t one[VK_MASTER], back[VK_MASTER];
    char next[PATH_MAX], why[VK_VAULT_WHY], before[FILE_MAX], after[FILE_MAX];
    vk_vault v;
    open_ok(p, one, true);
    size_t n = slurp(p->key, before);
    assert_int_equal(vk_vault_open(&p->at, &v, why), VK_OK);
    snprintf(next, sizeof next, "%s" VK_KEY_NEXT, p->key);
    assert_int_equal(vk_key_file_make(next, v.ring->kek, why), VK_OK); /* makes it, and tells the key */
    open_ok(p, back, false);                                           /* step 1 alone changes nothing */
    assert_int_equal(slurp(p->key, after), n);
    v.ring->version++;
    assert_int_equal(vk_ring_write(v.ring, v.fd), VK_OK);
    vk_vault_close(&v);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    assert_int_equal(slurp(next, after), 0);
    assert_int_equal(slurp(p->key, after), n);
    assert_memory_not_equal(before, after, n);
    open_ok(p, back, false);
    glob_t kept;
    char pattern[PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s.until-*", p->key); /* older backups need it */
    assert_int_equal(glob(pattern, 0, NULL, &kept), 0);
    assert_int_equal(kept.gl_pathc, 1);
    assert_int_equal(slurp(kept.gl_pathv[0], after), n);
    assert_memory_equal(before, after, n);
    unlink(kept.gl_pathv[0]);
    globfree(&kept);
}

/* Data of before version 3: the master alone, under the key-encryption key. */
static void data_without_a_ring(void **state)
{
    place *p = *state;
    static const char key[] = SOME_KEY "\n";
    uint8_t kek[32], one[VK_MASTER], back[VK_MASTER];
    char path[PATH_MAX], ring[PATH_MAX], old[FILE_MAX];
    vk_buf sealed;
    memset(kek, 1, sizeof kek);
    memset(one, 7, sizeof one);
    spit(p->key, key, sizeof key - 1, 0600);
    vk_buf_init(&sealed, 4096);
    const vk_seal_place where = {
        .table = VK_STR("master"), .record = VK_STR("master"), .version = 1, .key_id = VK_KID};
    assert_int_equal(vk_seal(kek, &where, (vk_str){(char *)one, sizeof one}, &sealed), VK_OK);
    path_in(path, p->data, "vault");
    assert_int_equal(mkdir(path, 0700), 0);
    master_path(p, path);
    path_in(ring, p->data, "vault/ring");
    spit(path, sealed.p, sealed.n, 0600);
    size_t n = sealed.n;
    memcpy(old, sealed.p, n);
    vk_buf_free(&sealed);
    spit(p->key, "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n", 45, 0600);
    open_refused(p, VK_E_CORRUPT, "another key"); /* and no ring is sealed under a wrong one */
    assert_int_equal(slurp(ring, old), 0);
    memset(old, 0, sizeof old);
    n = slurp(path, old);
    spit(p->key, key, sizeof key - 1, 0600);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    assert_true(slurp(ring, (char[FILE_MAX]){0}) > 100);
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    spit(path, old, n, 0600); /* a kill between the ring and the master */
    open_ok(p, back, false);
    assert_memory_equal(one, back, VK_MASTER);
    unlink(ring); /* the master is sealed under what was in it */
    open_refused(p, VK_E_NOT_FOUND, "no vault/ring");
}

/* Randomness is asked for at each step that makes something: the key file, what is in the ring, its seal, the
 * master, its seal. */
static int die_at;

static void dying_source(void *out, size_t n)
{
    if (die_at-- == 0)
        kill(getpid(), SIGKILL);
    randombytes_buf(out, n);
}

static void killed_between_steps(void **state)
{
    for (int step = 0; step < 9; step++) {
        void *mine;
        char before[FILE_MAX], after[FILE_MAX];
        int status;
        set_up(&mine);
        place *p = mine;
        pid_t pid = fork();
        if (pid == 0) {
            vk_vault v;
            char why[VK_VAULT_WHY];
            die_at = step;
            vk_random_source(dying_source);
            _exit(vk_vault_open(&p->at, &v, why) == VK_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (step < 8)
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        /* What a kill during a write leaves: a torn temporary file. */
        char torn[PATH_MAX];
        path_in(torn, p->data, "vault/master.new");
        if (step)
            spit(torn, "VKS1", 4, 0600);
        size_t n = slurp(p->key, before);
        assert_int_equal(n > 0, step > 0); /* the key file is complete before the master is begun */
        uint8_t one[VK_MASTER], two[VK_MASTER];
        open_ok(p, one, step < 8);
        open_ok(p, two, false);
        assert_memory_equal(one, two, VK_MASTER);
        if (n) { /* a key file that is there is used, never replaced */
            assert_int_equal(slurp(p->key, after), n);
            assert_memory_equal(before, after, n);
        }
        tear_down(&mine);
    }
    VK_UNUSED(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_folders_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_master, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_file_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unreadable_key_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(named_file_and_credential, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passphrase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rekey_is_finished, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_without_a_ring, set_up, tear_down),
        cmocka_unit_test(killed_between_steps),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
