/* Any bytes as the body of a pipeline and of a cursor. What is accepted is within its limits, and every
 * reference in it points to something. */
#include "services/database/hrana.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cond(const vk_hrana_cond *c, uint32_t step, int depth)
{
    CHECK(depth < 200);
    if (c->type == VK_COND_OK || c->type == VK_COND_ERROR)
        CHECK(c->step < step);
    for (uint32_t i = 0; i < c->n; i++)
        cond(&c->parts[i], step, depth + 1);
}

static void values(const vk_hrana_value *v, uint32_t n)
{
    volatile size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        if (v[i].type == VK_H_TEXT || v[i].type == VK_H_BLOB)
            for (size_t k = 0; k < v[i].u.s.n; k++)
                bytes += (unsigned char)v[i].u.s.p[k];
}

static void stmt(const vk_hrana_stmt *s)
{
    values(s->args, s->n_args);
    values(s->named, s->n_named);
}

static void accepted(const vk_pipeline *p)
{
    CHECK(p->n <= VK_HRANA_REQUESTS_MAX);
    bool closes = false;
    for (uint32_t i = 0; i < p->n; i++) {
        const vk_hrana_request *r = &p->requests[i];
        CHECK(r->n_steps <= VK_HRANA_STEPS_MAX);
        CHECK(vk_hrana_type_name(r->type));
        closes |= r->type == VK_R_CLOSE;
        stmt(&r->stmt);
        for (uint32_t k = 0; k < r->n_steps; k++) {
            stmt(&r->steps[k].stmt);
            if (r->steps[k].cond)
                cond(r->steps[k].cond, k, 0);
        }
    }
    CHECK(p->closes == closes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_arena *a = vk_arena_new(8 << 20);
    char *copy = malloc(size ? size : 1); /* exactly its size: a read past the end is seen */
    if (a && copy) {
        vk_pipeline p;
        vk_str why = VK_STR_NONE, body = {copy, size};
        memcpy(copy, data, size);
        vk_err e = vk_hrana_parse(a, body, &p, &why);
        if (e == VK_OK)
            accepted(&p);
        else
            CHECK(e == VK_E_NOMEM || why.n);
        e = vk_hrana_parse_cursor(a, body, &p, &why);
        if (e == VK_OK) {
            CHECK(p.n == 1 && !p.closes);
            accepted(&p);
        }
    }
    free(copy);
    vk_arena_free(a);
    return 0;
}
