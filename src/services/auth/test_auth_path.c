/* Which of the two APIs a path belongs to, and what is left of it for the tables of endpoints. */
#include "services/auth/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void paths(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *path, *build, *rest;
        bool backend;
    } good[] = {
        {"/b/shop/v1/environment", "shop", "/environment", false},
        {"/b/a-1/v1/client/sign_ups", "a-1", "/client/sign_ups", false},
        {"/b/shop/v1/me/email_addresses/", "shop", "/me/email_addresses/", false}, /* as clerk-js sends it */
        {"/b/shop/v1/", "shop", "/", false},
        {"/b/shop/v1//", "shop", "//", false},
        {"/b/shop/.well-known/jwks.json", "shop", "/.well-known/jwks.json", false},
        {"/b/shop/bapi/v1/users", "shop", "/users", true},
    };
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        vk_auth_at at = {0};
        if (!vk_auth_path(vk_str_z(good[i].path), &at))
            fail_msg("none: %s", good[i].path);
        if (!vk_str_eqz(at.build, good[i].build) || !vk_str_eqz(at.rest, good[i].rest) ||
            at.backend != good[i].backend)
            fail_msg("%s: " VK_STR_FMT ", " VK_STR_FMT, good[i].path, VK_STR_ARG(at.build),
                     VK_STR_ARG(at.rest));
    }
    static const char *const bad[] = {
        "",
        "/",
        "/b/",
        "/b/shop",
        "/b/shop/",
        "/b/shop/v1",
        "/b/shop/bapi/v1",
        "/b/shop/v2/me",
        "/b/shop/v1x",
        "/b/shop/xv1/me",
        "/b/Shop/v1/me",
        "/b/a_b/v1/me",
        "/b/-a/v1/me",
        "/b/../v1/me",
        "/b//v1/me",
        "/c/shop/v1/me",
        "/v1/me",
        "/b/shop/.well-known/jwks.json/",
        "/b/shop/bapi/.well-known/jwks.json",
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        vk_auth_at at = {0};
        if (vk_auth_path(vk_str_z(bad[i]), &at))
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
