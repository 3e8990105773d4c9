/* docs/SUPPORTED-CALLS.md tells of payments what the tables say: its part between the marks is made here and
 * compared. VK_WRITE_DOCS=1 writes it. */
#include "services/payments/schema_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BEGIN "<!-- payments: made from the tables of src/services/payments/resources by test_pay_doc -->\n"
#define END "<!-- payments: end -->\n"

enum { DOC_MAX = 4 << 20 };

typedef enum effect { EFFECT, NONE, REFUSED } effect;

static effect effect_of(const vk_pay_node *n)
{
    return !n->to ? EFFECT : strcmp(n->to, "!") == 0 ? NONE : strcmp(n->to, "-") == 0 ? REFUSED : EFFECT;
}

/* The data and options of methods that are no cards: told once, not in each row. */
static bool other_method(const vk_pay_node *n)
{
    return effect_of(n) == NONE && n->up && n->up->up &&
           (vk_str_eqz(n->up->name, "payment_method_options") ||
            vk_str_eqz(n->up->name, "payment_method_data"));
}

static void date(vk_buf *b, int v)
{
    vk_buf_printf(b, "%04d-%02d-%02d", v / 10000, v / 100 % 100, v % 100);
}

static void name(vk_buf *b, const vk_pay_node *n, bool *first)
{
    vk_buf_printf(b, "%s`%s`", *first ? "" : ", ", n->full);
    *first = false;
    if (n->since) {
        vk_buf_z(b, " from ");
        date(b, n->since);
    }
    if (n->until) {
        vk_buf_z(b, " before ");
        date(b, n->until);
    }
}

/* Those at the top that have an effect; what is without one, wherever it is. */
static void names(vk_buf *b, const vk_pay_node *up, effect which, bool *first)
{
    for (const vk_pay_node *n = up->first; n; n = n->next) {
        if (other_method(n))
            continue;
        if (effect_of(n) == which && (which != EFFECT || !up->up))
            name(b, n, first);
        if (which != EFFECT)
            names(b, n, which, first);
    }
}

static void cell(vk_buf *b, const vk_pay_route *r, effect which)
{
    bool first = true;
    vk_buf_z(b, " | ");
    names(b, &r->params, which, &first);
}

static void calls(vk_buf *b)
{
    vk_buf_z(b, "| call | parameters | accepted without effect | refused |\n|---|---|---|---|\n");
    for (size_t i = 0; vk_pay_resources[i]; i++)
        for (const vk_pay_endpoint *ep = vk_pay_resources[i]->endpoints; ep && ep->method; ep++) {
            const vk_pay_route *r = vk_pay_route_of(ep);
            assert_non_null(r);
            vk_buf_printf(b, "| `%s %s`%s", ep->method, ep->path,
                          ep->publishable ? " (also with `pk_`)" : "");
            cell(b, r, EFFECT);
            cell(b, r, NONE);
            cell(b, r, REFUSED);
            vk_buf_z(b, " |\n");
        }
}

static bool by_version(const vk_pay_node *up)
{
    for (const vk_pay_node *n = up->first; n; n = n->next)
        if (n->since || n->until || by_version(n))
            return true;
    return false;
}

static void changes(vk_buf *b, const vk_pay_node *up, bool *first)
{
    for (const vk_pay_node *n = up->first; n; n = n->next) {
        if (n->since || n->until)
            name(b, n, first);
        else
            changes(b, n, first);
    }
}

static void objects(vk_buf *b)
{
    vk_buf_z(b, "| object | of some versions only |\n|---|---|\n");
    for (size_t i = 0; vk_pay_resources[i]; i++) {
        const vk_pay_tree *t = vk_pay_tree_of(vk_pay_resources[i]);
        bool first = true;
        assert_non_null(t);
        if (!by_version(&t->root))
            continue;
        vk_buf_printf(b, "| `%s` | ", t->resource->object);
        changes(b, &t->root, &first);
        vk_buf_z(b, " |\n");
    }
}

static void missing(vk_buf *b)
{
    vk_buf_z(b, "| not here | calls |\n|---|---|\n");
    for (const vk_pay_missing *m = vk_pay_missing_calls, *k; m->path; m++) {
        for (k = vk_pay_missing_calls; k < m && strcmp(k->why, m->why) != 0;)
            k++;
        if (k < m)
            continue;
        vk_buf_printf(b, "| %s | ", m->why);
        for (k = m; k->path; k++)
            if (strcmp(k->why, m->why) == 0)
                vk_buf_printf(b, "%s`%s%s%s`", k == m ? "" : ", ", k->method ? k->method : "",
                              k->method ? " " : "", k->path);
        vk_buf_z(b, " |\n");
    }
}

static void describe(vk_buf *b)
{
    vk_buf_z(b, BEGIN);
    vk_buf_z(b, "\nEvery call takes `expand[]` (4 levels); lists take `limit`, `starting_after` and "
                "`ending_before`. A parameter of Stripe's that is accepted without\neffect is named in the "
                "answer's `Stripe-Notice`; one that is refused answers 400. Options and data of payment "
                "methods that are no cards are accepted\nwithout effect. Other names are refused as "
                "Stripe does (`parameter_unknown`).\n\n");
    calls(b);
    vk_buf_z(b, "\nObjects have every field of the newest version (" VK_PAY_NEWEST_NAME
                "); before 2025-03-31 they have the older ones as well.\n\n");
    objects(b);
    vk_buf_z(b, "\nStripe's other calls answer 404:\n\n");
    missing(b);
    vk_buf_z(b, "\n");
    vk_buf_z(b, END);
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *p = calloc(1, DOC_MAX + 1);
    assert_non_null(p);
    if (!f)
        print_error("%s cannot be read\n", path);
    assert_non_null(f);
    assert_in_range(fread(p, 1, DOC_MAX, f), 1, DOC_MAX - 1);
    fclose(f);
    return p;
}

static void written(const char *path, const char *head, size_t n_head, const vk_buf *b, const char *tail)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(head, 1, n_head, f), n_head);
    assert_int_equal(fwrite(b->p, 1, b->n, f), b->n);
    assert_int_equal(fwrite(tail, 1, strlen(tail), f), strlen(tail));
    assert_int_equal(fclose(f), 0);
}

static void document(void **state)
{
    const char *root = getenv("VK_SOURCE_ROOT"), *why = "";
    char path[4096];
    vk_buf b;
    VK_UNUSED(state);
    assert_non_null(root);
    assert_int_equal(vk_pay_schema_start(&why), VK_OK);
    snprintf(path, sizeof path, "%s/docs/SUPPORTED-CALLS.md", root);
    vk_buf_init(&b, DOC_MAX);
    describe(&b);
    assert_int_equal(b.err, VK_OK);
    char *text = read_all(path);
    char *begin = strstr(text, BEGIN), *end = begin ? strstr(begin, END) : NULL;
    assert_non_null(end);
    end += sizeof END - 1;
    bool same = (size_t)(end - begin) == b.n && memcmp(begin, b.p, b.n) == 0;
    if (!same && getenv("VK_WRITE_DOCS"))
        written(path, text, (size_t)(begin - text), &b, end);
    else if (!same)
        print_error("%s is older than the tables: VK_WRITE_DOCS=1 test_pay_doc\n", path);
    assert_true(same || getenv("VK_WRITE_DOCS"));
    vk_buf_free(&b);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(document)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
