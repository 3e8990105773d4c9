#include "services/payments/stripe/calls.h"

#include "core/path_index.h"

#include <pthread.h>

#define LIST VK_STRIPE_LIST
#define SEARCH VK_STRIPE_SEARCH
#define MAKE VK_STRIPE_MAKE
#define TAG VK_STRIPE_TAG
#define CHOSEN VK_STRIPE_CHOSEN
#define LOCAL VK_STRIPE_LOCAL
#define SHARED VK_STRIPE_SHARED

/* clang-format off */
static const vk_stripe_kind kinds[] = {
    {"products", "product", "product", "product"},
    {"prices", "price", "price", "price"},
    {"plans", "plan", "plan", "price"}, /* a plan is a price of its id */
    {"coupons", "coupon", "coupon", "coupon"},
    {"customers", "customer", "customer", NULL},
    {"checkout/sessions", "checkout.session", "checkout.session", NULL},
    {"payment_intents", "payment_intent", "payment_intent", NULL},
    {"payment_methods", "payment_method", "PaymentMethod", NULL},
    {"setup_intents", "setup_intent", "setupintent", NULL},
    {"charges", "charge", "charge", NULL},
    {"refunds", "refund", "refund", NULL},
    {"subscriptions", "subscription", "subscription", NULL},
    {"subscription_items", "subscription_item", "subscription_item", NULL},
    {"invoices", "invoice", "invoice", NULL},
    {"invoiceitems", "invoiceitem", "invoiceitem", NULL},
    {"invoice_payments", "invoice_payment", "invoice_payment", NULL},
    {"billing_portal/sessions", "billing_portal.session", "billing_portal.session", NULL},
    {"billing_portal/configurations", "billing_portal.configuration", "configuration", NULL},
    {"promotion_codes", "promotion_code", "promotion code", NULL},
    {"payment_links", "payment_link", "payment_link", NULL},
    {"tax_rates", "tax_rate", "tax rate", NULL},
    {"shipping_rates", "shipping_rate", "shipping rate", NULL},
    {"balance_transactions", "balance_transaction", "balance transaction", NULL},
    {"test_helpers/test_clocks", "test_helpers.test_clock", "test clock", NULL},
};

const vk_stripe_call vk_stripe_calls[] = {
    {"GET", "/v1/account", SHARED},
    {"GET", "/v1/balance", 0},
    {"POST", "/v1/products", MAKE | TAG | CHOSEN},
    {"GET", "/v1/products", LIST},
    {"GET", "/v1/products/search", SEARCH},
    {"GET", "/v1/products/:id", 0},
    {"POST", "/v1/products/:id", TAG},
    {"DELETE", "/v1/products/:id", 0},
    {"POST", "/v1/prices", MAKE | TAG},
    {"GET", "/v1/prices", LIST},
    {"GET", "/v1/prices/search", SEARCH},
    {"GET", "/v1/prices/:id", 0},
    {"POST", "/v1/prices/:id", TAG},
    {"POST", "/v1/plans", MAKE | TAG | CHOSEN},
    {"GET", "/v1/plans", LIST},
    {"GET", "/v1/plans/:id", 0},
    {"POST", "/v1/plans/:id", TAG},
    {"DELETE", "/v1/plans/:id", 0},
    {"POST", "/v1/customers", MAKE | TAG},
    {"GET", "/v1/customers", LIST},
    {"GET", "/v1/customers/search", SEARCH},
    {"GET", "/v1/customers/:id", 0},
    {"POST", "/v1/customers/:id", TAG},
    {"DELETE", "/v1/customers/:id", 0},
    {"DELETE", "/v1/customers/:id/discount", 0},
    {"GET", "/v1/customers/:id/payment_methods", 0},
    {"GET", "/v1/customers/:id/payment_methods/:id", 0},
    {"POST", "/v1/checkout/sessions", MAKE | TAG},
    {"GET", "/v1/checkout/sessions", LIST},
    {"GET", "/v1/checkout/sessions/:id", 0},
    {"POST", "/v1/checkout/sessions/:id", TAG},
    {"POST", "/v1/checkout/sessions/:id/expire", 0},
    {"GET", "/v1/checkout/sessions/:id/line_items", 0},
    {"POST", "/v1/payment_intents", MAKE | TAG},
    {"GET", "/v1/payment_intents", LIST},
    {"GET", "/v1/payment_intents/search", SEARCH},
    {"GET", "/v1/payment_intents/:id", 0},
    {"POST", "/v1/payment_intents/:id", TAG},
    {"POST", "/v1/payment_intents/:id/confirm", 0},
    {"POST", "/v1/payment_intents/:id/capture", 0},
    {"POST", "/v1/payment_intents/:id/cancel", 0},
    {"POST", "/v1/payment_methods", MAKE | TAG},
    {"GET", "/v1/payment_methods", LIST},
    {"GET", "/v1/payment_methods/:id", 0},
    {"POST", "/v1/payment_methods/:id", TAG},
    {"POST", "/v1/payment_methods/:id/attach", 0},
    {"POST", "/v1/payment_methods/:id/detach", 0},
    {"POST", "/v1/setup_intents", MAKE | TAG},
    {"GET", "/v1/setup_intents", LIST},
    {"GET", "/v1/setup_intents/:id", 0},
    {"POST", "/v1/setup_intents/:id", TAG},
    {"POST", "/v1/setup_intents/:id/confirm", 0},
    {"POST", "/v1/setup_intents/:id/cancel", 0},
    {"GET", "/v1/charges", LIST},
    {"GET", "/v1/charges/search", SEARCH},
    {"GET", "/v1/charges/:id", 0},
    {"POST", "/v1/charges/:id", TAG},
    {"POST", "/v1/charges/:id/capture", 0},
    {"POST", "/v1/refunds", MAKE | TAG},
    {"GET", "/v1/refunds", LIST},
    {"GET", "/v1/refunds/:id", 0},
    {"POST", "/v1/refunds/:id", TAG},
    {"POST", "/v1/subscriptions", MAKE | TAG},
    {"GET", "/v1/subscriptions", LIST},
    {"GET", "/v1/subscriptions/search", SEARCH},
    {"GET", "/v1/subscriptions/:id", 0},
    {"POST", "/v1/subscriptions/:id", TAG},
    {"DELETE", "/v1/subscriptions/:id", 0},
    {"DELETE", "/v1/subscriptions/:id/discount", 0},
    {"POST", "/v1/subscriptions/:id/resume", 0},
    {"POST", "/v1/subscription_items", MAKE | TAG},
    {"GET", "/v1/subscription_items", LIST},
    {"GET", "/v1/subscription_items/:id", 0},
    {"POST", "/v1/subscription_items/:id", TAG},
    {"DELETE", "/v1/subscription_items/:id", 0},
    {"POST", "/v1/invoices", MAKE | TAG},
    {"GET", "/v1/invoices", LIST},
    {"GET", "/v1/invoices/search", SEARCH},
    {"GET", "/v1/invoices/upcoming", 0}, /* before 2025-03-31 */
    {"GET", "/v1/invoices/upcoming/lines", 0},
    {"POST", "/v1/invoices/create_preview", 0},
    {"GET", "/v1/invoices/:id", 0},
    {"POST", "/v1/invoices/:id", TAG},
    {"DELETE", "/v1/invoices/:id", 0},
    {"GET", "/v1/invoices/:id/lines", 0},
    {"POST", "/v1/invoices/:id/pay", 0},
    {"POST", "/v1/invoices/:id/void", 0},
    {"POST", "/v1/invoices/:id/finalize", 0},
    {"POST", "/v1/invoices/:id/send", 0},
    {"POST", "/v1/invoices/:id/mark_uncollectible", 0},
    {"GET", "/v1/invoice_payments", LIST},
    {"GET", "/v1/invoice_payments/:id", 0},
    {"POST", "/v1/invoiceitems", MAKE | TAG},
    {"GET", "/v1/invoiceitems", LIST},
    {"GET", "/v1/invoiceitems/:id", 0},
    {"POST", "/v1/invoiceitems/:id", TAG},
    {"DELETE", "/v1/invoiceitems/:id", 0},
    {"POST", "/v1/billing_portal/sessions", MAKE},
    {"POST", "/v1/billing_portal/configurations", MAKE | TAG},
    {"GET", "/v1/billing_portal/configurations", LIST},
    {"GET", "/v1/billing_portal/configurations/:id", 0},
    {"POST", "/v1/billing_portal/configurations/:id", TAG},
    {"POST", "/v1/coupons", MAKE | TAG | CHOSEN},
    {"GET", "/v1/coupons", LIST},
    {"GET", "/v1/coupons/:id", 0},
    {"POST", "/v1/coupons/:id", TAG},
    {"DELETE", "/v1/coupons/:id", 0},
    {"POST", "/v1/promotion_codes", MAKE | TAG},
    {"GET", "/v1/promotion_codes", LIST},
    {"GET", "/v1/promotion_codes/:id", 0},
    {"POST", "/v1/promotion_codes/:id", TAG},
    {"POST", "/v1/payment_links", MAKE | TAG},
    {"GET", "/v1/payment_links", LIST},
    {"GET", "/v1/payment_links/:id", 0},
    {"POST", "/v1/payment_links/:id", TAG},
    {"GET", "/v1/payment_links/:id/line_items", 0},
    {"POST", "/v1/tax_rates", MAKE | TAG},
    {"GET", "/v1/tax_rates", LIST},
    {"GET", "/v1/tax_rates/:id", 0},
    {"POST", "/v1/tax_rates/:id", TAG},
    {"POST", "/v1/shipping_rates", MAKE | TAG},
    {"GET", "/v1/shipping_rates", LIST},
    {"GET", "/v1/shipping_rates/:id", 0},
    {"POST", "/v1/shipping_rates/:id", TAG},
    {"GET", "/v1/balance_transactions", LIST},
    {"GET", "/v1/balance_transactions/:id", 0},
    {"POST", "/v1/test_helpers/test_clocks", MAKE},
    {"GET", "/v1/test_helpers/test_clocks", LIST},
    {"GET", "/v1/test_helpers/test_clocks/:id", 0},
    {"DELETE", "/v1/test_helpers/test_clocks/:id", 0},
    {"POST", "/v1/test_helpers/test_clocks/:id/advance", 0},
    {"POST", "/v1/webhook_endpoints", LOCAL},
    {"GET", "/v1/webhook_endpoints", LOCAL},
    {"GET", "/v1/webhook_endpoints/:id", LOCAL},
    {"POST", "/v1/webhook_endpoints/:id", LOCAL},
    {"DELETE", "/v1/webhook_endpoints/:id", LOCAL},
    {"GET", "/v1/events", LOCAL},
    {"GET", "/v1/events/:id", LOCAL},
    {NULL, NULL, 0},
};
/* clang-format on */

const vk_stripe_kind *vk_stripe_kind_of(vk_str collection)
{
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        if (collection.n && collection.p[0] == kinds[i].collection[0] &&
            vk_str_eqz(collection, kinds[i].collection))
            return &kinds[i];
    return NULL;
}

const vk_stripe_kind *vk_stripe_kind_of_object(vk_str object)
{
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        if (object.n && object.p[0] == kinds[i].object[0] && vk_str_eqz(object, kinds[i].object))
            return &kinds[i];
    return NULL;
}

/* The parts of "/v1/a/b"; false: an empty one, or too many. */
static bool split(vk_str path, vk_str *part, size_t *n_r)
{
    size_t n = 0;
    if (path.n < 2 || path.p[0] != '/')
        return false;
    for (size_t at = 1; at <= path.n; n++) {
        const char *slash = memchr(path.p + at, '/', path.n - at);
        size_t end = slash ? (size_t)(slash - path.p) : path.n;
        if (end == at || n == VK_STRIPE_SEGMENTS)
            return false;
        part[n] = (vk_str){path.p + at, end - at};
        at = end + 1;
    }
    *n_r = n;
    return path.p[path.n - 1] != '/';
}

/* What stands before the id in the path: one part, or two of them ("checkout/sessions"). */
static const vk_stripe_kind *before(const vk_str *part, size_t i)
{
    const vk_stripe_kind *k = i ? vk_stripe_kind_of(part[i - 1]) : NULL;
    if (k || i < 2)
        return k;
    const char *from = part[i - 2].p; /* they lie in one text */
    return vk_stripe_kind_of((vk_str){from, (size_t)(part[i - 1].p + part[i - 1].n - from)});
}

/* In step, so that most calls are done with after a few characters. */
static bool fits(const vk_stripe_call *c, const vk_str *part, size_t n, size_t *literal_r)
{
    const char *own = c->path;
    *literal_r = 0;
    for (size_t i = 0; i < n; i++) {
        if (*own++ != '/') /* its end, or it goes on where the part ends */
            return false;
        if (*own == ':') {
            while (*own && *own != '/')
                own++;
            continue;
        }
        for (size_t k = 0; k < part[i].n; k++, own++)
            if (*own != part[i].p[k] || !*own)
                return false;
        ++*literal_r;
    }
    return *own == '\0';
}

/* What only the table decides, found once. */
static struct kinds_of {
    const vk_stripe_kind *kind[VK_STRIPE_IDS], *of;
} kinds_of[VK_COUNT(vk_stripe_calls)];
static vk_path_index calls_index;

static const char *path_of(const void *table, size_t i)
{
    return ((const vk_stripe_call *)table)[i].path;
}

static void make_index(void)
{
    const size_t calls = VK_COUNT(vk_stripe_calls) - 1;
    if (vk_path_index_make(&calls_index, path_of, vk_stripe_calls, calls) != VK_OK)
        abort(); /* the table is a constant: raise VK_PATH_RULES_MAX */
    for (size_t i = 0; i < calls; i++) {
        vk_str part[VK_STRIPE_SEGMENTS + 1];
        size_t n, ids = 0;
        if (!split(vk_str_z(vk_stripe_calls[i].path), part, &n))
            abort();
        for (size_t k = 0; k < n; k++)
            if (part[k].p[0] == ':')
                kinds_of[i].kind[ids++] = before(part, k);
        kinds_of[i].of = before(part, n - ((vk_stripe_calls[i].does & VK_STRIPE_SEARCH) != 0));
    }
}

static void take_ids(const vk_stripe_call *c, const vk_str *part, size_t n, vk_stripe_found *out_r)
{
    const struct kinds_of *kinds_here = &kinds_of[c - vk_stripe_calls];
    const char *own = c->path;
    *out_r = (vk_stripe_found){.call = c, .of = kinds_here->of};
    for (size_t i = 0; i < n; i++) {
        if (own[1] == ':') {
            out_r->kind[out_r->n] = kinds_here->kind[out_r->n];
            out_r->id[out_r->n++] = part[i];
        }
        own = strchrnul(own + 1, '/');
    }
}

bool vk_stripe_find(vk_str method, vk_str path, vk_stripe_found *out_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    vk_str part[VK_STRIPE_SEGMENTS + 1];
    size_t n, literal, most = 0;
    const vk_stripe_call *best = NULL;
    if (method.n == 0 || !split(path, part, &n) || n < 2)
        return false;
    pthread_once(&once, make_index);
    unsigned s = vk_path_slot(path);
    for (unsigned i = calls_index.from[s]; i < calls_index.from[s + 1]; i++) {
        const vk_stripe_call *c = &vk_stripe_calls[calls_index.rule[i]];
        if (method.p[0] != c->method[0] || !fits(c, part, n, &literal) || literal <= most ||
            !vk_str_eqz(method, c->method))
            continue;
        most = literal;
        best = c;
    }
    if (best)
        take_ids(best, part, n, out_r);
    return best != NULL;
}
