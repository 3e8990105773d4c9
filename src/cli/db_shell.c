/* db shell: SQL over the build's own database endpoint with its own valet key, the way its app does it. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/db_print.h"
#include "cli/endpoint.h"
#include "cli/lines.h"
#include "cli/out.h"
#include "cli/sqltext.h"

#include <unistd.h>

enum { INPUT_MAX = 32 * 1024 * 1024, SAID_MAX = 2048 };

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
    "What is typed is kept for the next time in ~/.local/state/valetkey/history (0600), except lines that "
    "begin "
    "with a blank, and\n"
    "statements that may hold a secret (a key, or a text in quotes beside a word such as password or "
    "token).\n"
    "\n"
    "With --json every statement prints one line: {\"columns\":[…],\"rows\":[{…}],\"changes\":N}.\n"
    "\n"
    "Examples:\n"
    "  valetkey db shell demo\n"
    "  echo 'SELECT count(*) FROM users;' | valetkey db shell demo\n"
    "  valetkey db shell demo --json < report.sql\n";

struct shell {
    const char *id;
    vk_endpoint at; /* its baton: of the open transaction */
    bool json, tty, in_txn, quit, failed;
    vk_history history; /* on a terminal */
    bool untold;        /* what is being typed began with a blank: it is not kept */
    vk_buf input;       /* typed and not yet run */
    int line;           /* of a script: where `input` begins */
};

/* ---- statements */

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
    char code[SAID_MAX], text[SAID_MAX];
    vk_buf body;
    vk_buf_init(&body, 2 * INPUT_MAX);
    vk_jw w = vk_pipeline_begin(&s->at, &body);
    if (sql.n)
        vk_pipeline_execute(&w, sql, true);
    if (close)
        vk_pipeline_close(&w);
    vk_err e = vk_pipeline_send(&s->at, &w, out_r, code, text, SAID_MAX);
    vk_buf_free(&body);
    if (e == VK_OK)
        return true;
    bool open = s->in_txn;
    s->in_txn = false;
    tell_error(s, code, text);
    if (open && s->tty)
        fprintf(stderr, "The transaction was rolled back.\n");
    return false;
}

/* False: the statement failed, and that was told. */
static bool run_sql(struct shell *s, vk_str sql)
{
    vk_reply r;
    vk_str word = vk_sql_word(sql);
    bool begins = begins_txn(word), ends = ends_txn(word, sql);
    if (!call(s, sql, !s->in_txn && !begins, &r))
        return false;
    const vk_json *error, *response = vk_pipeline_result(&r, 0, &error);
    bool ok = response != NULL;
    if (error)
        tell_error(s, vk_reply_text(&r, error, "code"), vk_reply_text(&r, error, "message"));
    else
        vk_db_print_result(vk_json_get(response, VK_STR("result")), s->json, s->tty);
    vk_reply_free(&r);
    s->in_txn = s->in_txn ? !(ends && ok) : begins && ok;
    if (!s->in_txn && s->at.baton.n && call(s, VK_STR_NONE, true, &r)) /* it is of no use any more */
        vk_reply_free(&r);
    return ok;
}

/* ---- dot commands */

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

/* ---- input */

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
        if (s->tty && !s->untold)
            vk_history_keep(&s->history, lead);
        count_lines(s, lead);
        memmove(s->input.p, s->input.p + n, s->input.n - n);
        s->input.n -= n;
        if (!ok && !s->tty)
            return false;
    }
}

/* The prompt, as wide as the one of a statement's further lines. */
static void prompt(const struct shell *s, char *out, size_t room, size_t *width_r)
{
    bool more = !vk_sql_blank(vk_buf_view(&s->input));
    int width = (int)strlen(s->id);
    const char *bold = vk_tone_begin(stdout, VK_BOLD), *end = vk_tone_end(stdout);
    if (more)
        snprintf(out, room, "%s%*s…>%s ", bold, width - 1, "", end);
    else
        snprintf(out, room, "%s%s%s>%s ", bold, s->id, s->in_txn ? "*" : "", end);
    *width_r = (size_t)width + (!more && s->in_txn) + 2;
}

/* The next line, without its newline, into `line`. False: there is none. */
static bool type_line(struct shell *s, vk_buf *line)
{
    char text[128];
    size_t width;
    for (;;) {
        prompt(s, text, sizeof text, &width);
        vk_buf_clear(line);
        vk_typed t = vk_lines_read(&s->history, text, width, line);
        if (t == VK_TYPED_END)
            return false;
        if (t == VK_TYPED_LINE)
            break;
        vk_buf_clear(&s->input); /* Ctrl-C: the statement is forgotten */
        s->untold = false;
    }
    vk_history_add(&s->history, vk_buf_view(line));
    s->untold |= line->n && (line->p[0] == ' ' || line->p[0] == '\t');
    return true;
}

static bool script_line(char **text, size_t *cap, vk_buf *line)
{
    ssize_t n = getline(text, cap, stdin);
    if (n < 0)
        return false;
    vk_buf_clear(line);
    vk_buf_add(line, *text, (size_t)n - ((*text)[n - 1] == '\n'));
    return true;
}

/* False: the input ends here. */
static bool take_line(struct shell *s, vk_str line)
{
    if (vk_sql_blank(vk_buf_view(&s->input)) && line.n && line.p[0] == '.') {
        vk_buf_clear(&s->input);
        while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
            line.n--;
        bool ok = run_dot(s, line);
        if (s->tty)
            vk_history_keep(&s->history, line);
        s->line++;
        return !s->quit && (ok || s->tty);
    }
    vk_buf_str(&s->input, line);
    vk_buf_ch(&s->input, '\n');
    if (s->input.err) {
        tell_error(s, "too_large", "The statement is larger than 32 MB.");
        vk_buf_clear(&s->input);
        return s->tty;
    }
    bool go_on = run_input(s, false);
    if (vk_sql_blank(vk_buf_view(&s->input)))
        s->untold = false;
    return go_on;
}

static int run_shell(struct shell *s)
{
    char *text = NULL;
    size_t cap = 0;
    vk_buf line;
    vk_buf_init(&line, INPUT_MAX);
    s->line = 1;
    while ((s->tty ? type_line(s, &line) : script_line(&text, &cap, &line)) &&
           take_line(s, vk_buf_view(&line)))
        ;
    if (!s->quit && !s->tty && !s->failed)
        (void)run_input(s, true);
    free(text);
    vk_buf_free(&line);
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
    static struct shell s; /* the history is large */
    const char *data = NULL, *pos[1];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", s.json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(s.json);
    s.id = pos[0];
    s.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    vk_buf_init(&s.input, INPUT_MAX);
    int code = vk_endpoint_open(argv[0], data, s.id, &s.at);
    if (code == VK_EXIT_OK) {
        if (s.tty) {
            vk_history_open(&s.history, NULL);
            printf("The database of %s. SQL ends with \";\"; .help lists the other commands.\n", s.id);
        }
        code = run_shell(&s);
        vk_history_close(&s.history);
    }
    vk_endpoint_close(&s.at);
    vk_buf_free(&s.input);
    return code;
}
