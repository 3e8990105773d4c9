/* Other keys for the vault, values from outside, a full disk; each cut off at every step. */
#include "keeper/test_orgs.h"

#include "core/encode.h"
#include "core/random.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const pair stripe_a[] = {{"secret_key", KEY_A}, {"publishable_key", PUBLISHABLE}, {NULL, NULL}},
                  stripe_b[] = {{"secret_key", KEY_B}, {"publishable_key", PUBLISHABLE}, {NULL, NULL}},
                  turso[] = {{"org", "acme"}, {"group", "default"}, {"token", TOKEN_A}, {NULL, NULL}},
                  token_a[] = {{"database_token", TOKEN_A}, {NULL, NULL}},
                  token_b[] = {{"database_token", TOKEN_B}, {NULL, NULL}};

static void fill(place *p)
{
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "turso", "", turso);
    put_ok(p, "turso", "shop", token_a);
    put_ok(p, "turso", "blog", token_b);
}

static void all_there(place *p)
{
    assert_int_equal(vk_org_count(p->orgs), 4);
    value_is(p, "stripe", "", "secret_key", KEY_A);
    value_is(p, "turso", "", "token", TOKEN_A);
    value_is(p, "turso", "shop", "database_token", TOKEN_A);
    value_is(p, "turso", "blog", "database_token", TOKEN_B);
}

/* ---- the key-encryption key */

static const uint8_t new_kek[VK_ENTRY_KEK] = {1, 2, 3, 4, 5, 6, 7, 8};

static vk_err rekey(place *p, int64_t at, char why[VK_VAULT_WHY])
{
    vk_buf sealed;
    vk_buf_init(&sealed, VK_SEALED_MAX);
    assert_int_equal(vk_entry_kek(vk_orgs_box_key(p->orgs), new_kek, NULL, at, &sealed), VK_OK);
    vk_err e = vk_orgs_rekey(p->orgs, vk_buf_view(&sealed), "admin", why);
    vk_buf_free(&sealed);
    for (size_t i = 0; i < VK_ENTRY_ROOM; i++)
        assert_int_equal(p->orgs->room[i], 0);
    return e;
}

static void use_new_kek(place *p)
{
    char text[128];
    vk_buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    vk_base64(&b, new_kek, sizeof new_kek, true);
    vk_buf_ch(&b, '\n');
    unlink(p->key);
    int fd = open(p->key, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, b.n), (ssize_t)b.n);
    close(fd);
}

static void another_key_encryption_key(void **state)
{
    place *p = *state;
    char why[VK_VAULT_WHY];
    vk_vault v;
    uint8_t box[VK_BOX_KEY], master[VK_MASTER];
    fill(p);
    memcpy(box, vk_orgs_box_key(p->orgs), sizeof box);
    memcpy(master, p->vault.master, sizeof master);
    int64_t at = next_at();
    assert_int_equal(rekey(p, at, why), VK_OK);
    assert_string_equal(p->lines[p->n_lines - 1].op, "keys.rekey ring");
    assert_int_equal(p->lines[p->n_lines - 1].version, 2);
    assert_int_equal(rekey(p, at, why), VK_E_INVALID); /* used already */
    assert_int_equal(rekey(p, at - 48LL * 3600 * 1000, why), VK_E_INVALID);
    all_there(p);
    stop(p);
    assert_int_equal(vk_vault_open(&p->at, &v, why), VK_E_CORRUPT); /* the old one */
    assert_non_null(strstr(why, "keys rekey"));
    use_new_kek(p);
    start(p);
    all_there(p);
    assert_int_equal(vk_orgs_ring_version(p->orgs), 2);
    assert_memory_equal(vk_orgs_box_key(p->orgs), box, sizeof box);
    assert_memory_equal(p->vault.master, master, sizeof master);
    /* an entry of a vendor is no key, and the other way round */
    vk_buf sealed;
    sealed_for(box, "stripe", "", next_at(), stripe_b, &sealed);
    assert_int_equal(vk_orgs_rekey(p->orgs, vk_buf_view(&sealed), "admin", why), VK_E_INVALID);
    vk_buf_free(&sealed);
    vk_buf_init(&sealed, VK_SEALED_MAX);
    assert_int_equal(vk_entry_kek(box, new_kek, NULL, next_at(), &sealed), VK_OK);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&sealed), false), VK_E_INVALID);
    vk_buf_free(&sealed);
}

static void an_older_ring_put_back(void **state)
{
    place *p = *state;
    static char old[2048];
    char why[VK_VAULT_WHY];
    size_t n = slurp(p, "vault/ring", old, sizeof old);
    assert_int_equal(vk_orgs_reseal(p->orgs, "admin", why), VK_OK);
    stop(p);
    spit(p, "vault/ring", old, n);
    start(p);
    assert_true(vk_orgs_rolled_back(p->orgs));
}

/* ---- the data-encryption key */

static void finish_reseal(place *p)
{
    char why[VK_VAULT_WHY];
    bool more = true;
    for (int i = 0; more; i++) {
        assert_true(i < 100);
        size_t left = vk_orgs_to_reseal(p->orgs);
        assert_int_equal(vk_orgs_step(p->orgs, &more, why), VK_OK);
        assert_true(vk_orgs_to_reseal(p->orgs) <= left);
    }
    assert_int_equal(vk_orgs_to_reseal(p->orgs), 0);
}

static void another_data_encryption_key(void **state)
{
    place *p = *state;
    static char old[4096], now[4096];
    char why[VK_VAULT_WHY];
    fill(p);
    size_t n = slurp(p, "vault/org/stripe", old, sizeof old);
    uint32_t id = vk_ring_active(p->vault.ring)->id;
    uint64_t version = find(p, "stripe", "")->version;
    assert_int_equal(vk_orgs_reseal(p->orgs, "admin", why), VK_OK);
    assert_int_equal(vk_orgs_to_reseal(p->orgs), 4 + 2);
    assert_int_equal(vk_orgs_reseal(p->orgs, "admin", why), VK_E_BUSY);
    put_ok(p, "stripe", "", stripe_a); /* what is written meanwhile is under the new one */
    assert_int_equal(vk_orgs_to_reseal(p->orgs), 3 + 2);
    assert_int_equal(take_away(p, "turso", "blog"), VK_OK);
    put_ok(p, "turso", "blog", token_b);
    finish_reseal(p);
    all_there(p);
    assert_int_equal(p->vault.ring->n, 1);
    assert_int_not_equal(vk_ring_active(p->vault.ring)->id, id);
    assert_null(vk_ring_dek(p->vault.ring, id));
    assert_int_equal(find(p, "stripe", "")->version, version + 1); /* by the write, not by the sealing */
    assert_int_equal(find(p, "turso", "")->version, 1);
    stop(p);
    start(p);
    all_there(p);
    for (size_t i = 0; i < p->n_lines; i++)
        assert_null(strstr(p->lines[i].op, "found stripe"));
    /* the old key is nowhere: what was sealed under it opens no more */
    slurp(p, "vault/org/stripe", now, sizeof now);
    spit(p, "vault/org/stripe", old, n);
    stop(p);
    start(p);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_DAMAGED);
}

/* Randomness is asked for before each record is written: there it is killed. */
static int die_at;
static void dying_source(void *out, size_t n)
{
    if (die_at-- == 0)
        kill(getpid(), SIGKILL);
    randombytes_buf(out, n);
}

/* All steps of a change of both keys, killed before each of their writes; then every record opens, and it
 * comes to its end. */
static void killed_while_resealing(void **state)
{
    place *p = *state;
    bool whole = false;
    char why[VK_VAULT_WHY];
    fill(p);
    for (int step = 0; !whole; step++) {
        int status;
        assert_true(step < 60);
        pid_t pid = fork();
        if (pid == 0) {
            bool more = true;
            die_at = step;
            vk_random_source(dying_source);
            vk_err e = vk_orgs_reseal(p->orgs, "admin", why);
            while (e == VK_OK && more)
                e = vk_orgs_step(p->orgs, &more, why);
            _exit(e == VK_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        whole = WIFEXITED(status);
        if (whole)
            assert_int_equal(WEXITSTATUS(status), 0);
        /* what a kill during a write leaves */
        spit(p, "vault/ring.new", "VKR1", 4);
        spit(p, "vault/org/stripe.new", "VKS1", 4);
        stop(p);
        start(p);
        all_there(p);
        assert_int_equal(vk_ring_retiring(p->vault.ring), !whole && step > 1);
        finish_reseal(p);
        all_there(p);
        stop(p);
        start(p);
        all_there(p);
        assert_false(vk_ring_retiring(p->vault.ring));
    }
}

/* By the loop, without being asked. */
static vk_loop *running;
static place *watched;
static vk_timer watch;
static void look(vk_timer *t)
{
    if (vk_orgs_to_reseal(watched->orgs) == 0)
        vk_loop_stop(running);
    else
        vk_timer_set(running, t, 50, look);
}

static void resealed_by_the_loop(void **state)
{
    place *p = *state;
    char why[VK_VAULT_WHY];
    fill(p);
    assert_int_equal(vk_orgs_reseal(p->orgs, "admin", why), VK_OK);
    stop(p);
    start(p);
    assert_int_equal(vk_orgs_to_reseal(p->orgs), 6);
    assert_int_equal(vk_loop_new(&running), VK_OK);
    vk_orgs_run(p->orgs, running);
    watched = p;
    vk_timer_set(running, &watch, 50, look);
    vk_loop_run(running);
    all_there(p);
    assert_false(vk_ring_retiring(p->vault.ring));
    stop(p);
    vk_loop_free(running);
    start(p);
    all_there(p);
}

/* ---- a full disk */

/* No file may grow: every write fails as on a full disk or a quota. */
static void full_disk(void **state)
{
    place *p = *state;
    char why[VK_VAULT_WHY];
    bool more;
    struct rlimit before, none;
    static const pair neon[] = {{"api_key", "napi_AAAAAAAAAAAAAAAAAAAAAAAA"}, {NULL, NULL}};
    fill(p);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 10;
    size_t used = vk_locked_used(p->orgs->locked), lines = p->n_lines;
    uint64_t version = vk_orgs_ring_version(p->orgs);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    vk_err e = put(p, "stripe", "", stripe_b), e2 = put(p, "neon", "", neon), e3 = rekey(p, next_at(), why),
           e4 = vk_orgs_reseal(p->orgs, "admin", why);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_not_equal(e, VK_OK);
    assert_int_not_equal(e2, VK_OK);
    assert_int_not_equal(e3, VK_OK);
    assert_int_not_equal(e4, VK_OK);
    assert_int_equal(p->n_lines, lines);
    assert_int_equal(vk_locked_used(p->orgs->locked), used);
    assert_int_equal(vk_orgs_ring_version(p->orgs), version);
    assert_false(vk_ring_retiring(p->vault.ring));
    assert_null(find(p, "neon", ""));
    all_there(p);
    stop(p);
    start(p); /* with the key as it was */
    all_there(p);
    assert_int_equal(vk_orgs_reseal(p->orgs, "admin", why), VK_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    e = vk_orgs_step(p->orgs, &more, why);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_not_equal(e, VK_OK);
    assert_true(more);
    assert_int_equal(vk_orgs_to_reseal(p->orgs), 6);
    finish_reseal(p);
    put_ok(p, "neon", "", neon);
}

/* ---- from outside */

static void sealed_variable(place *p, const char *variable, const char *vendor, const char *build,
                            const pair *pairs)
{
    vk_buf sealed, text;
    sealed_for(vk_orgs_box_key(p->orgs), vendor, build, next_at(), pairs, &sealed);
    vk_buf_init(&text, VK_SEALED_MAX + 16);
    vk_buf_lit(&text, "sealed:");
    vk_buf_str(&text, vk_buf_view(&sealed));
    vk_buf_ch(&text, '\0');
    setenv(variable, text.p, 1);
    vk_buf_free(&sealed);
    vk_buf_free(&text);
}

static void from_the_environment(void **state)
{
    place *p = *state;
    char file[16];
    static const pair b[] = {{"secret_key", KEY_B}, {NULL, NULL}};
    vk_org_facts f;
    put_ok(p, "stripe", "", stripe_a);
    sealed_variable(p, "VALETKEY_ORG_STRIPE_SECRET_KEY", "stripe", "", b);
    setenv("VALETKEY_ORG_STRIPE_PUBLISHABLE_KEY",
           "pk_test_"
           "51BBBBBBBBBBBBBBBB",
           1);                                           /* no secret */
    setenv("VALETKEY_ORG_STRIPE_WEBHOOK_SECRET", "", 1); /* as if unset */
    stop(p);
    start(p);
    assert_null(getenv("VALETKEY_ORG_STRIPE_SECRET_KEY")); /* no child gets it */
    assert_null(getenv("VALETKEY_ORG_STRIPE_PUBLISHABLE_KEY"));
    value_is(p, "stripe", "", "secret_key", KEY_B);
    value_is(p, "stripe", "", "publishable_key",
             "pk_test_"
             "51BBBBBBBBBBBBBBBB");
    assert_true(
        vk_locked_has(p->orgs->locked, vk_secret_bytes(vk_org_value(find(p, "stripe", ""), "secret_key")).p));
    vk_org_facts_of(find(p, "stripe", ""), &f);
    assert_int_equal(f.from, VK_ORG_ENVIRONMENT);
    assert_int_equal(f.state, VK_ORG_READY);
    assert_int_equal(vk_org_count(p->orgs), 1); /* the vault's is behind it */
    assert_ptr_equal(vk_org_at(p->orgs, 0), find(p, "stripe", ""));
    assert_int_equal(put(p, "stripe", "", stripe_a), VK_E_FORBIDDEN);
    assert_int_equal(take_away(p, "stripe", ""), VK_E_FORBIDDEN);
    vk_org_checked(p->orgs, VK_STR("stripe"), VK_STR_NONE, find(p, "stripe", "")->entered, VK_STR("{}"));
    put_ok(p, "turso", "", turso);
    stop(p);
    start(p); /* without the variables: what the vault had is as it was, and nothing of them was written */
    value_is(p, "stripe", "", "secret_key", KEY_A);
    assert_int_equal(find(p, "stripe", "")->version, 1);
    assert_int_equal(slurp(p, "vault/org/neon", file, sizeof file), 0);
}

static void bad_variables(void **state)
{
    place *p = *state;
    static const pair b[] = {{"secret_key", KEY_B}, {NULL, NULL}},
                      live[] = {{"secret_key", "sk_live_"
                                               "AAAAAAAAAAAAAAAA"},
                                {NULL, NULL}};
    static const char name[] = "VALETKEY_ORG_STRIPE_SECRET_KEY";
    char why[VK_VAULT_WHY];
    static const struct {
        const char *name, *value, *why;
    } plain[] = {
        {"VALETKEY_ORG_STRIPE_SECRET_KEY", KEY_A, "in clear"},
        {"VALETKEY_ORG_STRIPE_SECRET_KEY", "sealed:AAAA", "no base64 of a sealed box"},
        {"VALETKEY_ORG_STRIPE_COLOUR", "x", "no such key"},
        {"VALETKEY_ORG_SHOPIFY_TOKEN", "x", "no such key"},
        {"VALETKEY_ORG_", "x", "no such key"},
        {"VALETKEY_ORG_STRIPE_PUBLISHABLE_KEY", KEY_A, "belongs into secret_key"},
    };
    for (size_t i = 0; i < VK_COUNT(plain); i++) {
        stop(p);
        setenv(plain[i].name, plain[i].value, 1);
        assert_int_equal(try_open(p, why), VK_E_INVALID);
        if (!strstr(why, plain[i].name) || !strstr(why, plain[i].why) || strstr(why, KEY_A))
            fail_msg("%s", why);
        unsetenv(plain[i].name);
        start(p);
    }
    for (int i = 0; i < 4; i++) {
        if (i == 0)
            sealed_variable(p, name, "stripe", "", live); /* sealed or not */
        else if (i == 1)
            sealed_variable(p, name, "stripe", "", stripe_b); /* two fields in one */
        else if (i == 2)
            sealed_variable(p, "VALETKEY_ORG_STRIPE_WEBHOOK_SECRET", "stripe", "", b); /* moved to another */
        else
            sealed_variable(p, name, "turso", "shop", token_a);
        stop(p);
        assert_int_equal(try_open(p, why), VK_E_INVALID);
        assert_null(strstr(why, "AAAA"));
        unsetenv(name);
        unsetenv("VALETKEY_ORG_STRIPE_WEBHOOK_SECRET");
        start(p);
    }
}

static void credential(const place *p, const char *name, const char *text)
{
    char path[160];
    int n = snprintf(path, sizeof path, "%s/creds/%s", p->root, name);
    assert_true(n > 0 && (size_t)n < sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0400);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void from_credentials(void **state)
{
    place *p = *state;
    char creds[96], why[VK_VAULT_WHY], path[192];
    vk_org_facts f;
    snprintf(creds, sizeof creds, "%s/creds", p->root);
    assert_int_equal(mkdir(creds, 0700), 0);
    p->at.credentials_dir = creds;
    credential(p, "valetkey-org-stripe-secret_key", KEY_B "\n");
    credential(p, "valetkey-org-stripe-publishable_key", PUBLISHABLE);
    credential(p, "something-else", "x");
    stop(p);
    start(p);
    value_is(p, "stripe", "", "secret_key", KEY_B);
    vk_org_facts_of(find(p, "stripe", ""), &f);
    assert_int_equal(f.from, VK_ORG_CREDENTIAL);
    assert_int_equal(f.state, VK_ORG_READY);
    assert_int_equal(put(p, "stripe", "", stripe_a), VK_E_FORBIDDEN);
    stop(p);
    setenv("VALETKEY_ORG_STRIPE_PUBLISHABLE_KEY", PUBLISHABLE, 1); /* twice */
    assert_int_equal(try_open(p, why), VK_E_INVALID);
    assert_non_null(strstr(why, "twice"));
    unsetenv("VALETKEY_ORG_STRIPE_PUBLISHABLE_KEY");
    credential(p, "valetkey-org-stripe-colour", "x");
    assert_int_equal(try_open(p, why), VK_E_INVALID);
    assert_non_null(strstr(why, "no such key"));
    snprintf(path, sizeof path, "%s/valetkey-org-stripe-colour", creds);
    unlink(path);
    credential(p, "valetkey-org-turso-token", "\n");
    assert_int_equal(try_open(p, why), VK_E_INVALID);
    snprintf(path, sizeof path, "%s/valetkey-org-turso-token", creds);
    unlink(path);
    start(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_key_encryption_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_ring_put_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_data_encryption_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_while_resealing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resealed_by_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_the_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_credentials, set_up, tear_down),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
