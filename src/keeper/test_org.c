/* The organisation's keys in the vault: entries, records, what is refused. */
#include "keeper/test_orgs.h"

static const pair stripe_a[] = {{"secret_key", KEY_A}, {"publishable_key", PUBLISHABLE}, {NULL, NULL}},
                  only_b[] = {{"secret_key", KEY_B}, {NULL, NULL}},
                  turso[] = {{"org", "acme"}, {"group", "default"}, {"token", TOKEN_A}, {NULL, NULL}},
                  token_a[] = {{"database_token", TOKEN_A}, {NULL, NULL}},
                  token_b[] = {{"database_token", TOKEN_B}, {NULL, NULL}};

static void kept_over_a_start(void **state)
{
    place *p = *state;
    vk_org_facts f;
    assert_null(find(p, "stripe", ""));
    assert_int_equal(vk_org_count(p->orgs), 0);
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "turso", "", turso);
    put_ok(p, "turso", "shop", token_a);
    put_ok(p, "turso", "blog", token_b);
    for (int i = 0; i < 2; i++) {
        value_is(p, "stripe", "", "secret_key", KEY_A);
        value_is(p, "stripe", "", "publishable_key", PUBLISHABLE);
        value_is(p, "stripe", "", "api_base", "https://api.stripe.com"); /* a usual one */
        value_is(p, "stripe", "", "webhook_secret", "");
        value_is(p, "stripe", "", "no_such", "");
        value_is(p, "turso", "shop", "database_token", TOKEN_A);
        value_is(p, "turso", "blog", "database_token", TOKEN_B);
        assert_int_equal(vk_org_count(p->orgs), 4);
        /* the organisation's first, in the vendors' order; then by build */
        static const char *const names[] = {"turso", "stripe", "build/blog/turso", "build/shop/turso"};
        for (size_t k = 0; k < 4; k++) {
            char name[VK_ORG_NAME];
            vk_org_name(vk_org_at(p->orgs, k), name);
            assert_string_equal(name, names[k]);
        }
        vk_org_facts_of(find(p, "stripe", ""), &f);
        assert_int_equal(f.version, 1);
        assert_int_equal(f.state, VK_ORG_READY);
        assert_int_equal(f.from, VK_ORG_VAULT);
        assert_true(f.set_ms > 0 && f.checked_ms == 0 && !f.check[0]);
        stop(p);
        start(p);
    }
    assert_null(find(p, "stripe", "shop"));
    assert_null(find(p, "neon", "shop"));
    assert_null(find(p, "nobody", ""));
}

static void values_are_in_locked_memory_only(void **state)
{
    place *p = *state;
    static char file[64 * 1024];
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "stripe", "", only_b);
    const vk_org *g = find(p, "stripe", "");
    assert_true(vk_locked_has(p->orgs->locked, vk_secret_bytes(vk_org_value(g, "secret_key")).p));
    for (size_t i = 0; i < VK_VENDOR_FIELDS_MAX; i++)
        if (g->values[i].n)
            assert_true(vk_locked_has(p->orgs->locked, vk_secret_bytes(g->values[i]).p));
    size_t n = slurp(p, "vault/org/stripe", file, sizeof file);
    assert_true(n > VK_ENTRY_KEK);
    assert_null(memmem(file, n, "sk_test_", 8));
    assert_null(memmem(file, n, "secret_key", 10));
}

static void fields_one_by_one(void **state)
{
    place *p = *state;
    static const pair hook[] = {{"webhook_secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAA"}, {NULL, NULL}},
                      no_hook[] = {{"webhook_secret", ""}, {NULL, NULL}},
                      nothing[] = {{"secret_key", ""}, {"publishable_key", ""}, {NULL, NULL}};
    vk_buf sealed;
    put_ok(p, "stripe", "", only_b);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_INCOMPLETE); /* publishable_key is not there */
    put_ok(p, "stripe", "", stripe_a);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_READY);
    put_ok(p, "stripe", "", hook);
    value_is(p, "stripe", "", "webhook_secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAA");
    value_is(p, "stripe", "", "secret_key", KEY_A); /* what is not named stays */
    put_ok(p, "stripe", "", no_hook);
    value_is(p, "stripe", "", "webhook_secret", "");
    put_ok(p, "stripe", "", hook);
    sealed_for(vk_orgs_box_key(p->orgs), "stripe", "", next_at(), only_b, &sealed);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&sealed), true), VK_OK); /* replace */
    vk_buf_free(&sealed);
    value_is(p, "stripe", "", "webhook_secret", "");
    value_is(p, "stripe", "", "secret_key", KEY_B);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_INCOMPLETE);
    assert_int_equal(put(p, "stripe", "", nothing), VK_E_INVALID);
    assert_non_null(strstr(said, "keys remove"));
    value_is(p, "stripe", "", "secret_key", KEY_B);
}

static void two_ways_of_clerk(void **state)
{
    place *p = *state;
    static const pair half[] = {{"secret_key", "sk_test_"
                                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
                                {NULL, NULL}},
                      other[] = {{"publishable_key", "pk_test_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMuZGV2JA"},
                                 {NULL, NULL}},
                      platform[] = {{"platform_token", "plat_AAAAAAAAAAAAAAAAAAAA"}, {NULL, NULL}};
    put_ok(p, "clerk", "", half);
    assert_int_equal(state_of(p, "clerk", ""), VK_ORG_INCOMPLETE);
    put_ok(p, "clerk", "", other);
    assert_int_equal(state_of(p, "clerk", ""), VK_ORG_READY);
    assert_int_equal(take_away(p, "clerk", ""), VK_OK);
    put_ok(p, "clerk", "", platform);
    assert_int_equal(state_of(p, "clerk", ""), VK_ORG_READY);
}

static void refused_entries(void **state)
{
    place *p = *state;
    static const pair live[] = {{"secret_key", "sk_live_"
                                               "AAAAAAAAAAAAAAAA"},
                                {NULL, NULL}},
                      unknown[] = {{"colour", "red"}, {NULL, NULL}},
                      host[] = {{"hostname", "http://a.turso.io"}, {NULL, NULL}};
    uint8_t other_secret[VK_BOX_SECRET], other[VK_BOX_PUBLIC];
    vk_buf sealed;
    put_ok(p, "stripe", "", stripe_a);
    size_t lines = p->n_lines;
    int64_t day = 24 * 60 * 60 * 1000, now = vk_clock_wall_ms();
    assert_int_equal(put(p, "stripe", "", live), VK_E_INVALID);
    assert_non_null(strstr(said, "secret_key: This is a key of live mode"));
    assert_null(strstr(said, "AAAA"));
    assert_int_equal(put(p, "stripe", "", unknown), VK_E_INVALID);
    assert_int_equal(put(p, "nobody", "", only_b), VK_E_INVALID);
    assert_int_equal(put(p, "stripe", "No Build", only_b), VK_E_INVALID);
    assert_int_equal(put(p, "neon", "shop", only_b),
                     VK_E_INVALID); /* builds have nothing of their own there */
    assert_int_equal(put(p, "turso", "shop", host), VK_E_INVALID);
    assert_non_null(strstr(said, "hostname: "));
    /* sealed for another vendor, another build, another valetkey */
    sealed_for(vk_orgs_box_key(p->orgs), "turso", "", next_at(), turso, &sealed);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&sealed), false), VK_E_INVALID);
    vk_buf_free(&sealed);
    sealed_for(vk_orgs_box_key(p->orgs), "turso", "shop", next_at(), token_a, &sealed);
    assert_int_equal(write_sealed(p, "turso", "blog", vk_buf_view(&sealed), false), VK_E_INVALID);
    assert_int_equal(write_sealed(p, "turso", "", vk_buf_view(&sealed), false), VK_E_INVALID);
    sealed.p[100] = sealed.p[100] == 'A' ? 'B' : 'A';
    assert_int_equal(write_sealed(p, "turso", "shop", vk_buf_view(&sealed), false), VK_E_INVALID);
    vk_buf_free(&sealed);
    randombytes_buf(other_secret, sizeof other_secret);
    vk_box_public(other_secret, other);
    sealed_for(other, "stripe", "", next_at(), only_b, &sealed);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&sealed), false), VK_E_INVALID);
    assert_non_null(strstr(said, "another valetkey"));
    vk_buf_free(&sealed);
    assert_int_equal(write_sealed(p, "stripe", "", VK_STR("no box"), false), VK_E_INVALID);
    /* times */
    assert_int_equal(put_at(p, "stripe", "", now - day - 1000, only_b), VK_E_INVALID);
    assert_int_equal(put_at(p, "stripe", "", now + day + 60000, only_b), VK_E_INVALID);
    assert_int_equal(put_at(p, "stripe", "", find(p, "stripe", "")->at_ms, only_b), VK_E_INVALID);
    assert_non_null(strstr(said, "not newer"));
    assert_int_equal(p->n_lines, lines);
    value_is(p, "stripe", "", "secret_key", KEY_A);
    assert_int_equal(find(p, "stripe", "")->version, 1);
}

/* An entry works once, also when another one was used in between. */
static void an_entry_is_not_played_back(void **state)
{
    place *p = *state;
    vk_buf first;
    sealed_for(vk_orgs_box_key(p->orgs), "stripe", "", next_at(), stripe_a, &first);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&first), false), VK_OK);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&first), false), VK_E_INVALID);
    put_ok(p, "stripe", "", only_b);
    stop(p);
    start(p);
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&first), false), VK_E_INVALID);
    value_is(p, "stripe", "", "secret_key", KEY_B);
    vk_buf_free(&first);
}

static void clock_jumps(void **state)
{
    place *p = *state;
    int64_t year = 365LL * 24 * 60 * 60 * 1000;
    vk_clock_offset(10 * year); /* the clock was wrong for a while */
    put_ok(p, "stripe", "", stripe_a);
    vk_clock_offset(0);
    last_at = 0;
    put_ok(p, "stripe", "", only_b); /* the time of the record has not come: it does not count */
    put_ok(p, "stripe", "", stripe_a);
    last_at = 0;
    vk_clock_offset(-60 * 60 * 1000); /* an hour back is no reason to take an older entry */
    assert_int_equal(put(p, "stripe", "", only_b), VK_E_INVALID);
    value_is(p, "stripe", "", "secret_key", KEY_A);
}

static void removed(void **state)
{
    place *p = *state;
    char file[32];
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "stripe", "", only_b);
    const vk_org *held = find(p, "stripe", "");
    assert_int_equal(take_away(p, "stripe", ""), VK_OK);
    assert_null(find(p, "stripe", ""));
    assert_int_equal(vk_org_value(held, "secret_key").n, 0); /* an order that was under way finds it empty */
    assert_int_equal(slurp(p, "vault/org/stripe", file, sizeof file), 0);
    assert_int_equal(take_away(p, "stripe", ""), VK_E_NOT_FOUND);
    assert_string_equal(p->lines[p->n_lines - 1].op, "keys.remove stripe");
    assert_int_equal(p->lines[p->n_lines - 1].version, 3);
    stop(p);
    start(p);
    assert_null(find(p, "stripe", ""));
    put_ok(p, "stripe", "", stripe_a);
    assert_int_equal(find(p, "stripe", "")->version, 4); /* versions are not used twice */
}

static void the_audit_says_it(void **state)
{
    place *p = *state;
    uint8_t ref[8];
    size_t from = p->n_lines;
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "turso", "shop", token_a);
    const log_line *l = &p->lines[from];
    assert_string_equal(l[0].op, "keys.set stripe");
    assert_string_equal(l[0].actor, "admin");
    assert_string_equal(l[0].build, "");
    assert_int_equal(l[0].version, 1);
    vk_org_ref(find(p, "stripe", ""), "secret_key", ref);
    assert_memory_equal(l[0].ref, ref, 8);
    assert_string_equal(l[1].op, "keys.set turso");
    assert_string_equal(l[1].build, "shop");
    /* the same value has the same name, another one has another */
    uint8_t again[8];
    put_ok(p, "stripe", "", only_b);
    vk_org_ref(find(p, "stripe", ""), "secret_key", again);
    assert_memory_not_equal(ref, again, 8);
    put_ok(p, "stripe", "", stripe_a);
    stop(p);
    start(p);
    vk_org_ref(find(p, "stripe", ""), "secret_key", again);
    assert_memory_equal(ref, again, 8);
    vk_org_facts asked;
    vk_org_facts_of(find(p, "stripe", ""), &asked);
    size_t told = p->n_lines;
    /* of values that are others by now */
    vk_org_checked(p->orgs, VK_STR("stripe"), VK_STR_NONE, asked.entered - 1, VK_STR("{\"ok\":false}"));
    assert_int_equal(p->n_lines, told);
    vk_org_checked(p->orgs, VK_STR("stripe"), VK_STR_NONE, asked.entered, VK_STR("{\"ok\":false}"));
    /* a check that ends after another one of the same values */
    vk_org_checked(p->orgs, VK_STR("stripe"), VK_STR_NONE, asked.entered, VK_STR("{\"ok\":true}"));
    assert_int_equal(p->n_lines, told + 2);
    assert_string_equal(p->lines[p->n_lines - 1].op, "keys.check stripe");
    stop(p);
    start(p);
    vk_org_facts f;
    vk_org_facts_of(find(p, "stripe", ""), &f);
    assert_string_equal(f.check, "{\"ok\":true}");
    assert_true(f.checked_ms > 0);
    /* while nothing can be audited nothing is changed */
    p->sealed = true;
    assert_int_equal(put(p, "stripe", "", only_b), VK_E_UNAVAILABLE);
    assert_int_equal(take_away(p, "stripe", ""), VK_E_UNAVAILABLE);
    value_is(p, "stripe", "", "secret_key", KEY_A);
    p->sealed = false;
    vk_org_log log = p->orgs->log; /* or there is no log at all */
    p->orgs->log.write = NULL;
    assert_int_equal(put(p, "stripe", "", only_b), VK_E_UNAVAILABLE);
    p->orgs->log = log;
    value_is(p, "stripe", "", "secret_key", KEY_A);
    p->refuses = VK_E_BUSY; /* it was written, and the log could not say so */
    assert_int_equal(put(p, "stripe", "", only_b), VK_E_BUSY);
    p->refuses = VK_OK;
    value_is(p, "stripe", "", "secret_key", KEY_B);
    stop(p);
    start(p); /* found, and named */
    assert_string_equal(p->lines[p->n_lines - 1].op, "keys.found stripe");
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_READY);
}

static void every_byte_of_a_record(void **state)
{
    place *p = *state;
    static char good[4096], bad[4096];
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "turso", "", turso);
    size_t n = slurp(p, "vault/org/stripe", good, sizeof good);
    assert_true(n > 100);
    for (size_t i = 0; i <= n; i++) {
        size_t bytes = n;
        memcpy(bad, good, n);
        if (i < n)
            bad[i] = (char)(bad[i] ^ (1 << i % 8));
        else
            bytes = n / 2; /* torn */
        spit(p, "vault/org/stripe", bad, bytes);
        stop(p);
        start(p);
        assert_int_equal(state_of(p, "stripe", ""), VK_ORG_DAMAGED);
        value_is(p, "stripe", "", "secret_key", "");
        value_is(p, "stripe", "", "api_base", "");
        assert_int_equal(state_of(p, "turso", ""), VK_ORG_READY); /* one record, not all */
    }
    put_ok(p, "stripe", "", stripe_a); /* entered again */
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_READY);
    assert_int_equal(find(p, "stripe", "")->version, 2);
    spit(p, "vault/org/stripe", "", 0);
    stop(p);
    start(p);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_DAMAGED);
}

/* A record belongs to its place: each part of what is authenticated. */
static void swapped_records(void **state)
{
    place *p = *state;
    static char one[4096], two[4096];
    static const pair r2[] = {{"account_id", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {NULL, NULL}};
    put_ok(p, "turso", "shop", token_a);
    put_ok(p, "turso", "blog", token_b);
    put_ok(p, "turso", "", turso);
    put_ok(p, "r2", "", r2);
    static const char *const pairs[][2] = {{"vault/build/shop/turso", "vault/build/blog/turso"},
                                           {"vault/build/shop/turso", "vault/org/turso"},
                                           {"vault/org/r2", "vault/org/turso"}};
    for (size_t i = 0; i < VK_COUNT(pairs); i++) {
        size_t n1 = slurp(p, pairs[i][0], one, sizeof one), n2 = slurp(p, pairs[i][1], two, sizeof two);
        spit(p, pairs[i][0], two, n2);
        spit(p, pairs[i][1], one, n1);
        stop(p);
        start(p);
        size_t damaged = 0;
        for (size_t k = 0; k < vk_org_count(p->orgs); k++)
            damaged += vk_org_at(p->orgs, k)->state == VK_ORG_DAMAGED;
        assert_int_equal(damaged, 2);
        spit(p, pairs[i][0], one, n1);
        spit(p, pairs[i][1], two, n2);
    }
    stop(p);
    start(p);
    value_is(p, "turso", "shop", "database_token", TOKEN_A);
    /* the file of a build that is no build's */
    assert_int_equal(mkdirat(p->at.data_fd, "vault/build/..x", 0700), 0);
    size_t n = slurp(p, "vault/build/shop/turso", one, sizeof one);
    spit(p, "vault/build/..x/turso", one, n);
    stop(p);
    start(p);
    assert_int_equal(vk_org_count(p->orgs), 4);
}

static void an_older_record_put_back(void **state)
{
    place *p = *state;
    static char old[4096];
    put_ok(p, "stripe", "", stripe_a);
    size_t n = slurp(p, "vault/org/stripe", old, sizeof old);
    put_ok(p, "stripe", "", only_b);
    stop(p);
    spit(p, "vault/org/stripe", old, n);
    start(p);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_ROLLED_BACK);
    value_is(p, "stripe", "", "secret_key", "");
    assert_false(vk_orgs_rolled_back(p->orgs));
    put_ok(p, "stripe", "", stripe_a);
    assert_int_equal(find(p, "stripe", "")->version, 3);
    /* after it was removed too */
    assert_int_equal(take_away(p, "stripe", ""), VK_OK);
    stop(p);
    spit(p, "vault/org/stripe", old, n);
    start(p);
    assert_int_equal(state_of(p, "stripe", ""), VK_ORG_ROLLED_BACK);
}

static void tried_and_kept_nowhere(void **state)
{
    place *p = *state;
    vk_buf sealed;
    vk_org *g;
    char why[400];
    put_ok(p, "stripe", "", stripe_a);
    size_t used = vk_locked_used(p->orgs->locked);
    sealed_for(vk_orgs_box_key(p->orgs), "stripe", "", next_at(), only_b, &sealed);
    assert_int_equal(vk_org_try(p->orgs, VK_STR("stripe"), VK_STR_NONE, vk_buf_view(&sealed), &g, why),
                     VK_OK);
    assert_int_equal(vk_secret_bytes(vk_org_value(g, "publishable_key")).n, strlen(PUBLISHABLE));
    assert_memory_equal(vk_secret_bytes(vk_org_value(g, "secret_key")).p, KEY_B, strlen(KEY_B));
    value_is(p, "stripe", "", "secret_key", KEY_A);
    vk_org_drop(g);
    assert_int_equal(vk_locked_used(p->orgs->locked), used); /* wiped and given back */
    assert_int_equal(write_sealed(p, "stripe", "", vk_buf_view(&sealed), false), VK_OK); /* then it is put */
    assert_int_equal(vk_org_try(p->orgs, VK_STR("stripe"), VK_STR_NONE, vk_buf_view(&sealed), &g, why),
                     VK_E_INVALID);
    vk_buf_free(&sealed);
}

static void marks(void **state)
{
    place *p = *state;
    static const uint8_t salt[VK_ORG_MARK] = {1, 2, 3};
    uint8_t want[VK_SHA256];
    vk_buf out;
    put_ok(p, "stripe", "", stripe_a);
    put_ok(p, "turso", "", turso);
    put_ok(p, "turso", "shop", token_b);
    vk_buf_init(&out, 4096);
    assert_int_equal(vk_orgs_marks(p->orgs, salt, &out), VK_OK);
    assert_int_equal(out.n,
                     2 * VK_ORG_MARK); /* two secrets of the organisation; no build's, nothing public */
    vk_hmac((vk_str){(const char *)salt, sizeof salt}, VK_STR(KEY_A), want);
    assert_memory_equal(out.p + VK_ORG_MARK, want, VK_ORG_MARK);
    vk_buf_free(&out);
}

/* ---- keeper's own */

#define MADE                                                                                                 \
    "{\"state\":\"ready\",\"list\":\"\",\"step\":0,\"generation\":7,\"first\":1,\"ready\":2,\"noted\":0,"    \
    "\"fails\":false,"                                                                                       \
    "\"late\":false,\"op\":\"\",\"name\":\"build-shop-abc22222\",\"why\":\"\",\"notes\":{}}"

static void kept_done(vk_org_keep *k, vk_err e)
{
    VK_UNUSED(k);
    assert_false(is_done);
    is_done = true;
    done_with = e;
}

static vk_err keep_fields(place *p, const pair *pairs, bool anew)
{
    vk_org_keep k = {.vendor = vk_vendor_of(VK_STR("turso")),
                     .build = "shop",
                     .anew = anew,
                     .remove = !pairs,
                     .op = pairs ? "resource.ready" : "resource.gone",
                     .done = kept_done,
                     .audit = {.actor = "valetkey"}};
    for (; pairs && pairs->name; pairs++) {
        k.fields[k.n].name = pairs->name;
        k.fields[k.n++].value = vk_secret_of(vk_str_z(pairs->value));
    }
    is_done = false;
    vk_org_keeps(p->orgs, &k);
    assert_true(is_done);
    memcpy(said, k.why, sizeof said);
    return done_with;
}

static int64_t set_of_shop(const place *p)
{
    vk_org_facts facts;
    vk_org_facts_of(find(p, "turso", "shop"), &facts);
    return facts.set_ms;
}

static void keepers_own(void **state)
{
    place *p = *state;
    const pair all[] = {
        {"made", MADE}, {"hostname", "db.example.com"}, {"database_token", TOKEN_A}, {NULL, NULL}};
    assert_int_equal(keep_fields(p, all, true), VK_OK);
    assert_string_equal(p->lines[p->n_lines - 1].op, "resource.ready turso");
    assert_string_equal(p->lines[p->n_lines - 1].actor, "valetkey");
    assert_int_equal(state_of(p, "turso", "shop"), VK_ORG_READY);
    /* Nobody from outside says what was made, takes it away, or loses it. */
    assert_int_equal(put(p, "turso", "shop", (const pair[]){{"made", MADE}, {NULL, NULL}}), VK_E_INVALID);
    assert_int_equal(take_away(p, "turso", "shop"), VK_E_CONFLICT);
    vk_buf sealed;
    sealed_for(vk_orgs_box_key(p->orgs), "turso", "shop", next_at(),
               (const pair[]){{"hostname", "other.example.com"}, {"database_token", TOKEN_B}, {NULL, NULL}},
               &sealed);
    assert_int_equal(write_sealed(p, "turso", "shop", vk_buf_view(&sealed), true), VK_OK);
    vk_buf_free(&sealed);
    value_is(p, "turso", "shop", "made", MADE);
    value_is(p, "turso", "shop", "database_token", TOKEN_B);
    /* When it was entered stays, unless it is another build's. */
    int64_t set = set_of_shop(p);
    vk_clock_offset(5000);
    assert_int_equal(keep_fields(p, (const pair[]){{"database_token", TOKEN_A}, {NULL, NULL}}, false), VK_OK);
    assert_int_equal(set_of_shop(p), set);
    assert_int_equal(keep_fields(p, (const pair[]){{"hostname", ""}, {NULL, NULL}}, true), VK_OK);
    assert_true(set_of_shop(p) >= set + 5000);
    assert_int_equal(vk_org_value(find(p, "turso", "shop"), "hostname").n, 0);
    assert_int_equal(keep_fields(p, (const pair[]){{"database_token", "no token"}, {NULL, NULL}}, false),
                     VK_E_INVALID);
    assert_int_equal(keep_fields(p, (const pair[]){{"nothing", "x"}, {NULL, NULL}}, false), VK_E_INVALID);
    p->sealed = true;
    assert_int_equal(keep_fields(p, all, false), VK_E_UNAVAILABLE);
    p->sealed = false;
    stop(p);
    start(p);
    value_is(p, "turso", "shop", "made", MADE);
    value_is(p, "turso", "shop", "database_token", TOKEN_A);
    assert_int_equal(keep_fields(p, NULL, false), VK_OK);
    assert_string_equal(p->lines[p->n_lines - 1].op, "resource.gone turso");
    assert_null(find(p, "turso", "shop"));
    assert_int_equal(faccessat(p->at.data_fd, "vault/build/shop", F_OK, 0), -1);
    assert_int_equal(keep_fields(p, NULL, false), VK_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kept_over_a_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_in_locked_memory_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_ways_of_clerk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_is_not_played_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clock_jumps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_audit_says_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_byte_of_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(swapped_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_record_put_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tried_and_kept_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keepers_own, set_up, tear_down),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
