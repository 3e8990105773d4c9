/* db diff: what has changed since a snapshot, as SQL that people read. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/snapshot.h"

const char vk_help_db_diff[] =
    "Usage: valetkey db diff ID SNAPSHOT [--to SNAPSHOT] [--rows N] [--data DIR] [--json]\n"
    "\n"
    "Shows what has changed in the build's database since a snapshot: tables, indexes, triggers and views by "
    "their SQL, rows by their\n"
    "key, with a few rows of each kind as examples. Written as SQL for reading; long values are shortened, "
    "so "
    "it is no script. Of\n"
    "virtual tables (full-text search) only the definition is compared.\n"
    "\n"
    "  --to SNAPSHOT            up to this snapshot instead of now\n"
    "  --rows N                 rows shown a table and kind of change, 0 to 100 (default 5)\n"
    "\n"
    "Examples:\n"
    "  valetkey db diff demo before-import\n"
    "  valetkey db diff demo monday --to tuesday --rows 0\n";

enum { TEXT_MAX = 8 * 1024 * 1024 };

static const vk_json *first(const vk_json *v)
{
    return v && (v->type == VK_JSON_ARRAY || v->type == VK_JSON_OBJECT) ? v->u.child : NULL;
}

static bool is_true(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

/* ---- SQL */

static void put_name(vk_buf *b, vk_str name)
{
    bool plain = name.n > 0 && !(name.p[0] >= '0' && name.p[0] <= '9');
    for (size_t i = 0; i < name.n; i++)
        plain &= (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') ||
                 (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '_';
    if (plain) {
        vk_buf_str(b, name);
        return;
    }
    vk_buf_ch(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            vk_buf_ch(b, '"');
        vk_buf_ch(b, name.p[i]);
    }
    vk_buf_ch(b, '"');
}

static void put_value(vk_buf *b, const vk_json *v)
{
    switch (v->type) {
    case VK_JSON_INT:
        vk_buf_i64(b, v->u.i);
        return;
    case VK_JSON_DOUBLE:
        vk_json_double(b, v->u.d);
        return;
    case VK_JSON_STRING:
        vk_buf_ch(b, '\'');
        for (size_t i = 0; i < v->u.s.n; i++) {
            if (v->u.s.p[i] == '\'')
                vk_buf_ch(b, '\'');
            vk_buf_ch(b, v->u.s.p[i]);
        }
        vk_buf_ch(b, '\'');
        return;
    case VK_JSON_OBJECT: /* {"blob": bytes} or {"integer": digits} */
        if (vk_json_get(v, VK_STR("integer")))
            vk_buf_str(b, vk_json_str(vk_json_get(v, VK_STR("integer"))));
        else
            vk_buf_printf(b, "x'…' /* %lld bytes */", (long long)vk_reply_number(v, "blob", -1));
        return;
    default:
        vk_buf_lit(b, "NULL");
    }
}

/* name = value, with `between` between them; only those that `only` has, when it is given. */
static void put_pairs(vk_buf *b, const vk_json *row, const char *between, const vk_json *only)
{
    bool any = false;
    for (const vk_json *v = first(row); v; v = v->next) {
        bool wanted = !only;
        for (const vk_json *k = first(only); k; k = k->next)
            wanted |= vk_str_eq(vk_json_str(k), v->key);
        if (!wanted)
            continue;
        if (any)
            vk_buf_z(b, between);
        any = true;
        put_name(b, v->key);
        vk_buf_z(b, v->type == VK_JSON_NULL && between[1] == 'A' ? " IS " : " = ");
        put_value(b, v);
    }
}

static void put_insert(vk_buf *b, vk_str table, const vk_json *row)
{
    vk_buf_lit(b, "INSERT INTO ");
    put_name(b, table);
    vk_buf_lit(b, " (");
    for (const vk_json *v = first(row); v; v = v->next) {
        put_name(b, v->key);
        vk_buf_z(b, v->next ? ", " : ") VALUES (");
    }
    for (const vk_json *v = first(row); v; v = v->next) {
        put_value(b, v);
        vk_buf_z(b, v->next ? ", " : ")");
    }
    vk_buf_ch(b, ';');
}

static void put_delete(vk_buf *b, vk_str table, const vk_json *row, const vk_json *key)
{
    vk_buf_lit(b, "DELETE FROM ");
    put_name(b, table);
    vk_buf_lit(b, " WHERE ");
    put_pairs(b, row, " AND ", key);
    vk_buf_lit(b, ";  -- was ");
    put_pairs(b, row, ", ", NULL);
}

static void put_update(vk_buf *b, vk_str table, const vk_json *change)
{
    vk_buf_lit(b, "UPDATE ");
    put_name(b, table);
    vk_buf_lit(b, " SET ");
    put_pairs(b, vk_json_get(change, VK_STR("to")), ", ", NULL);
    vk_buf_lit(b, " WHERE ");
    put_pairs(b, vk_json_get(change, VK_STR("key")), " AND ", NULL);
    vk_buf_lit(b, ";  -- was ");
    put_pairs(b, vk_json_get(change, VK_STR("from")), ", ", NULL);
}

/* ---- lines */

/* "+ …": every line of the text behind its mark, in its colour. */
static void print_lines(const char *mark, vk_tone tone, vk_str text)
{
    vk_str line;
    do {
        vk_buf b;
        vk_buf_init(&b, TEXT_MAX);
        if (!vk_str_cut(&text, '\n', &line)) {
            line = text;
            text = VK_STR_NONE;
        }
        vk_text_visible(&b, line);
        printf("%s%s %.*s%s\n", vk_tone_begin(stdout, tone), mark, (int)b.n, b.p ? b.p : "",
               vk_tone_end(stdout));
        vk_buf_free(&b);
    } while (text.n);
}

static void print_sql(const char *mark, vk_tone tone, vk_str sql)
{
    vk_buf b;
    vk_buf_init(&b, TEXT_MAX);
    vk_buf_str(&b, sql);
    vk_buf_ch(&b, ';');
    print_lines(mark, tone, vk_buf_view(&b));
    vk_buf_free(&b);
}

static void print_schema(const vk_json *schema)
{
    for (const vk_json *x = first(schema); x; x = x->next) {
        vk_str from = vk_json_str(vk_json_get(x, VK_STR("from"))),
               to = vk_json_str(vk_json_get(x, VK_STR("to")));
        if (from.p)
            print_sql("-", VK_BAD, from);
        if (to.p)
            print_sql("+", VK_GOOD, to);
    }
    if (first(schema))
        printf("\n");
}

static void print_rows(const vk_json *table, const char *kind)
{
    const vk_json *key = vk_json_get(table, VK_STR("key"));
    const vk_json *rows = vk_json_get(vk_json_get(table, VK_STR("examples")), vk_str_z(kind));
    vk_str name = vk_json_str(vk_json_get(table, VK_STR("name")));
    for (const vk_json *r = first(rows); r; r = r->next) {
        vk_buf b;
        vk_buf_init(&b, TEXT_MAX);
        if (kind[0] == 'a')
            put_insert(&b, name, r);
        else if (kind[0] == 'r')
            put_delete(&b, name, r, key);
        else
            put_update(&b, name, r);
        vk_buf line; /* a value may hold a line break: a row is one line all the same */
        vk_buf_init(&line, 4 * TEXT_MAX);
        vk_text_visible(&line, vk_buf_view(&b));
        print_lines(kind[0] == 'a'   ? "  +"
                    : kind[0] == 'r' ? "  -"
                                     : "  ~",
                    kind[0] == 'a'   ? VK_GOOD
                    : kind[0] == 'r' ? VK_BAD
                                     : VK_NOTICE,
                    vk_buf_view(&line));
        vk_buf_free(&line);
        vk_buf_free(&b);
    }
    int64_t more = vk_reply_number(table, kind, -1) - (rows ? rows->count : 0);
    if (rows && more > 0)
        printf("    %s… and %lld more %s%s\n", vk_tone_begin(stdout, VK_DIM), (long long)more, kind,
               vk_tone_end(stdout));
}

static void print_name(const vk_json *table)
{
    vk_buf b;
    vk_buf_init(&b, TEXT_MAX);
    vk_text_visible(&b, vk_json_str(vk_json_get(table, VK_STR("name"))));
    printf("%s%.*s%s", vk_tone_begin(stdout, VK_BOLD), (int)b.n, b.p ? b.p : "", vk_tone_end(stdout));
    vk_buf_free(&b);
}

static void print_table(const vk_json *table)
{
    static const char *const kinds[] = {"added", "removed", "changed"};
    int64_t from = vk_reply_number(table, "from", -1), to = vk_reply_number(table, "to", -1), n[3];
    bool compared = is_true(table, "compared"), any = false;
    for (size_t i = 0; i < VK_COUNT(kinds); i++) {
        n[i] = vk_reply_number(table, kinds[i], -1);
        any |= n[i] > 0;
    }
    if (compared && !any)
        return;
    if (!compared && from == to)
        return;
    print_name(table);
    if (from < 0)
        printf(": new, %lld row%s\n", (long long)to, to == 1 ? "" : "s");
    else if (to < 0)
        printf(": gone, with %lld row%s\n", (long long)from, from == 1 ? "" : "s");
    else if (!compared)
        printf(": %lld rows, now %lld; without a common key its rows cannot be told apart\n", (long long)from,
               (long long)to);
    else
        printf(": %lld added, %lld removed, %lld changed (%lld rows, now %lld)\n", (long long)n[0],
               (long long)n[1], (long long)n[2], (long long)from, (long long)to);
    for (size_t i = 0; compared && i < VK_COUNT(kinds); i++)
        print_rows(table, kinds[i]);
}

static void print_diff(const vk_reply *r, const char *id, const char *snapshot, const char *to)
{
    if (is_true(r->json, "same")) {
        printf("%s✓%s The database of %s %s what it was at the snapshot %s.\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), id, to ? "was then" : "is", snapshot);
        return;
    }
    print_schema(vk_json_get(r->json, VK_STR("schema")));
    for (const vk_json *t = first(vk_json_get(r->json, VK_STR("tables"))); t; t = t->next)
        print_table(t);
    if (is_true(r->json, "truncated"))
        printf("%sThere is more than is shown here.%s\n", vk_tone_begin(stdout, VK_DIM), vk_tone_end(stdout));
}

int vk_cmd_db_diff(int argc, char **argv)
{
    bool json = false, ok;
    const char *data = NULL, *to = NULL, *rows = NULL, *pos[2];
    char target[400], after[100], checked[256];
    int64_t n = 5;
    const vk_opt opts[] = {
        VK_OPT_T("to", to), VK_OPT_T("rows", rows), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The build's ID and a SNAPSHOT", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (rows && (vk_str_to_i64(vk_str_z(rows), &n) != VK_OK || n < 0 || n > 100))
        return vk_usage(argv[0], "--rows must be a number from 0 to 100.");
    if (to && vk_snapshot_target(argv[0], pos[0], to, "", checked, sizeof checked) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    snprintf(after, sizeof after, "/diff?rows=%lld%s%s", (long long)n, to ? "&to=" : "", to ? to : "");
    if (vk_snapshot_target(argv[0], pos[0], pos[1], after, target, sizeof target) != VK_EXIT_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = true},
                             &r, &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else
        print_diff(&r, pos[0], pos[1], to);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
