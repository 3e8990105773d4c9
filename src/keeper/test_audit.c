/* The audit log with its real thread, and a disk that fails. */
#include "keeper/test_audit.h"

#include "core/disk.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- at peace */

static void first_log(void **state)
{
    logged *l = *state;
    vk_audit_state s;
    begin_log_of(l, true);
    use_and_answer(l);
    use_and_answer(l);
    assert_int_equal(change(l, "keys.set stripe", "", 4), VK_OK);
    vk_audit_state_of(l->a, &s);
    assert_false(s.sealed);
    assert_string_equal(s.why, "");
    assert_int_equal(s.seq, 7); /* FILE, START, I, O, I, O, C */
    assert_int_equal(s.records, 6);
    assert_true(s.reserve_bytes >= l->at.reserve_bytes);
    end_log(l);
    check_sound(l);
    assert_string_equal(l->kinds, "FSIOIOCE");
    assert_int_equal(l->check.checkpoints_signed, 1);
    assert_int_equal(l->check.undone, 0);
    assert_memory_equal(l->check.signed_by, s.public_key, 32);
    begin_log_of(l, true); /* goes on in the same file, in another epoch */
    use_and_answer(l);
    vk_audit_state_of(l->a, &s);
    assert_int_equal(s.epoch, 3);
    end_log(l);
    check_sound(l);
    assert_string_equal(l->kinds, "FSIOIOCESIOE");
    assert_int_equal(count_files(l), 1);
}

static void an_empty_end(void **state)
{
    logged *l = *state;
    begin_log_of(l, false); /* never started, as when a fence cannot be closed */
    end_log(l);
    vk_audit_end(NULL);
    check_sound(l);
    assert_string_equal(l->kinds, "FSE");
}

/* Texts that come from a vendor cannot break a line, and are no longer than they may be. */
static void hostile_texts(void **state)
{
    logged *l = *state;
    begin_log_of(l, true);
    vk_audit_entry e = intent_of(l);
    memset(e.op, 'x', sizeof e.op); /* without a NUL */
    memcpy(e.host, "a\nb\x7f\x1b[2J", 9);
    assert_int_equal(vk_audit_write(l->a, &e), VK_OK);
    l->due++;
    run(l);
    assert_int_equal(l->last, VK_OK);
    end_log(l);
    check_sound(l);
}

enum { MANY = 2000 };

static void group_commit(void **state)
{
    logged *l = *state;
    static vk_audit_entry all[MANY];
    vk_audit_state s;
    begin_log_of(l, true);
    atomic_store(&sync_wait_ms, 3);
    for (size_t i = 0; i < MANY; i++) {
        all[i] = intent_of(l);
        assert_int_equal(vk_audit_write(l->a, &all[i]), VK_OK);
        l->due++;
    }
    run(l);
    for (size_t i = 1; i < MANY; i++) {
        assert_int_equal(all[i].err, VK_OK);
        assert_int_equal(all[i].seq, all[i - 1].seq + 1); /* in the order of the calls */
    }
    assert_int_equal(l->seqs, all[MANY - 1].seq); /* and so were they answered */
    vk_audit_state_of(l->a, &s);
    assert_true(s.syncs < 60); /* 2,000 uses */
    end_log(l);
    check_sound(l);
    assert_int_equal(l->check.undone, MANY);
}

static void the_queue_is_bounded(void **state)
{
    logged *l = *state;
    static vk_audit_entry all[VK_AUDIT_WAITING + VK_AUDIT_WAITING];
    size_t taken = 0;
    vk_err e = VK_OK;
    begin_log_of(l, true);
    atomic_store(&sync_wait_ms, 300);
    for (; e == VK_OK && taken < VK_COUNT(all); taken += e == VK_OK) {
        all[taken] = intent_of(l);
        e = vk_audit_write(l->a, &all[taken]);
        l->due += e == VK_OK;
    }
    assert_int_equal(e, VK_E_BUSY);
    assert_true(taken >= VK_AUDIT_WAITING);
    assert_int_equal(outcome(l, 3), VK_OK); /* what ends a use is taken all the same */
    atomic_store(&sync_wait_ms, 0);
    run(l);
    end_log(l);
    check_sound(l);
}

static void without_sync(void **state)
{
    logged *l = *state;
    l->at.sync = false;
    begin_log_of(l, true);
    int before = atomic_load(&n_syncs);
    for (int i = 0; i < 50; i++)
        use_and_answer(l);
    assert_true(atomic_load(&n_syncs) - before <= 3); /* one a second, on a machine with its hands full */
    assert_int_equal(change(l, "keys.set stripe", "", 1), VK_OK);
    assert_true(atomic_load(&n_syncs) > before); /* changes are */
    end_log(l);
    check_sound(l);
    assert_int_equal(l->check.undone, 0);
}

/* On the loop itself, with the writer beside it. */
static void written_at_once(void **state)
{
    logged *l = *state;
    uint64_t last = 0;
    int now = 0;
    vk_audit_entry e = intent_of(l);
    begin_log_of(l, true);
    assert_int_equal(vk_audit_write_now(l->a, &e), VK_AGAIN); /* it has to be synced */
    end_log(l);
    l->at.sync = false;
    begin_log_of(l, true);
    int before = atomic_load(&n_syncs);
    for (int i = 0; i < 500; i++) {
        e = intent_of(l);
        vk_err err = vk_audit_write_now(l->a, &e);
        if (err == VK_AGAIN) {
            assert_int_equal(use(l), VK_OK);
            e.seq = l->seq;
        } else {
            assert_int_equal(err, VK_OK);
            now++;
        }
        assert_true(e.seq > last);
        last = e.seq;
        if (i % 50 == 0)
            assert_int_equal(change(l, "keys.set stripe", "", (uint64_t)i + 1), VK_OK);
        assert_int_equal(outcome(l, e.seq), VK_OK);
    }
    assert_true(now > 250);
    assert_true(atomic_load(&n_syncs) - before <= 10 + 3); /* the changes, and one a second */
    atomic_store(&write_errno, ENOSPC);
    e = intent_of(l);
    assert_int_equal(vk_audit_write_now(l->a, &e), VK_E_UNAVAILABLE);
    atomic_store(&write_errno, 0);
    end_log(l);
    check_sound(l);
    assert_true(l->check.undone <= 1); /* an outcome that went along with the use that could not be written */
}

/* ---- epochs, files, versions */

static void epochs_by_number(void **state)
{
    logged *l = *state;
    uint8_t public_key[32], secret[32], other[32];
    crypto_box_keypair(public_key, secret);
    randombytes_buf(other, sizeof other);
    l->at.epoch_records = 5;
    l->at.auditor = public_key;
    l->at.checkpoints = l->sink;
    begin_log_of(l, true);
    for (int i = 0; i < 20; i++)
        use_and_answer(l);
    end_log(l);
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    vk_str lines = slurp(l->sink);
    if (check_with(l, lines, secret))
        print_error("%s", l->found);
    assert_int_equal(l->check.wrong, 0);
    assert_true(l->check.checkpoints_signed >= 8);
    assert_int_equal(l->check.checkpoints_met, l->check.checkpoints_signed);
    assert_int_equal(l->check.macs, l->check.records); /* all of it with the auditor's key */
    assert_int_equal(check_with(l, lines, other), 0);
    assert_int_equal(l->check.macs, 0);
    check_says(l, "not sealed to that auditor's key");
    drop_str(lines);
}

/* The clock of an epoch is the monotonic one; nobody has to write for it to end. */
static void epochs_by_time(void **state)
{
    logged *l = *state;
    vk_audit_state s;
    struct timespec t = {0, 5000000};
    l->at.epoch_ms = 30;
    begin_log_of(l, true);
    use_and_answer(l);
    do {
        nanosleep(&t, NULL);
        vk_audit_state_of(l->a, &s);
    } while (s.epoch < 2);
    uint64_t seq;
    do { /* an epoch without records has no checkpoint: it comes to rest */
        seq = s.seq;
        for (int i = 0; i < 30; i++)
            nanosleep(&t, NULL);
        vk_audit_state_of(l->a, &s);
    } while (s.seq != seq);
    end_log(l);
    check_sound(l);
}

static void another_auditor(void **state)
{
    logged *l = *state;
    uint8_t pk[2][32], sk[2][32];
    for (int i = 0; i < 2; i++) {
        crypto_box_keypair(pk[i], sk[i]);
        l->at.auditor = pk[i];
        begin_log_of(l, true);
        use_and_answer(l);
        end_log(l);
    }
    assert_int_equal(count_files(l), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(check_with(l, VK_STR_NONE, sk[i]), 0);
        assert_int_equal(l->check.macs, 5); /* his file's */
    }
}

static void versions(void **state)
{
    logged *l = *state;
    l->at.file_bytes = 2000;
    begin_log_of(l, true);
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 0);
    assert_int_equal(change(l, "keys.set stripe", "", 3), VK_OK);
    assert_int_equal(change(l, "keys.set stripe", "", 4), VK_OK);
    assert_int_equal(change(l, "keys.set turso", "shop", 9), VK_OK);
    assert_int_equal(change(l, "driver clerk", "shop", 0), VK_OK); /* of no record */
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 4);
    for (int i = 0; i < 40; i++)
        use_and_answer(l);
    assert_true(count_files(l) > 3);
    end_log(l);
    begin_log_of(l, true);
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 4);
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("build/shop/turso")), 9);
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("build/shop/clerk")), 0);
    end_log(l);
    check_sound(l);
}

static void old_files_go(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    l->at.file_bytes = 2000;
    l->at.keep_ms = 1000 * 3600;
    l->at.settle_ms = 1;
    begin_log_of(l, true);
    for (int i = 0; i < 60; i++)
        use_and_answer(l);
    size_t n = count_files(l);
    assert_true(n > 8);
    end_log(l);
    /* Two hours later; a leap alone, while it runs, removes nothing. */
    vk_clock_offset(2 * 3600 * 1000);
    l->at.file_bytes = 0;
    begin_log_of(l, true);
    assert_int_equal(change(l, "keys.set stripe", "", 1), VK_OK);
    struct timespec t = {0, 5000000};
    while (count_files(l) > VK_AUDIT_KEEP_FILES)
        nanosleep(&t, NULL);
    end_log(l);
    assert_int_equal(count_files(l), VK_AUDIT_KEEP_FILES);
    check_sound(l);
    assert_int_not_equal(l->check.first_seq, 1);
    uint64_t *all;
    int fd = audit_dir(l);
    assert_int_equal(vk_audit_files(fd, &all, &n), VK_OK);
    path_of(l, (unsigned)all[0], path);
    free(all);
    close(fd);
    unlink(path); /* one more, of which nothing is said */
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "the log does not say who removed them");
}

/* All that was written has been answered, so nothing looks at the clock while it is moved. */
static void move_clock(logged *l, int64_t ms)
{
    use_and_answer(l);
    assert_int_equal(change(l, "keys.check stripe", "", 1), VK_OK);
    vk_clock_offset(ms);
}

static void clock_leaps(void **state)
{
    logged *l = *state;
    begin_log_of(l, true);
    move_clock(l, -3600 * 1000);
    move_clock(l, 86400LL * 365 * 1000);
    use_and_answer(l);
    end_log(l);
    vk_clock_offset(0); /* it starts in the past of its last record */
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    assert_string_equal(l->kinds, "FSIOCKIOCKIOEKSIOE");
    check_says(l, "the clock leapt by -3");
    check_says(l, "the clock leapt by 315");
    check_says(l, "the clock leapt by -315");
}

/* ---- files that are taken away */

typedef enum harm { REMOVED, RENAMED, CUT, LINKED, EXCHANGED, GROWN, HARMS } harm;

static void do_harm(logged *l, harm h)
{
    char path[PATH_MAX], other[PATH_MAX];
    vk_str bytes;
    path_of(l, 1, path);
    snprintf(other, sizeof other, "%s/elsewhere", l->path);
    switch (h) {
    case REMOVED:
        assert_int_equal(unlink(path), 0);
        break;
    case RENAMED:
        assert_int_equal(rename(path, other), 0);
        break;
    case CUT:
        assert_int_equal(truncate(path, 300), 0);
        break;
    case LINKED:
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(symlink(other, path), 0);
        break;
    case EXCHANGED:
        bytes = slurp(path);
        assert_int_equal(unlink(path), 0);
        spit(path, bytes);
        drop_str(bytes);
        break;
    default: {
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
    }
    }
}

/* When nothing is written any more, its end notices. */
static void gone_at_the_end(void **state)
{
    logged *l = *state;
    begin_log_of(l, true);
    assert_int_equal(change(l, "keys.set stripe", "", 7), VK_OK);
    do_harm(l, REMOVED);
    end_log(l);
    assert_int_equal(count_files(l), 1);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "(gone)");
    begin_log_of(l, true);
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 7);
}

static void taken_away(void **state)
{
    VK_UNUSED(state);
    static const char *const says[HARMS] = {"files before it are missing",
                                            "files before it are missing",
                                            "ends within it",
                                            "header is damaged",
                                            NULL,
                                            NULL};
    for (harm h = 0; h < HARMS; h++) {
        void *mine;
        vk_audit_state s;
        set_up(&mine);
        logged *l = mine;
        begin_log_of(l, true);
        use_and_answer(l);
        assert_int_equal(change(l, "keys.set stripe", "", 7), VK_OK);
        do_harm(l, h);
        use_and_answer(l); /* goes on, in another file that says so */
        vk_audit_state_of(l->a, &s);
        assert_false(s.sealed);
        assert_int_equal(s.files, 1);
        assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 7);
        end_log(l);
        check_with(l, VK_STR_NONE, NULL);
        assert_int_equal(l->check.wrong > 0, says[h] != NULL);
        if (says[h])
            check_says(l, says[h]);
        else
            check_says(l, "was left behind its record");
        begin_log_of(l, true); /* and after a restart */
        assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 7);
        use_and_answer(l);
        end_log(l);
        tear_down(&mine);
    }
}

static void folder_taken_away(void **state)
{
    logged *l = *state;
    char path[PATH_MAX], other[PATH_MAX];
    snprintf(path, sizeof path, "%s/audit", l->path);
    snprintf(other, sizeof other, "%s/audit.old", l->path);
    begin_log_of(l, true);
    use_and_answer(l);
    assert_int_equal(rename(path, other), 0);
    spit(path, VK_STR("in the way")); /* so that none can be made */
    assert_int_equal(use(l), VK_E_UNAVAILABLE);
    wait_sealed(l, true);
    assert_int_equal(use(l), VK_E_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(other, path), 0);
    wait_sealed(l, false);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    check_says(l, "(moved)");
}

/* ---- a disk that fails */

static void failed_sync(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    struct stat st;
    begin_log_of(l, true);
    use_and_answer(l);
    path_of(l, 1, path);
    assert_int_equal(stat(path, &st), 0);
    atomic_store(&bad_ino, st.st_ino);
    atomic_store(&sync_errno, EIO);
    use_and_answer(l); /* in a new file */
    use_and_answer(l);
    int syncs = atomic_load(&n_syncs);
    off_t size = (stat(path, &st), st.st_size);
    use_and_answer(l);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size); /* nothing is written to the bad one any more */
    assert_int_equal(atomic_load(&n_syncs), syncs + 1);
    disk_works();
    end_log(l);
    check_sound(l);
    check_says(l, "(io)");
    assert_int_equal(count_files(l), 2);
    assert_true(l->check.undone <= 1); /* an outcome that was not synced when the file was lost */
}

static void failed_write(void **state)
{
    logged *l = *state;
    begin_log_of(l, true);
    use_and_answer(l);
    atomic_store(&write_part, 40); /* a torn one */
    atomic_store(&write_errno, EIO);
    assert_int_equal(use(l), VK_E_UNAVAILABLE); /* no file at all can be written */
    wait_sealed(l, true);
    assert_int_equal(use(l), VK_E_UNAVAILABLE); /* at once */
    disk_works();
    wait_sealed(l, false);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    check_says(l, "(io)");
}

static void full_disk(void **state)
{
    logged *l = *state;
    vk_audit_state s;
    uint64_t before = 0;
    begin_log_of(l, true);
    use_and_answer(l);
    assert_int_equal(use(l), VK_OK);
    before = l->seq;
    atomic_store(&allocate_errno, ENOSPC);
    vk_err e = VK_OK;
    for (int i = 0; e == VK_OK && i < 1000; i++) /* until what was allocated ahead is used up */
        e = use(l);
    assert_int_equal(e, VK_E_UNAVAILABLE);
    vk_audit_state_of(l->a, &s);
    assert_true(s.sealed && s.low);
    assert_non_null(strstr(s.why, "disk is full"));
    assert_true(s.reserve_bytes >= l->at.reserve_bytes / 2);
    assert_int_equal(outcome(l, before), VK_OK); /* what was under way is ended in the reserve */
    assert_int_equal(change(l, "keys.remove stripe", "", 8), VK_OK);
    assert_int_equal(use(l), VK_E_UNAVAILABLE);
    for (e = VK_OK; e == VK_OK;) /* and the reserve has an end */
        e = change(l, "keys.remove stripe", "", 9);
    assert_int_equal(e, VK_E_UNAVAILABLE);
    assert_true(is_sealed(l));
    atomic_store(&allocate_errno, 0);
    wait_sealed(l, false);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    check_says(l, "nothing could be written (full)");
    assert_int_equal(count_files(l), 1);
}

/* A file system that cannot allocate: a write may fail in its middle. */
static void full_without_allocation(void **state)
{
    logged *l = *state;
    atomic_store(&allocate_errno, EOPNOTSUPP);
    begin_log_of(l, true);
    use_and_answer(l);
    atomic_store(&write_part, 77);
    atomic_store(&write_errno, ENOSPC);
    assert_int_equal(use(l), VK_E_UNAVAILABLE);
    assert_true(is_sealed(l));
    atomic_store(&write_errno, 0);
    wait_sealed(l, false);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    check_says(l, "(full)");
    assert_int_equal(count_files(l), 2);
}

static void begins_sealed(void **state)
{
    logged *l = *state;
    atomic_store(&allocate_errno, ENOSPC);
    begin_log_of(l, true);
    assert_true(is_sealed(l));
    assert_int_equal(use(l), VK_E_UNAVAILABLE);
    atomic_store(&allocate_errno, 0);
    wait_sealed(l, false);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    assert_non_null(strchr(l->kinds, 'S'));
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
}

static void second_place(void **state)
{
    logged *l = *state;
    vk_audit_state s;
    char nowhere[PATH_MAX];
    snprintf(nowhere, sizeof nowhere, "%s/no/such/folder", l->path);
    l->at.checkpoints = nowhere;
    assert_int_equal(vk_audit_prepare(&l->at, &l->a, l->why), VK_E_INVALID);
    assert_non_null(strstr(l->why, "--audit-checkpoints"));
    l->at.checkpoints = l->sink;
    l->at.epoch_records = 2;
    begin_log_of(l, true);
    use_and_answer(l);
    assert_int_equal(unlink(l->sink), 0);
    struct timespec t = {0, 2000000};
    do { /* nothing waits for it */
        use_and_answer(l);
        nanosleep(&t, NULL);
        vk_audit_state_of(l->a, &s);
    } while (!s.sink_lost);
    assert_true(s.sink && !s.sealed);
    assert_non_null(strstr(s.sink_why, "was removed"));
    end_log(l);
    check_sound(l);
}

/* ---- two keepers, as when valetkey is restarted */

static void two_at_once(void **state)
{
    logged *l = *state;
    vk_audit *first;
    begin_log_of(l, true);
    use_and_answer(l);
    assert_int_equal(change(l, "keys.set stripe", "", 5), VK_OK);
    first = l->a;
    begin_log_of(l, true); /* waits for its turn */
    assert_int_equal(vk_audit_version_of(l->a, VK_STR("stripe")), 5);
    vk_audit_entry e = intent_of(l);
    assert_int_equal(vk_audit_write(l->a, &e), VK_OK);
    l->due++;
    vk_audit *second = l->a;
    l->a = first;
    assert_int_equal(outcome(l, 3), VK_OK); /* the first one goes on meanwhile */
    vk_audit_end(first);
    l->a = second;
    run(l);
    assert_int_equal(l->last, VK_OK);
    use_and_answer(l);
    end_log(l);
    check_sound(l);
    assert_int_equal(count_files(l), 1);
}

/* ---- crashes */

/* A child that uses keys from several threads' worth of entries at once and says on a pipe which numbers it
 * was told; killed at some moment. */
static void killed_child(logged *l, int out)
{
    enum { AT_ONCE = 16 };
    static vk_audit_entry all[AT_ONCE];
    begin_log_of(l, true);
    for (;;) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            all[i] = intent_of(l);
            l->due += vk_audit_write(l->a, &all[i]) == VK_OK;
        }
        run(l);
        uint64_t told[AT_ONCE];
        for (size_t i = 0; i < AT_ONCE; i++)
            told[i] = all[i].err == VK_OK ? all[i].seq : 0;
        if (write(out, told, sizeof told) != (ssize_t)sizeof told)
            _exit(1);
        for (size_t i = 0; i < AT_ONCE; i++)
            if (told[i] % 3)
                (void)outcome(l, told[i]);
    }
}

typedef struct seen {
    uint64_t seqs[1 << 16];
    size_t n;
} seen;

static bool note_intent(void *arg, const vk_audit_record *r, uint64_t file)
{
    seen *s = arg;
    VK_UNUSED(file);
    if (r->kind == VK_AUDIT_INTENT && s->n < VK_COUNT(s->seqs))
        s->seqs[s->n++] = r->seq;
    return true;
}

static void killed(void **state)
{
    logged *l = *state;
    static seen promised, there;
    l->at.file_bytes = 60000;
    l->at.epoch_records = 100;
    for (int round = 0; round < 12; round++) {
        int ends[2];
        uint64_t seq;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(ends[0]);
            killed_child(l, ends[1]);
        }
        close(ends[1]);
        for (int i = 0; i < 16 * (1 + 3 * round); i++) /* it is at work */
            if (read(ends[0], &seq, sizeof seq) == sizeof seq && seq)
                promised.seqs[promised.n++] = seq;
        struct timespec t = {0, (round * 7919 % 13) * 100000};
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        while (read(ends[0], &seq, sizeof seq) == sizeof seq)
            if (seq && promised.n < VK_COUNT(promised.seqs))
                promised.seqs[promised.n++] = seq;
        close(ends[0]);
        begin_log_of(l, true);
        use_and_answer(l);
        end_log(l);
        check_sound(l);
    }
    int fd = audit_dir(l);
    there.n = 0;
    vk_audit_check c = {.dir_fd = fd, .record = note_intent, .arg = &there};
    assert_int_equal(vk_audit_verify(&c), VK_OK);
    close(fd);
    size_t at = 0;
    for (size_t i = 0; i < promised.n; i++) {
        while (at < there.n && there.seqs[at] < promised.seqs[i])
            at++;
        assert_true(at < there.n && there.seqs[at] == promised.seqs[i]);
    }
    assert_true(promised.n > 1000 && c.undone > 0);
}

/* A last record that is cut at every byte: the ones before it are there, and the cut is named. */
static void torn_ends(void **state)
{
    logged *l = *state;
    char path[PATH_MAX], key[PATH_MAX];
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    path_of(l, 1, path);
    snprintf(key, sizeof key, "%s/audit/" VK_AUDIT_KEY_FILE, l->path);
    unlink(key); /* as it was before this epoch's end; a later one would know better */
    vk_str whole = slurp(path);
    size_t from = whole.n - 200;
    for (size_t n = from; n < whole.n; n += 7) {
        char second[PATH_MAX];
        spit(path, (vk_str){whole.p, n});
        begin_log_of(l, true);
        use_and_answer(l);
        end_log(l);
        check_sound(l);
        if (n > from + 7)
            check_says(l, "(torn)");
        path_of(l, 2, second);
        unlink(second);
        unlink(key);
    }
    drop_str(whole);
}

/* Files that were begun and did not get to their first record. */
static void stumps(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    path_of(l, 1, path);
    vk_str whole = slurp(path);
    for (unsigned i = 0; i < 3; i++) {
        path_of(l, 2 + 2 * i, path);
        spit(path, (vk_str){whole.p, i * 29}); /* within its header */
        begin_log_of(l, true);
        use_and_answer(l);
        end_log(l);
        check_sound(l);
        check_says(l, "begun in vain");
    }
    drop_str(whole);
}

/* What lies in the middle is damaged: it goes on, says so, and the check says where. */
static void damaged_middle(void **state)
{
    logged *l = *state;
    vk_audit_state s;
    char path[PATH_MAX];
    begin_log_of(l, true);
    for (int i = 0; i < 1500; i++)
        use_and_answer(l);
    end_log(l);
    path_of(l, 1, path);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "?", 1, 5000), 1);
    close(fd);
    begin_log_of(l, true);
    use_and_answer(l);
    vk_audit_state_of(l->a, &s);
    assert_true(s.damaged && !s.sealed);
    assert_non_null(strstr(s.why, "valetkey audit verify"));
    end_log(l);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "(damaged)");
}

/* The newest file is gone: the stored key knows how far the log had come. */
static void newest_file_gone(void **state)
{
    logged *l = *state;
    char path[PATH_MAX];
    l->at.file_bytes = 3000;
    begin_log_of(l, true);
    for (int i = 0; i < 20; i++)
        use_and_answer(l);
    end_log(l);
    path_of(l, (unsigned)count_files(l), path);
    assert_int_equal(unlink(path), 0);
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    assert_true(check_with(l, VK_STR_NONE, NULL) > 0);
    check_says(l, "were missing");
}

/* audit/epoch is lost, damaged or old: the log goes on with keys that follow, or with new ones. */
static void stored_keys(void **state)
{
    logged *l = *state;
    char key[PATH_MAX];
    vk_str old = VK_STR_NONE;
    uint8_t pk[32], sk[32];
    crypto_box_keypair(pk, sk);
    l->at.auditor = pk;
    l->at.epoch_records = 3;
    snprintf(key, sizeof key, "%s/audit/" VK_AUDIT_KEY_FILE, l->path);
    for (int round = 0; round < 5; round++) {
        begin_log_of(l, true);
        for (int i = 0; i < 5; i++)
            use_and_answer(l);
        end_log(l);
        if (round == 0)
            old = slurp(key);
        if (round == 1)
            spit(key, old); /* as after a failed write of the newer one */
        if (round == 2)
            unlink(key);
        if (round == 3)
            spit(key, VK_STR("VKS1 no such thing"));
    }
    drop_str(old);
    if (check_with(l, VK_STR_NONE, sk))
        print_error("%s", l->found);
    assert_int_equal(l->check.wrong, 0);
    assert_int_equal(l->check.macs, l->check.records);
    assert_int_equal(count_files(l), 3);
}

/* The key of an epoch that is over is nowhere any more: with all that is on disk, and the vault's key, no
 * record of before can be made. */
static void ratchet(void **state)
{
    logged *l = *state;
    vk_audit_key k;
    const char *why;
    uint8_t past[VK_SHA256], m[VK_SHA256], pk[32], sk[32];
    crypto_box_keypair(pk, sk);
    l->at.auditor = pk;
    begin_log_of(l, true);
    use_and_answer(l);
    end_log(l);
    int fd = audit_dir(l);
    assert_int_equal(vk_audit_key_open(&k, fd, seed, pk, 1, &why), VK_OK);
    assert_null(why);
    assert_int_equal(k.epoch, 3);
    assert_int_equal(vk_audit_key_escrow(&k.open, sk, past), VK_OK);
    vk_audit_ratchet(past);
    vk_audit_ratchet(past);
    vk_hmac((vk_str){(const char *)past, sizeof past}, VK_STR("x"), m);
    uint8_t m2[VK_SHA256];
    vk_hmac256(vk_audit_key_mac(&k), VK_STR("x"), m2);
    assert_memory_equal(m, m2, sizeof m);
    vk_audit_key_close(&k);
    close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(first_log),
        T(an_empty_end),
        T(hostile_texts),
        T(group_commit),
        T(the_queue_is_bounded),
        T(without_sync),
        T(written_at_once),
        T(epochs_by_number),
        T(epochs_by_time),
        T(another_auditor),
        T(versions),
        T(old_files_go),
        T(clock_leaps),
        cmocka_unit_test(taken_away),
        T(gone_at_the_end),
        T(folder_taken_away),
        T(failed_sync),
        T(failed_write),
        T(full_disk),
        T(full_without_allocation),
        T(begins_sealed),
        T(second_place),
        T(two_at_once),
        T(killed),
        T(torn_ends),
        T(stumps),
        T(damaged_middle),
        T(newest_file_gone),
        T(stored_keys),
        T(ratchet),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
