#include "services/payments/search.h"

typedef enum kind { TOKEN, STRING, NUMBER } kind; /* equal; also contains; also less and greater */

typedef struct field {
    const char *name;
    kind kind;
    const char *path; /* in the document; NULL: the name */
} field;

typedef struct searched {
    const char *object, *plural, *heading; /* the latter as the sentences have them */
    const field *fields;
} searched;

/* https://docs.stripe.com/search#query-fields-for-charges and its neighbours; metadata is of all. */
static const field charge[] = {
    {"amount", NUMBER, NULL},
    {"billing_details.address.postal_code", TOKEN, NULL},
    {"created", NUMBER, NULL},
    {"currency", TOKEN, NULL},
    {"customer", TOKEN, NULL},
    {"disputed", TOKEN, NULL},
    {"payment_method_details.card.brand", TOKEN, NULL},
    {"payment_method_details.card.exp_month", TOKEN, NULL},
    {"payment_method_details.card.exp_year", TOKEN, NULL},
    {"payment_method_details.card.fingerprint", TOKEN, NULL},
    {"payment_method_details.card.last4", TOKEN, NULL},
    {"refunded", TOKEN, NULL},
    {"status", TOKEN, NULL},
    {0},
};
static const field customer[] = {
    {"created", NUMBER, NULL}, {"email", STRING, NULL}, {"name", STRING, NULL}, {"phone", STRING, NULL}, {0},
};
static const field invoice[] = {
    {"created", NUMBER, NULL},
    {"currency", TOKEN, NULL},
    {"customer", TOKEN, NULL},
    {"last_finalization_error_code", TOKEN, "last_finalization_error.code"},
    {"last_finalization_error_type", TOKEN, "last_finalization_error.type"},
    {"number", STRING, NULL},
    {"receipt_number", STRING, NULL},
    {"status", TOKEN, NULL},
    {"subscription", STRING, "parent.subscription_details.subscription"},
    {"total", NUMBER, NULL},
    {0},
};
static const field payment_intent[] = {
    {"amount", NUMBER, NULL},  {"created", NUMBER, NULL}, {"currency", TOKEN, NULL},
    {"customer", TOKEN, NULL}, {"status", TOKEN, NULL},   {0},
};
static const field price[] = {
    {"active", TOKEN, NULL},   {"currency", TOKEN, NULL}, {"lookup_key", STRING, NULL},
    {"product", STRING, NULL}, {"type", TOKEN, NULL},     {0},
};
static const field product[] = {
    {"active", TOKEN, NULL},    {"description", STRING, NULL}, {"name", STRING, NULL},
    {"shippable", TOKEN, NULL}, {"url", STRING, NULL},         {0},
};
static const field subscription[] = {
    {"canceled_at", NUMBER, NULL},
    {"created", NUMBER, NULL},
    {"status", STRING, NULL},
    {0},
};
static const searched all[] = {
    {"charge", "charges", "charges", charge},
    {"customer", "customers", "customers", customer},
    {"invoice", "invoices", "invoices", invoice},
    {"payment_intent", "payment_intents", "paymentintents", payment_intent},
    {"price", "prices", "prices", price},
    {"product", "products", "products", product},
    {"subscription", "subscriptions", "subscriptions", subscription},
};
static const field metadata = {"metadata", TOKEN, "metadata"};

typedef enum op { EQUAL, CONTAINS, GREATER, LESS, GREATER_EQUAL, LESS_EQUAL, IS_NULL } op;

typedef struct clause {
    const field *field;
    vk_str member; /* of metadata */
    op op;
    bool not ;
    vk_str text;
    int64_t number;
} clause;

struct vk_pay_query {
    clause clauses[VK_PAY_CLAUSES_MAX];
    size_t n;
    bool any; /* OR */
};

/* ---- reading */

typedef struct reader {
    vk_arena *a;
    const searched *of;
    const char *p, *end;
    const char **why_r;
} reader;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void blanks(reader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static bool next_is(reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static vk_err unreadable(reader *r)
{
    return vk_refuse(
        r->a, r->why_r,
        "We were unable to parse your search query. Try using the format "
        "`metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" to query for other "
        "fields.");
}

/* A text in quotes, of which the first is next. */
static vk_err quoted(reader *r, vk_str *out_r)
{
    char quote = *r->p++;
    char *to = vk_arena_alloc(r->a, (size_t)(r->end - r->p) + 1);
    size_t n = 0;
    if (!to)
        return VK_E_NOMEM;
    while (r->p < r->end && *r->p != quote) {
        if (*r->p == '\\' && r->p + 1 < r->end && (r->p[1] == '"' || r->p[1] == '\'' || r->p[1] == '\\'))
            r->p++;
        to[n++] = *r->p++;
    }
    if (!next_is(r, quote))
        return unreadable(r);
    *out_r = (vk_str){to, n};
    return VK_OK;
}

static bool at_quote(const reader *r)
{
    return r->p < r->end && (*r->p == '"' || *r->p == '\'');
}

static bool of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* What stands without quotes: a name, or a value. */
static vk_str word(reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && of_name(*r->p))
        r->p++;
    return (vk_str){from, (size_t)(r->p - from)};
}

static const char signs[] = ":~><";

static bool at_op(const reader *r)
{
    return r->p < r->end && *r->p && strchr(signs, *r->p);
}

static vk_err read_field(reader *r, clause *c)
{
    vk_str name = word(r);
    if (name.n == 0)
        return unreadable(r);
    if (vk_str_eqz(name, "metadata")) {
        c->field = &metadata;
        if (!next_is(r, '[') || !at_quote(r))
            return unreadable(r);
        vk_err e = quoted(r, &c->member);
        return e == VK_OK && (!next_is(r, ']') || c->member.n == 0) ? unreadable(r) : e;
    }
    for (const field *f = r->of->fields; f->name; f++)
        if (vk_str_eqz(name, f->name)) {
            c->field = f;
            return VK_OK;
        }
    blanks(r);
    if (!at_op(r)) /* no field at all, but a word */
        return unreadable(r);
    return vk_refuse(r->a, r->why_r,
                     "Field `" VK_STR_FMT "` is an unsupported search field for resource `%s`. See "
                     "https://stripe.com/docs/search#query-fields-for-%s for a list of supported fields.",
                     (int)(name.n < 64 ? name.n : 64), name.p, r->of->plural, r->of->heading);
}

static vk_err read_op(reader *r, clause *c)
{
    static const op ops[] = {EQUAL, CONTAINS, GREATER, LESS};
    if (!at_op(r))
        return unreadable(r);
    c->op = ops[strchr(signs, *r->p++) - signs];
    if ((c->op == GREATER || c->op == LESS) && next_is(r, '='))
        c->op = c->op == GREATER ? GREATER_EQUAL : LESS_EQUAL;
    if (c->op == CONTAINS && c->field->kind != STRING)
        return vk_refuse(
            r->a, r->why_r,
            "Field `%s` does not support the `~` operator. Use the `:` operator to match its whole value.",
            c->field->name);
    if (c->op > CONTAINS && c->field->kind != NUMBER)
        return vk_refuse(r->a, r->why_r,
                         "Field `%s` is not numeric, so it does not support the operators > and <.",
                         c->field->name);
    return VK_OK;
}

static size_t characters(vk_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
    return n;
}

static vk_err read_value(reader *r, clause *c)
{
    bool bare = !at_quote(r);
    vk_err e = VK_OK;
    if (bare) {
        const char *from = r->p;
        (void)next_is(r, '-');
        (void)word(r);
        c->text = (vk_str){from, (size_t)(r->p - from)};
    } else {
        e = quoted(r, &c->text);
    }
    if (e != VK_OK)
        return e;
    if (bare && vk_str_ieq(c->text, VK_STR("null"))) {
        if (c->op != EQUAL)
            return unreadable(r);
        c->op = IS_NULL;
        return VK_OK;
    }
    if (c->field->kind == NUMBER) {
        if (vk_str_to_i64(c->text, &c->number) != VK_OK)
            return vk_refuse(r->a, r->why_r, "Field `%s` is numeric; its value must be an integer.",
                             c->field->name);
        return VK_OK;
    }
    int64_t number;
    if (bare && vk_str_to_i64(c->text, &number) != VK_OK)
        return unreadable(r); /* texts stand in quotes */
    if (c->op == CONTAINS && characters(c->text) < VK_PAY_CONTAINS_MIN)
        return vk_refuse(r->a, r->why_r,
                         "The `~` operator needs a value of at least %d characters (field `%s`).",
                         VK_PAY_CONTAINS_MIN, c->field->name);
    c->text = vk_arena_dup(r->a, c->text);
    return c->text.p ? VK_OK : VK_E_NOMEM;
}

static vk_err read_clause(reader *r, clause *c)
{
    *c = (clause){.not = next_is(r, '-')};
    vk_err e = read_field(r, c);
    if (e == VK_OK) {
        blanks(r);
        e = read_op(r, c);
    }
    if (e == VK_OK) {
        blanks(r);
        e = read_value(r, c);
    }
    /* Two clauses are apart. */
    return e == VK_OK && r->p < r->end && !is_blank(*r->p) ? unreadable(r) : e;
}

/* The word between two clauses. `joined`: 0 none yet, 1 AND, 2 OR. */
static vk_err read_joint(reader *r, int *joined)
{
    reader before = *r;
    vk_str w = word(r);
    int is = vk_str_ieq(w, VK_STR("AND")) ? 1 : vk_str_ieq(w, VK_STR("OR")) ? 2 : 0;
    if (!is || (r->p < r->end && !is_blank(*r->p))) {
        *r = before; /* a blank alone */
        is = 1;
    }
    blanks(r);
    if (*joined && *joined != is)
        return vk_refuse(r->a, r->why_r, "`AND` and `OR` cannot be combined in one search query.");
    *joined = is;
    return r->p == r->end ? unreadable(r) : VK_OK;
}

vk_err vk_pay_search_parse(vk_arena *a, vk_str object, vk_str text, const vk_pay_query **out_r,
                           const char **why_r)
{
    reader r = {.a = a, .p = text.p, .end = text.p + text.n, .why_r = why_r};
    int joined = 0;
    for (size_t i = 0; i < VK_COUNT(all); i++)
        if (vk_str_eqz(object, all[i].object))
            r.of = &all[i];
    if (!r.of)
        return VK_E_UNSUPPORTED;
    if (text.n > VK_PAY_QUERY_MAX)
        return vk_refuse(a, why_r, "Invalid string: the query must be at most %d characters",
                         VK_PAY_QUERY_MAX);
    vk_pay_query *q = VK_NEW(a, vk_pay_query);
    if (!q)
        return VK_E_NOMEM;
    blanks(&r);
    vk_err e = r.p == r.end ? unreadable(&r) : VK_OK;
    while (e == VK_OK && r.p < r.end) {
        if (q->n && (e = read_joint(&r, &joined)) != VK_OK)
            break;
        if (q->n == VK_PAY_CLAUSES_MAX)
            return vk_refuse(a, why_r, "A search query can have at most %d clauses.", VK_PAY_CLAUSES_MAX);
        e = read_clause(&r, &q->clauses[q->n]);
        q->n += e == VK_OK;
        blanks(&r);
    }
    q->any = joined == 2;
    if (e == VK_OK)
        *out_r = q;
    return e;
}

/* ---- matching */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool contains(vk_str s, vk_str part)
{
    if (part.n == 0)
        return true;
    char low = lower(part.p[0]);
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (lower(s.p[i]) == low && vk_str_ieq((vk_str){s.p + i, part.n}, part))
            return true;
    return false;
}

/* What is there, as a text. */
static vk_str text_of(const vk_pv *v, char number[24])
{
    switch (v->type) {
    case VK_PV_STR:
        return v->u.s;
    case VK_PV_BOOL:
        return v->u.b ? VK_STR("true") : VK_STR("false");
    case VK_PV_INT:
        snprintf(number, 24, "%lld", (long long)v->u.i);
        return vk_str_z(number);
    default:
        return VK_STR_NONE;
    }
}

static bool holds(const clause *c, const vk_pv *doc)
{
    char room[24];
    const vk_pv *v = vk_pv_at(doc, c->field->path ? c->field->path : c->field->name);
    if (c->member.p)
        v = vk_pv_get_n(v, c->member);
    if (vk_pv_is_null(v))
        return c->op == IS_NULL;
    if (c->field->kind == NUMBER) {
        if (v->type != VK_PV_INT)
            return false;
        int64_t i = v->u.i;
        return c->op == EQUAL           ? i == c->number
               : c->op == GREATER       ? i > c->number
               : c->op == LESS          ? i < c->number
               : c->op == GREATER_EQUAL ? i >= c->number
               : c->op == LESS_EQUAL    ? i <= c->number
                                        : false;
    }
    vk_str s = text_of(v, room);
    if (c->op == IS_NULL || !s.p)
        return false;
    return c->op == CONTAINS ? contains(s, c->text) : vk_str_ieq(s, c->text);
}

bool vk_pay_search_match(const vk_pay_query *q, const vk_pv *doc)
{
    for (size_t i = 0; i < q->n; i++)
        if ((holds(&q->clauses[i], doc) != q->clauses[i].not ) == q->any)
            return q->any;
    return !q->any;
}

/* Whether what the clause asks for stands in the JSON of every document that it holds for: a text that is
 * written there as it is. */
static bool is_seen(const clause *c)
{
    if (c->not || c->field->kind == NUMBER || c->op > CONTAINS)
        return false;
    for (size_t i = 0; i < c->text.n; i++) {
        uint8_t b = (uint8_t)c->text.p[i];
        if (b < 0x20 || b >= 0x7f || b == '"' || b == '\\' || b == '/')
            return false;
    }
    return true;
}

bool vk_pay_search_may(const vk_pay_query *q, vk_str json)
{
    for (size_t i = 0; i < q->n; i++)
        if ((!is_seen(&q->clauses[i]) || contains(json, q->clauses[i].text)) == q->any)
            return q->any;
    return !q->any;
}
