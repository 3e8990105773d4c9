#include "crypto/password_pool.h"

#include "crypto/digest.h"

#include <pthread.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int finished, held;
static bool hold;

static void done(vk_password_job *j)
{
    VK_UNUSED(j);
    pthread_mutex_lock(&mu);
    finished++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

/* Keeps the thread until it is let go. */
static void done_held(vk_password_job *j)
{
    VK_UNUSED(j);
    pthread_mutex_lock(&mu);
    held++;
    pthread_cond_broadcast(&changed);
    while (hold)
        pthread_cond_wait(&changed, &mu);
    finished++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static void wait_for(const int *what, int n)
{
    pthread_mutex_lock(&mu);
    while (*what < n)
        pthread_cond_wait(&changed, &mu);
    pthread_mutex_unlock(&mu);
}

static void let_go(void)
{
    pthread_mutex_lock(&mu);
    hold = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static const char cheap[] = "$argon2id$v=19$m=32,t=1,p=4$AQgPFh0kKzI$vh0AmXWAUvEThSvwMb47yQ";

static vk_password_job job(const void *owner, const char *digest, const char *password)
{
    return (vk_password_job){.owner = owner,
                             .password = vk_secret_of(vk_str_z(password)),
                             .digest = digest ? vk_secret_of(vk_str_z(digest)) : VK_SECRET_NONE,
                             .kind = VK_PASSWORD_ARGON2ID,
                             .done = done};
}

static int begin(void **state)
{
    VK_UNUSED(state);
    finished = held = 0;
    hold = false;
    return 0;
}

static void hashes_and_checks(void **state)
{
    VK_UNUSED(state);
    vk_password_pool *p;
    assert_int_equal(vk_password_pool_new(2, 16, &p), VK_OK);
    vk_password_job j[5];
    j[0] = job(&j, NULL, "correct horse");
    j[1] = job(&j, NULL, "short");
    j[2] = job(&j, cheap, "wrong horse");
    j[3] = job(&finished, cheap, "correct horse");
    j[4] = job(&finished, "junk", "correct horse");
    for (size_t i = 0; i < VK_COUNT(j); i++)
        assert_int_equal(vk_password_pool_add(p, &j[i]), VK_OK);
    wait_for(&finished, VK_COUNT(j));
    assert_int_equal(j[0].err, VK_OK);
    assert_int_equal(
        vk_password_verify(VK_PASSWORD_ARGON2ID, vk_secret_of(vk_str_z(j[0].made)), j[0].password), VK_OK);
    assert_int_equal(j[1].err, VK_E_INVALID);
    assert_int_equal(j[2].err, VK_E_UNAUTHORIZED);
    assert_int_equal(j[2].made[0], '\0');
    assert_int_equal(j[3].err, VK_OK); /* with a better digest */
    assert_memory_equal(j[3].made, "$argon2id$v=19$m=19456,", 23);
    assert_int_equal(j[4].err, VK_E_INVALID);

    /* The new digest needs no replacement. */
    vk_password_job again = job(&j, j[3].made, "correct horse");
    assert_int_equal(vk_password_pool_add(p, &again), VK_OK);
    wait_for(&finished, VK_COUNT(j) + 1);
    assert_int_equal(again.err, VK_OK);
    assert_int_equal(again.made[0], '\0');
    vk_password_pool_free(p);
}

static void is_bounded(void **state)
{
    VK_UNUSED(state);
    vk_password_pool *p;
    vk_password_job first = job(&mu, cheap, "x"), j[9];
    int owners[4];
    first.done = done_held;
    hold = true;
    assert_int_equal(vk_password_pool_new(1, 8, &p), VK_OK);
    assert_int_equal(vk_password_pool_add(p, &first), VK_OK);
    wait_for(&held, 1);
    /* Two of eight are one owner's share. */
    for (size_t i = 0; i < VK_COUNT(j); i++)
        j[i] = job(&owners[(i / 2) % 4], cheap, "x");
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(vk_password_pool_add(p, &j[i]), VK_OK);
    j[8].owner = &owners[0];
    assert_int_equal(vk_password_pool_add(p, &j[8]), VK_E_BUSY);
    for (size_t i = 2; i < 8; i++)
        assert_int_equal(vk_password_pool_add(p, &j[i]), VK_OK);
    assert_int_equal(vk_password_pool_waiting(p), 8);
    j[8].owner = &mu; /* somebody who has none, but the queue is full */
    assert_int_equal(vk_password_pool_add(p, &j[8]), VK_E_BUSY);
    let_go();
    wait_for(&finished, 9);
    assert_int_equal(vk_password_pool_add(p, &j[8]), VK_OK);
    wait_for(&finished, 10);
    vk_password_pool_free(p);
}

static void *free_it(void *p)
{
    vk_password_pool_free(p);
    return NULL;
}

static void ends_what_waits(void **state)
{
    VK_UNUSED(state);
    vk_password_pool *p;
    vk_password_job first = job(&mu, cheap, "correct horse"), second = job(&mu, cheap, "correct horse");
    pthread_t other;
    first.done = done_held;
    hold = true;
    assert_int_equal(vk_password_pool_new(1, VK_PASSWORD_QUEUE_MAX, &p), VK_OK);
    assert_int_equal(vk_password_pool_add(p, &first), VK_OK);
    wait_for(&held, 1);
    assert_int_equal(vk_password_pool_add(p, &second), VK_OK);
    assert_int_equal(pthread_create(&other, NULL, free_it, p), 0);
    /* Once it ends, nothing new is taken; what was taken before that is told. */
    vk_password_job late[200];
    int n = 0;
    for (;; n++) {
        assert_true(n < 200);
        late[n] = job(&late[n], cheap, "correct horse");
        if (vk_password_pool_add(p, &late[n]) == VK_E_BUSY)
            break;
        usleep(5000);
    }
    let_go();
    pthread_join(other, NULL);
    assert_int_equal(finished, 2 + n);
    assert_int_equal(first.err, VK_OK);
    assert_int_equal(second.err, VK_E_UNAVAILABLE);
    for (int i = 0; i < n; i++)
        assert_int_equal(late[i].err, VK_E_UNAVAILABLE);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hashes_and_checks, begin),
        cmocka_unit_test_setup(is_bounded, begin),
        cmocka_unit_test_setup(ends_what_waits, begin),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
