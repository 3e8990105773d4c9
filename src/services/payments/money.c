#include "services/payments/call.h"

/* Stripe's list of currencies for charges (its page "Supported currencies"): three letters, digits behind the
 * point, the least that a card is charged in the smallest unit (0: the page names none, and without rates of
 * exchange one unit is all that can be asked for), what people write before it or, with a blank in front,
 * behind it. NULL: the letters themselves. Sorted. */
typedef struct currency {
    char code[4];
    uint8_t digits;
    int16_t least;
    const char *sign;
} currency;
static const currency currencies[] = {
    {"aed", 2, 200, NULL},   {"afn", 2, 0, NULL},     {"all", 2, 0, NULL},      {"amd", 2, 0, NULL},
    {"ang", 2, 0, NULL},     {"aoa", 2, 0, NULL},     {"ars", 2, 0, NULL},      {"aud", 2, 50, "A$"},
    {"awg", 2, 0, NULL},     {"azn", 2, 0, NULL},     {"bam", 2, 0, NULL},      {"bbd", 2, 0, NULL},
    {"bdt", 2, 0, NULL},     {"bgn", 2, 100, NULL},   {"bhd", 3, 0, NULL},      {"bif", 0, 0, NULL},
    {"bmd", 2, 0, NULL},     {"bnd", 2, 0, NULL},     {"bob", 2, 0, NULL},      {"brl", 2, 50, "R$"},
    {"bsd", 2, 0, NULL},     {"bwp", 2, 0, NULL},     {"byn", 2, 0, NULL},      {"bzd", 2, 0, NULL},
    {"cad", 2, 50, "CA$"},   {"cdf", 2, 0, NULL},     {"chf", 2, 50, NULL},     {"clp", 0, 0, NULL},
    {"cny", 2, 0, "CN¥"},    {"cop", 2, 0, NULL},     {"crc", 2, 0, NULL},      {"cve", 2, 0, NULL},
    {"czk", 2, 1500, " Kč"}, {"djf", 0, 0, NULL},     {"dkk", 2, 250, " kr."},  {"dop", 2, 0, NULL},
    {"dzd", 2, 0, NULL},     {"egp", 2, 0, NULL},     {"etb", 2, 0, NULL},      {"eur", 2, 50, "€"},
    {"fjd", 2, 0, NULL},     {"fkp", 2, 0, NULL},     {"gbp", 2, 30, "£"},      {"gel", 2, 0, NULL},
    {"ghs", 2, 0, NULL},     {"gip", 2, 0, NULL},     {"gmd", 2, 0, NULL},      {"gnf", 0, 0, NULL},
    {"gtq", 2, 0, NULL},     {"gyd", 2, 0, NULL},     {"hkd", 2, 400, "HK$"},   {"hnl", 2, 0, NULL},
    {"hrk", 2, 0, NULL},     {"htg", 2, 0, NULL},     {"huf", 2, 17500, " Ft"}, {"idr", 2, 0, NULL},
    {"ils", 2, 0, "₪"},      {"inr", 2, 50, "₹"},     {"isk", 2, 0, NULL},      {"jmd", 2, 0, NULL},
    {"jod", 3, 0, NULL},     {"jpy", 0, 50, "¥"},     {"kes", 2, 0, NULL},      {"kgs", 2, 0, NULL},
    {"khr", 2, 0, NULL},     {"kmf", 0, 0, NULL},     {"krw", 0, 0, "₩"},       {"kwd", 3, 0, NULL},
    {"kyd", 2, 0, NULL},     {"kzt", 2, 0, NULL},     {"lak", 2, 0, NULL},      {"lbp", 2, 0, NULL},
    {"lkr", 2, 0, NULL},     {"lrd", 2, 0, NULL},     {"lsl", 2, 0, NULL},      {"mad", 2, 0, NULL},
    {"mdl", 2, 0, NULL},     {"mga", 0, 0, NULL},     {"mkd", 2, 0, NULL},      {"mmk", 2, 0, NULL},
    {"mnt", 2, 0, NULL},     {"mop", 2, 0, NULL},     {"mur", 2, 0, NULL},      {"mvr", 2, 0, NULL},
    {"mwk", 2, 0, NULL},     {"mxn", 2, 1000, "MX$"}, {"myr", 2, 200, NULL},    {"mzn", 2, 0, NULL},
    {"nad", 2, 0, NULL},     {"ngn", 2, 0, NULL},     {"nio", 2, 0, NULL},      {"nok", 2, 300, " kr"},
    {"npr", 2, 0, NULL},     {"nzd", 2, 50, "NZ$"},   {"omr", 3, 0, NULL},      {"pab", 2, 0, NULL},
    {"pen", 2, 0, NULL},     {"pgk", 2, 0, NULL},     {"php", 2, 0, "₱"},       {"pkr", 2, 0, NULL},
    {"pln", 2, 200, " zł"},  {"pyg", 0, 0, NULL},     {"qar", 2, 0, NULL},      {"ron", 2, 200, NULL},
    {"rsd", 2, 0, NULL},     {"rub", 2, 0, NULL},     {"rwf", 0, 0, NULL},      {"sar", 2, 0, NULL},
    {"sbd", 2, 0, NULL},     {"scr", 2, 0, NULL},     {"sek", 2, 300, " kr"},   {"sgd", 2, 50, "S$"},
    {"shp", 2, 0, NULL},     {"sle", 2, 0, NULL},     {"sos", 2, 0, NULL},      {"srd", 2, 0, NULL},
    {"std", 2, 0, NULL},     {"szl", 2, 0, NULL},     {"thb", 2, 1000, NULL},   {"tjs", 2, 0, NULL},
    {"tnd", 3, 0, NULL},     {"top", 2, 0, NULL},     {"try", 2, 0, NULL},      {"ttd", 2, 0, NULL},
    {"twd", 2, 0, "NT$"},    {"tzs", 2, 0, NULL},     {"uah", 2, 0, NULL},      {"ugx", 0, 0, NULL},
    {"usd", 2, 50, "$"},     {"uyu", 2, 0, NULL},     {"uzs", 2, 0, NULL},      {"vnd", 0, 0, "₫"},
    {"vuv", 0, 0, NULL},     {"wst", 2, 0, NULL},     {"xaf", 0, 0, "FCFA "},   {"xcd", 2, 0, "EC$"},
    {"xcg", 2, 0, NULL},     {"xof", 0, 0, "F CFA "}, {"xpf", 0, 0, "CFPF "},   {"yer", 2, 0, NULL},
    {"zar", 2, 0, NULL},     {"zmw", 2, 0, NULL},
};

static int by_code(const void *key, const void *row)
{
    return memcmp(key, ((const currency *)row)->code, 3);
}
static const currency *find(vk_str code)
{
    if (code.n != 3)
        return NULL;
    return bsearch(code.p, currencies, VK_COUNT(currencies), sizeof *currencies, by_code);
}

bool vk_pay_currency(vk_str code)
{
    return find(code) != NULL;
}

bool vk_pay_zero_decimal(vk_str code)
{
    const currency *c = find(code);
    return c && c->digits == 0;
}

int64_t vk_pay_least(vk_str code)
{
    const currency *c = find(code);
    return c && c->least ? c->least : 1;
}

/* Room for the digits of an int64, a blank for each three, the point and the zeros before it. */
enum { AMOUNT = 40 };

/* Writes from the end, since that is where the digits begin. */
static const char *digits(char room[AMOUNT], int64_t amount, int behind)
{
    uint64_t left = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    char *p = room + AMOUNT - 1;
    *p = '\0';
    for (int i = 0; i < behind; i++, left /= 10)
        *--p = (char)('0' + left % 10);
    if (behind)
        *--p = '.';
    int n = 0;
    do {
        if (n && n % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + left % 10);
        left /= 10;
        n++;
    } while (left);
    return p;
}

static vk_str format(vk_arena *a, int64_t amount, int behind, const char *sign)
{
    char room[AMOUNT];
    const char *d = digits(room, amount, behind), *minus = amount < 0 ? "-" : "";
    if (sign[0] == ' ')
        return vk_arena_printf(a, "%s%s%s", minus, d, sign);
    return vk_arena_printf(a, "%s%s%s", minus, sign, d);
}

vk_str vk_pay_amount(vk_arena *a, int64_t amount, vk_str code)
{
    const currency *c = find(code);
    if (c && c->sign)
        return format(a, amount, c->digits, c->sign);
    char letters[5] = "";
    size_t n = code.n < 3 ? code.n : 3;
    for (size_t i = 0; i < n; i++)
        letters[i] = (char)(code.p[i] >= 'a' && code.p[i] <= 'z' ? code.p[i] - 'a' + 'A' : code.p[i]);
    letters[n] = ' ';
    return format(a, amount, c ? c->digits : 2, letters);
}

vk_str vk_pay_amount_code(vk_arena *a, int64_t amount, vk_str code)
{
    const currency *c = find(code);
    const char *sign = c && c->sign ? c->sign : "", *dollar = strchr(sign, '$');
    vk_str s = format(a, amount, c ? c->digits : 2, dollar ? dollar : sign);
    if (!s.p)
        return s;
    return vk_arena_printf(a, VK_STR_FMT " " VK_STR_FMT, VK_STR_ARG(s), VK_STR_ARG(code));
}

/* GCC's and Clang's; every platform of ours has it. */
__extension__ typedef __int128 wide;

enum { SCALE_DIGITS = 12, WHOLE_DIGITS = 15 };
static const int64_t scale = 1000000000000;

/* "12.5" as 12.5 × scale. Signs, exponents and blanks are no decimals here. */
static vk_err decimal(vk_str text, wide *out_r)
{
    wide v = 0;
    size_t i = 0, behind = 0;
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
        if (i == WHOLE_DIGITS)
            return VK_E_TOO_LARGE;
        v = v * 10 + (text.p[i] - '0');
    }
    if (i == 0)
        return VK_E_INVALID;
    if (i < text.n) {
        if (text.p[i++] != '.' || i == text.n)
            return VK_E_INVALID;
        for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++, behind++) {
            if (behind == SCALE_DIGITS)
                return VK_E_INVALID;
            v = v * 10 + (text.p[i] - '0');
        }
        if (i < text.n)
            return VK_E_INVALID;
    }
    for (; behind < SCALE_DIGITS; behind++)
        v *= 10;
    *out_r = v;
    return VK_OK;
}

/* v × times ÷ by, half up away from zero. What fits the result fits on the way: by is below 2^47. */
static vk_err product(wide v, int64_t times, wide by, int64_t *out_r)
{
    wide p;
    if (__builtin_mul_overflow(v, (wide)times, &p))
        return VK_E_TOO_LARGE;
    wide whole = p / by, rest = p % by;
    if (rest >= by - rest) /* the rest has the sign of p */
        whole++;
    else if (-rest >= by + rest)
        whole--;
    if (whole > INT64_MAX || whole < INT64_MIN)
        return VK_E_TOO_LARGE;
    *out_r = (int64_t)whole;
    return VK_OK;
}

vk_err vk_pay_percent_of(int64_t amount, vk_str percent, int64_t *out_r)
{
    wide v;
    vk_err e = decimal(percent, &v);
    return e == VK_OK ? product(v, amount, (wide)scale * 100, out_r) : e;
}

vk_err vk_pay_times(vk_str unit_amount_decimal, int64_t quantity, int64_t *out_r)
{
    wide v;
    vk_err e = decimal(unit_amount_decimal, &v);
    return e == VK_OK ? product(v, quantity, scale, out_r) : e;
}
