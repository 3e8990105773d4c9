/* Any bytes as a pipeline, as a cursor's request and as a message on a WebSocket: what is accepted has the
 * promised shape, what is refused has a text. */
#include "services/database/hrana.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

enum { ARENA = 4 << 20 };

static void check_stmt(const vk_hrana_stmt *s)
{
    CHECK(s->sql.p || s->sql.n == 0);
    for (uint32_t i = 0; i < s->n_args; i++)
        CHECK(s->args[i].type <= VK_H_BLOB);
    for (uint32_t i = 0; i < s->n_named; i++)
        CHECK(s->named[i].type <= VK_H_BLOB);
}

static void check_cond(const vk_hrana_cond *c, uint32_t step)
{
    CHECK(c->type <= VK_COND_AUTOCOMMIT);
    if (c->type == VK_COND_OK || c->type == VK_COND_ERROR)
        CHECK(c->step < step);
    for (uint32_t i = 0;
         (c->type == VK_COND_NOT || c->type == VK_COND_AND || c->type == VK_COND_OR) && i < c->n; i++)
        check_cond(&c->parts[i], step);
}

static void check_request(const vk_hrana_request *r)
{
    CHECK(vk_hrana_type_name(r->type));
    if (r->type == VK_R_EXECUTE)
        check_stmt(&r->stmt);
    CHECK(r->n_steps <= VK_HRANA_STEPS_MAX);
    for (uint32_t i = 0; r->type == VK_R_BATCH && i < r->n_steps; i++) {
        check_stmt(&r->steps[i].stmt);
        if (r->steps[i].cond)
            check_cond(r->steps[i].cond, i);
    }
}

static void check_pipeline(vk_arena *a, vk_str text, bool cursor)
{
    vk_pipeline p;
    vk_str why = VK_STR_NONE;
    vk_err e = cursor ? vk_hrana_parse_cursor(a, text, &p, &why) : vk_hrana_parse(a, text, &p, &why);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_NOMEM);
    CHECK((e == VK_E_INVALID) == (why.p != NULL) || e == VK_E_NOMEM);
    if (e != VK_OK)
        return;
    CHECK(p.n <= VK_HRANA_REQUESTS_MAX && (!cursor || (p.n == 1 && p.requests[0].type == VK_R_BATCH)));
    for (uint32_t i = 0; i < p.n; i++) {
        check_request(&p.requests[i]);
        CHECK(p.closes || p.requests[i].type != VK_R_CLOSE);
    }
}

static void check_message(vk_arena *a, vk_str text)
{
    vk_message m;
    vk_str why = VK_STR_NONE;
    bool malformed = false;
    vk_err e = vk_hrana_parse_message(a, text, &m, &why, &malformed);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_NOMEM);
    if (e == VK_E_INVALID)
        CHECK(why.n > 0 && malformed == vk_str_starts(why, VK_STR("Cannot deserialize")));
    if (e != VK_OK)
        return;
    CHECK(m.type <= VK_M_CLOSE_SQL);
    if (m.type == VK_M_STREAM) {
        check_request(&m.request);
        CHECK(m.request.type != VK_R_CLOSE && m.request.type != VK_R_STORE_SQL &&
              m.request.type != VK_R_CLOSE_SQL);
    }
    if (m.type == VK_M_STORE_SQL)
        CHECK(m.request.stmt.sql.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_arena *a = vk_arena_new(ARENA);
    CHECK(a);
    vk_str text = {(const char *)data, size};
    check_pipeline(a, text, false);
    vk_arena_reset(a);
    check_pipeline(a, text, true);
    vk_arena_reset(a);
    check_message(a, text);
    vk_arena_free(a);
    return 0;
}
