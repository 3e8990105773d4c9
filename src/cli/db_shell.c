/* db shell: SQL over the build's own database endpoint with its own valet key, the way its app does it. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/db_print.h"
#include "cli/env.h"
#include "cli/out.h"
#include "cli/sqltext.h"

#include <unistd.h>

enum { INPUT_MAX = 32 * 1024 * 1024 };

const char vk_help_db_shell[] =
    "Usage: valetkey db shell ID [--data DIR] [--json]\n"
    "\n"
    "A prompt for SQL on the build's database, over the endpoint and with the key that its app uses. "
    "Statements end with \";\" and\n"
    "may span lines. From a pipe it runs everything and stops at the first error, with exit code 1.\n"
    "\n"
    "  .tables                  tables and views        .schema [NAME]   how they were made\n"
    "  .help                    this list               .quit            or Ctrl-D\n"
    "  A * in the prompt: a transaction is open.\n"
    "\n"
    "With --json every statement prints one line: {\"columns\":[…],\"rows\":[{…}],\"changes\":N}.\n"
    "\n"
    "Examples:\n"
    "  valetkey db shell demo\n"
    "  echo 'SELECT count(*) FROM users;' | valetkey db shell demo\n"
    "  valetkey db shell demo --json < report.sql\n";

struct shell {
    const char *id;
    int port;
    vk_buf token;
    bool json, tty, in_txn, quit, failed;
    vk_buf baton; /* of the open transaction */
    vk_buf input; /* typed and not yet run */
    int line;     /* of a script: where `input` begins */
};

/* -------------------------------------------------------------------------------------- connection */

static int find_port(vk_api *api, struct shell *s)
{
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_call(api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code)) {
        const vk_json *all = vk_json_get(r.json, VK_STR("services"));
        int64_t port;
        for (const vk_json *x = all && all->type == VK_JSON_ARRAY ? all->u.child : NULL; x; x = x->next)
            if (vk_str_eqz(vk_json_str(vk_json_get(x, VK_STR("name"))), "database") &&
                vk_json_i64(vk_json_get(x, VK_STR("port")), &port) == VK_OK && port > 0 && port < 65536)
                s->port = (int)port;
        if (!s->port)
            code = vk_failed("unsupported", "This daemon has no database service.");
    }
    vk_reply_free(&r);
    return code;
}

static int connect_shell(const char *command, const char *data, struct shell *s)
{
    bool ok;
    vk_reply r;
    vk_env_ask q = {.id = s->id, .data = data};
    int code = vk_env_fetch(command, &q, &r, &ok);
    if (!ok)
        return code;
    vk_buf_str(&s->token, vk_json_str(vk_json_get(r.json, VK_STR("TURSO_AUTH_TOKEN"))));
    vk_reply_free(&r);
    if (!s->token.n)
        return vk_failed("unsupported", "The build %s has no database key.", s->id);
    vk_api api;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    code = find_port(&api, s);
    vk_api_close(&api);
    return code;
}

static void put_pipeline(struct shell *s, vk_str sql, bool close, vk_buf *out)
{
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    if (s->baton.n)
        vk_jw_kstr(&w, "baton", vk_buf_view(&s->baton));
    vk_jw_key(&w, VK_STR("requests"));
    vk_jw_arr(&w);
    if (sql.n) {
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "type", VK_STR("execute"));
        vk_jw_key(&w, VK_STR("stmt"));
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "sql", sql);
        vk_jw_kbool(&w, "want_rows", true);
        vk_jw_obj_end(&w);
        vk_jw_obj_end(&w);
    }
    if (close) {
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "type", VK_STR("close"));
        vk_jw_obj_end(&w);
    }
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
}

static void keep_baton(struct shell *s, const vk_reply *r)
{
    vk_buf_clear(&s->baton);
    vk_buf_str(&s->baton, vk_json_str(vk_json_get(r->json, VK_STR("baton"))));
}

/* -------------------------------------------------------------------------------------- statements */

static void tell_error(struct shell *s, const char *code, const char *text)
{
    s->failed = true;
    if (s->json || s->tty)
        vk_db_print_error(s->json, code, text);
    else
        vk_failed(code, "Line %d: %s", s->line, text);
}

static bool begins_txn(vk_str word)
{
    return vk_str_ieq(word, VK_STR("BEGIN")) || vk_str_ieq(word, VK_STR("SAVEPOINT"));
}

static bool ends_txn(vk_str word, vk_str sql)
{
    if (vk_str_ieq(word, VK_STR("COMMIT")) || vk_str_ieq(word, VK_STR("END")))
        return true;
    if (!vk_str_ieq(word, VK_STR("ROLLBACK")))
        return false;
    for (size_t i = 0; i + 3 < sql.n; i++) /* ROLLBACK TO keeps it open */
        if ((sql.p[i] == ' ' || sql.p[i] == '\n') && vk_str_ieq((vk_str){sql.p + i + 1, 2}, VK_STR("TO")) &&
            (sql.p[i + 3] == ' ' || sql.p[i + 3] == '\n'))
            return false;
    return true;
}

/* False: the connection or the protocol failed, and that was told. */
static bool call(struct shell *s, vk_str sql, bool close, vk_reply *out_r)
{
    vk_buf body;
    vk_buf_init(&body, 2 * INPUT_MAX);
    put_pipeline(s, sql, close, &body);
    vk_err e = body.err;
    if (e == VK_OK)
        e = vk_port_call(s->port, "POST", "/v2/pipeline", vk_buf_view(&s->token), vk_buf_view(&body), out_r);
    vk_buf_free(&body);
    if (e == VK_OK && out_r->status == 200 && out_r->json)
        return true;
    bool open = s->in_txn;
    s->in_txn = false;
    vk_buf_clear(&s->baton);
    if (e != VK_OK) {
        tell_error(s, vk_err_name(e),
                   e == VK_E_TOO_LARGE
                       ? "The result is larger than 16 MB; add a LIMIT."
                       : "The database endpoint does not answer. `valetkey doctor` looks into it.");
        return false;
    }
    const char *code = vk_reply_text(out_r, out_r->json, "code"),
               *text = vk_reply_text(out_r, out_r->json, "message");
    tell_error(s, code[0] ? code : "http", text[0] ? text : "The database endpoint refused the request.");
    if (open && s->tty)
        fprintf(stderr, "The transaction was rolled back.\n");
    vk_reply_free(out_r);
    return false;
}

static const vk_json *first_result(const vk_reply *r)
{
    const vk_json *all = vk_json_get(r->json, VK_STR("results"));
    return all && all->type == VK_JSON_ARRAY ? all->u.child : NULL;
}

/* False: the statement failed, and that was told. */
static bool run_sql(struct shell *s, vk_str sql)
{
    vk_reply r;
    vk_str word = vk_sql_word(sql);
    bool begins = begins_txn(word), ends = ends_txn(word, sql);
    if (!call(s, sql, !s->in_txn && !begins, &r))
        return false;
    keep_baton(s, &r);
    const vk_json *x = first_result(&r), *error = vk_json_get(x, VK_STR("error"));
    bool ok = x && !error;
    if (error)
        tell_error(s, vk_reply_text(&r, error, "code"), vk_reply_text(&r, error, "message"));
    else
        vk_db_print_result(vk_json_get(vk_json_get(x, VK_STR("response")), VK_STR("result")), s->json,
                           s->tty);
    vk_reply_free(&r);
    s->in_txn = s->in_txn ? !(ends && ok) : begins && ok;
    if (!s->in_txn && s->baton.n) { /* what was left open is of no use any more */
        if (call(s, VK_STR_NONE, true, &r))
            vk_reply_free(&r);
        vk_buf_clear(&s->baton);
    }
    return ok;
}

/* ------------------------------------------------------------------------------------ dot commands */

static void print_dot_help(void)
{
    printf("  .tables          tables and views\n"
           "  .schema [NAME]   how they were made\n"
           "  .help            this list\n"
           "  .quit            leave (Ctrl-D does too)\n"
           "Everything else is SQL and ends with \";\".\n");
}

static bool run_schema(struct shell *s, vk_str name)
{
    vk_buf sql;
    vk_buf_init(&sql, INPUT_MAX);
    vk_buf_lit(
        &sql,
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
    if (name.n) {
        vk_buf_lit(&sql, " AND tbl_name = '");
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '\'')
                vk_buf_ch(&sql, '\'');
            vk_buf_ch(&sql, name.p[i]);
        }
        vk_buf_ch(&sql, '\'');
    }
    vk_buf_lit(&sql, " ORDER BY tbl_name, type DESC, name");
    bool ok = run_sql(s, vk_buf_view(&sql));
    vk_buf_free(&sql);
    return ok;
}

static bool run_dot(struct shell *s, vk_str line)
{
    vk_str word = line, rest = line;
    if (vk_str_cut(&rest, ' ', &word)) {
        while (rest.n && rest.p[0] == ' ') {
            rest.p++;
            rest.n--;
        }
    } else {
        rest = VK_STR_NONE;
    }
    if (vk_str_eqz(word, ".quit") || vk_str_eqz(word, ".exit"))
        s->quit = true;
    else if (vk_str_eqz(word, ".help"))
        print_dot_help();
    else if (vk_str_eqz(word, ".tables"))
        return run_sql(s, VK_STR("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')"
                                 " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"));
    else if (vk_str_eqz(word, ".schema"))
        return run_schema(s, rest);
    else {
        tell_error(s, "usage", "There is no such command; .help lists them. SQL does not begin with a dot.");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------- input */

static void count_lines(struct shell *s, vk_str text)
{
    for (size_t i = 0; i < text.n; i++)
        s->line += text.p[i] == '\n';
}

/* Runs the finished statements of the input. False: a script ends here. */
static bool run_input(struct shell *s, bool at_end)
{
    for (;;) {
        vk_str all = vk_buf_view(&s->input);
        size_t n = vk_sql_first(all);
        if (n == 0 && at_end && !vk_sql_blank(all))
            n = all.n; /* the last statement of a script may lack its ';' */
        if (n == 0)
            return true;
        vk_str sql = {all.p, n}, lead = sql;
        while (lead.n && (lead.p[0] == '\n' || lead.p[0] == ' ' || lead.p[0] == '\r' || lead.p[0] == '\t')) {
            s->line += lead.p[0] == '\n';
            lead.p++;
            lead.n--;
        }
        bool ok = vk_sql_blank(sql) || run_sql(s, lead);
        count_lines(s, lead);
        memmove(s->input.p, s->input.p + n, s->input.n - n);
        s->input.n -= n;
        if (!ok && !s->tty)
            return false;
    }
}

static void prompt(const struct shell *s)
{
    if (!s->tty)
        return;
    bool more = !vk_sql_blank(vk_buf_view(&s->input));
    int width = (int)strlen(s->id);
    printf("%s", vk_tone_begin(stdout, VK_BOLD));
    if (more)
        printf("%*s…>", width > 0 ? width - 1 : 0, "");
    else
        printf("%s%s", s->id, s->in_txn ? "*>" : ">");
    printf("%s ", vk_tone_end(stdout));
    fflush(stdout);
}

static int run_shell(struct shell *s)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    s->line = 1;
    for (prompt(s); !s->quit && (n = getline(&text, &cap, stdin)) >= 0; prompt(s)) {
        vk_str line = {text, (size_t)n};
        if (vk_sql_blank(vk_buf_view(&s->input)) && line.p[0] == '.') {
            vk_buf_clear(&s->input);
            while (line.n &&
                   (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
                line.n--;
            bool ok = run_dot(s, line);
            s->line++;
            if (s->quit || (!ok && !s->tty))
                break;
            continue;
        }
        vk_buf_str(&s->input, line);
        if (s->input.err) {
            tell_error(s, "too_large", "The statement is larger than 32 MB.");
            vk_buf_clear(&s->input);
            if (!s->tty)
                break;
        }
        if (!run_input(s, false))
            break;
    }
    if (!s->quit && (s->tty || !s->failed))
        (void)run_input(s, !s->tty);
    if (s->tty && !s->quit)
        printf("\n");
    free(text);
    if (s->in_txn) { /* the server would roll it back in a while; say so and do it now */
        vk_reply r;
        fprintf(stderr, "The open transaction was rolled back.\n");
        if (call(s, VK_STR_NONE, true, &r))
            vk_reply_free(&r);
    }
    return s->failed && !s->tty ? VK_EXIT_FAILED : VK_EXIT_OK;
}

int vk_cmd_db_shell(int argc, char **argv)
{
    struct shell s = {0};
    const char *data = NULL, *pos[1];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", s.json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(s.json);
    s.id = pos[0];
    s.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    vk_buf_init(&s.token, 256);
    vk_buf_init(&s.baton, 4096);
    vk_buf_init(&s.input, INPUT_MAX);
    int code = connect_shell(argv[0], data, &s);
    if (code == VK_EXIT_OK) {
        if (s.tty)
            printf("The database of %s. SQL ends with \";\"; .help lists the other commands.\n", s.id);
        code = run_shell(&s);
    }
    vk_buf_free_secret(&s.token);
    vk_buf_free(&s.baton);
    vk_buf_free(&s.input);
    return code;
}
