/* For tests of keeper's keys: a data folder with a vault, entries as a client makes them, and an audit log
 * that is kept in memory. */
#ifndef VK_TEST_ORGS_H
#define VK_TEST_ORGS_H

#include "core/clock.h"
#include "core/disk.h"
#include "core/test_folder.h"
#include "keeper/kek.h"
#include "keeper/org_in.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct log_line {
    char op[VK_AUDIT_TEXT], build[33], actor[VK_AUDIT_TEXT];
    uint8_t ref[8];
    uint64_t version;
} log_line;

typedef struct place {
    char root[64], data[80], key[96];
    vk_vault_place at;
    vk_vault vault;
    vk_orgs *orgs;
    log_line lines[256]; /* they outlive a start */
    size_t n_lines;
    bool sealed;
    vk_err refuses;
} place;

static inline uint64_t log_version(void *ctx, vk_str record)
{
    const place *p = ctx;
    uint64_t v = 0;
    for (size_t i = 0; i < p->n_lines; i++) {
        char name[VK_ORG_NAME];
        const char *vendor = strrchr(p->lines[i].op, ' ') + 1;
        if (p->lines[i].build[0])
            snprintf(name, sizeof name, "build/%s/%.16s", p->lines[i].build, vendor);
        else
            snprintf(name, sizeof name, "%.16s", vendor);
        if (vk_str_eqz(record, name))
            v = p->lines[i].version;
    }
    return v;
}

static inline vk_err log_write(void *ctx, vk_audit_entry *e)
{
    place *p = ctx;
    if (p->refuses)
        return p->refuses;
    assert_true(p->n_lines < VK_COUNT(p->lines));
    assert_int_equal(e->kind, VK_AUDIT_CHANGE);
    log_line *l = &p->lines[p->n_lines++];
    snprintf(l->op, sizeof l->op, "%s", e->op);
    snprintf(l->build, sizeof l->build, "%s", e->build);
    snprintf(l->actor, sizeof l->actor, "%s", e->actor);
    memcpy(l->ref, e->key_ref, 8);
    l->version = e->rec_version;
    if (e->durable)
        e->durable(e, VK_OK);
    return VK_OK;
}

static inline void log_state(void *ctx, vk_audit_state *out)
{
    const place *p = ctx;
    *out = (vk_audit_state){.sealed = p->sealed, .why = "the disk is full"};
}

static inline void vault_open(place *p)
{
    char why[VK_VAULT_WHY];
    vk_err e = vk_vault_open(&p->at, &p->vault, why);
    if (e != VK_OK)
        fail_msg("%s", why);
}

static inline vk_err try_open(place *p, char why[VK_VAULT_WHY])
{
    vault_open(p);
    vk_err e = vk_orgs_open(&p->at, &p->vault, &p->orgs, why);
    if (e != VK_OK) {
        vk_vault_close(&p->vault);
        p->orgs = NULL;
        return e;
    }
    vk_orgs_log(p->orgs, &(vk_org_log){
                             .ctx = p, .version_of = log_version, .write = log_write, .state_of = log_state});
    return VK_OK;
}

static inline void start(place *p)
{
    char why[VK_VAULT_WHY];
    if (try_open(p, why) != VK_OK)
        fail_msg("%s", why);
}

static inline void stop(place *p)
{
    vk_orgs_close(p->orgs);
    vk_vault_close(&p->vault);
    p->orgs = NULL;
}

static inline int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->root, sizeof p->root, "/tmp/vk-test-org-XXXXXX");
    assert_true(folder_make(p->root));
    snprintf(p->data, sizeof p->data, "%s/data", p->root);
    snprintf(p->key, sizeof p->key, "%s/data.key", p->root);
    assert_int_equal(mkdir(p->data, 0700), 0);
    p->at = (vk_vault_place){.data_fd = open(p->data, O_RDONLY | O_DIRECTORY), .data_dir = p->data};
    start(p);
    *state = p;
    return 0;
}

static inline int tear_down(void **state)
{
    place *p = *state;
    if (p->orgs)
        stop(p);
    close(p->at.data_fd);
    assert_int_equal(folder_remove(p->root), 0);
    vk_clock_offset(0);
    free(p);
    return 0;
}

/* A value that no vendor has given to anybody. */
#define KEY_A                                                                                                \
    "sk_test_"                                                                                               \
    "51AAAAAAAAAAAAAAAAAAAAAAAAAAaaaa"
#define KEY_B                                                                                                \
    "sk_test_"                                                                                               \
    "51BBBBBBBBBBBBBBBBBBBBBBBBBBbbbb"
#define PUBLISHABLE "pk_test_51AAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TOKEN_A "eyJhAAAAAAAAAAAAAAAA.eyJiAAAAAAAA.ccccAAAA"
#define TOKEN_B "eyJhBBBBBBBBBBBBBBBB.eyJiBBBBBBBB.ccccBBBB"

/* The values end with a NULL name. */
typedef struct pair {
    const char *name, *value;
} pair;

static int64_t last_at;
static inline int64_t next_at(void)
{
    int64_t now = vk_clock_wall_ms();
    last_at = now > last_at ? now : last_at + 1;
    return last_at;
}

static inline void sealed_for(const uint8_t *key, const char *vendor, const char *build, int64_t at,
                              const pair *pairs, vk_buf *out)
{
    vk_entry_field fields[VK_VENDOR_FIELDS_MAX];
    size_t n = 0;
    for (; pairs && pairs[n].name; n++)
        fields[n] = (vk_entry_field){pairs[n].name, vk_secret_of(vk_str_z(pairs[n].value))};
    vk_buf_init(out, VK_SEALED_MAX);
    assert_int_equal(vk_entry_seal(key, vk_str_z(vendor), vk_str_z(build), at, fields, n, out), VK_OK);
}

static vk_err done_with;
static bool is_done;
static inline void done(vk_org_change *c, vk_err e)
{
    (void)c;
    assert_false(is_done);
    is_done = true;
    done_with = e;
}

static char said[400];

static inline vk_err write_sealed(place *p, const char *vendor, const char *build, vk_str sealed,
                                  bool replace)
{
    vk_org_change c = {.vendor = vk_str_z(vendor),
                       .build = vk_str_z(build),
                       .sealed = sealed,
                       .replace = replace,
                       .done = done,
                       .audit = {.actor = "admin"}};
    is_done = false;
    vk_org_write(p->orgs, &c);
    assert_true(is_done);
    memcpy(said, c.why, sizeof said);
    for (size_t i = 0; i < VK_ENTRY_ROOM; i++) /* nothing stays where entries are opened */
        assert_int_equal(p->orgs->room[i], 0);
    return done_with;
}

static inline vk_err put_at(place *p, const char *vendor, const char *build, int64_t at, const pair *pairs)
{
    vk_buf sealed;
    sealed_for(vk_orgs_box_key(p->orgs), vendor, build, at, pairs, &sealed);
    vk_err e = write_sealed(p, vendor, build, vk_buf_view(&sealed), false);
    vk_buf_free(&sealed);
    return e;
}

static inline vk_err put(place *p, const char *vendor, const char *build, const pair *pairs)
{
    return put_at(p, vendor, build, next_at(), pairs);
}

static inline void put_ok(place *p, const char *vendor, const char *build, const pair *pairs)
{
    if (put(p, vendor, build, pairs) != VK_OK)
        fail_msg("%s", said);
}

static inline vk_err take_away(place *p, const char *vendor, const char *build)
{
    return write_sealed(p, vendor, build, VK_STR_NONE, false);
}

static inline const vk_org *find(const place *p, const char *vendor, const char *build)
{
    return vk_org_find(p->orgs, vk_str_z(vendor), vk_str_z(build));
}

static inline void value_is(const place *p, const char *vendor, const char *build, const char *field,
                            const char *want)
{
    const vk_org *g = find(p, vendor, build);
    assert_non_null(g);
    vk_str v = vk_secret_bytes(vk_org_value(g, field));
    assert_int_equal(v.n, strlen(want));
    assert_memory_equal(v.p, want, v.n);
}

static inline vk_org_state state_of(const place *p, const char *vendor, const char *build)
{
    vk_org_facts f;
    const vk_org *g = find(p, vendor, build);
    assert_non_null(g);
    vk_org_facts_of(g, &f);
    assert_int_equal(f.why[0] == '\0', f.state == VK_ORG_READY);
    return f.state;
}

static inline size_t slurp(const place *p, const char *path, char *out, size_t room)
{
    int fd = openat(p->at.data_fd, path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, out, room);
    close(fd);
    return n < 0 ? 0 : (size_t)n;
}

static inline void spit(const place *p, const char *path, const char *from, size_t n)
{
    int fd = openat(p->at.data_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, from, n), (ssize_t)n);
    close(fd);
}

#endif
