/* validate: whether the keys in an environment file are good, asked of their vendors by the daemon. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/dotenv.h"
#include "cli/out.h"
#include "courier/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { BODY_MAX = 64 * 1024, PATIENCE_MS = 330 * 1000 };

const char vk_help_validate[] =
    "Usage: valetkey validate --env-file FILE [--service SERVICE]… [--data DIR] [--json]\n"
    "\n"
    "Checks keys of your own (of Clerk, Turso, R2 or S3, Stripe) before an app gets them: their shape, what "
    "they\n"
    "say about themselves, that they are no keys of valetkey's, and then by asking the vendor: that it knows "
    "them,\n"
    "that they may do what the app does, that they belong together, and that what is written can be read. "
    "What is\n"
    "written for that is removed again. The daemon asks, never an address of a private network or of its "
    "own\n"
    "machine. Nothing is stored, and no key is printed.\n"
    "\n"
    "Without --service every service is checked of which the file has a value. Exit code 1 when a key is "
    "not\n"
    "valid, or when a vendor could not be asked.\n"
    "\n"
    "Options:\n"
    "  --env-file FILE  variables in the form of dotenv, as `valetkey env` writes them\n"
    "  --service SERVICE\n"
    "                   clerk, database, storage or stripe; may be given several times\n"
    "  --data DIR       the daemon's data folder\n"
    "  --json           the report for machines: {\"stripe\": {\"valid\": …, \"checks\": […]}}\n"
    "\n"
    "Examples:\n"
    "  valetkey validate --env-file .env.production\n"
    "  valetkey validate --env-file .env.production --service stripe --json\n";

/* ---- the file */

typedef struct file {
    const vk_json *rules;
    vk_arena *arena;
    size_t n;
    struct variable {
        const vk_json *service, *field;
        bool own; /* the field's own name, which goes before the others */
        vk_str value;
    } found[VK_KEY_NAMES_MAX];
} file;

/* Keeps what the table has a field for. */
static void take(void *arg, vk_str name, vk_str value)
{
    file *f = arg;
    for (const vk_json *s = vk_rules_services(f->rules); s; s = s->next) {
        const vk_json *field = vk_rules_field(s, name);
        bool own = field && vk_str_eq(vk_json_str(vk_json_get(field, VK_STR("env"))), name);
        size_t i = 0;
        while (i < f->n && (f->found[i].field != field || f->found[i].own != own))
            i++;
        if (!field || value.n == 0 || i == VK_KEY_NAMES_MAX)
            continue;
        f->found[i] = (struct variable){s, field, own, value};
        f->n += i == f->n;
    }
}

static const struct variable *find(const file *f, const vk_json *field)
{
    const struct variable *other = NULL;
    for (size_t i = 0; i < f->n; i++) {
        if (f->found[i].field == field && f->found[i].own)
            return &f->found[i];
        if (f->found[i].field == field && !other)
            other = &f->found[i];
    }
    return other;
}

static bool has_any(const file *f, const vk_json *service)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->found[i].service == service)
            return true;
    return false;
}

/* A link is followed, and a pipe is waited for: `--env-file <(…)` keeps keys out of files. */
static int read_file(const char *path, vk_buf *out)
{
    char piece[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && !out->err) {
        do
            n = read(fd, piece, sizeof piece);
        while (n < 0 && errno == EINTR);
        if (n > 0)
            vk_buf_add(out, piece, (size_t)n);
    }
    int err = errno;
    if (fd >= 0)
        close(fd);
    vk_wipe(piece, sizeof piece);
    if (out->err)
        return vk_failed("too_large", "%s is larger than 1 MiB, which no environment file is.", path);
    if (n >= 0)
        return VK_EXIT_OK;
    if (err == ENOENT)
        return vk_failed("not_found", "There is no file %s.", path);
    if (err == EACCES || err == EPERM)
        return vk_failed("forbidden", "%s cannot be read by this user.", path);
    return vk_failed("io", "%s cannot be read%s.", path, err == EISDIR ? ": it is a folder" : "");
}

/* ---- the question */

static bool wanted(const file *f, const vk_many *services, const vk_json *service)
{
    for (size_t i = 0; i < services->n; i++)
        if (vk_str_eqz(service->key, services->v[i]))
            return true;
    return services->n == 0 && has_any(f, service);
}

/* How many services are asked about. */
static size_t write_ask(const file *f, const vk_many *services, vk_buf *out)
{
    size_t n = 0;
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    for (const vk_json *s = vk_rules_services(f->rules); s; s = s->next) {
        if (!wanted(f, services, s))
            continue;
        n++;
        vk_jw_key(&w, s->key);
        vk_jw_obj(&w);
        for (const vk_json *field = vk_rules_fields(s); field; field = field->next) {
            const struct variable *v = find(f, field);
            if (!v)
                continue;
            vk_jw_key(&w, vk_json_str(vk_json_get(field, VK_STR("env"))));
            vk_jw_str(&w, v->value);
        }
        vk_jw_obj_end(&w);
    }
    vk_jw_obj_end(&w);
    return n;
}

/* ---- the report */

static vk_tone tone_of(const char *verdict)
{
    static const struct {
        const char *verdict;
        vk_tone tone;
    } tones[] = {{"pass", VK_GOOD}, {"limited", VK_NOTICE}, {"fail", VK_BAD}, {"unknown", VK_NOTICE}};
    for (size_t i = 0; i < VK_COUNT(tones); i++)
        if (strcmp(verdict, tones[i].verdict) == 0)
            return tones[i].tone;
    return VK_DIM;
}

static void print_checks(const vk_reply *r, const vk_json *checks)
{
    static const char *const head[] = {"rung", "verdict", "call", "answer", "ms", "what came of it"};
    vk_table *t = vk_table_new(VK_COUNT(head));
    if (!t)
        return;
    for (size_t i = 0; i < VK_COUNT(head); i++)
        vk_table_cell(t, vk_str_z(head[i]), VK_DIM, i == 4);
    for (const vk_json *c = vk_reply_items(checks); c; c = c->next) {
        char ms[24] = "";
        const char *verdict = vk_reply_text(r, c, "verdict");
        int64_t took = vk_reply_number(c, "ms", -1);
        if (took >= 0)
            snprintf(ms, sizeof ms, "%lld", (long long)took);
        vk_table_cell(t, vk_str_z(vk_reply_text(r, c, "rung")), VK_PLAIN, false);
        vk_table_cell(t, vk_str_z(verdict), tone_of(verdict), false);
        vk_table_cell(t, vk_str_z(vk_reply_text(r, c, "call")), VK_DIM, false);
        vk_table_cell(t, vk_str_z(vk_reply_text(r, c, "answer")), VK_DIM, false);
        vk_table_cell(t, vk_str_z(ms), VK_DIM, true);
        vk_table_cell(t, vk_str_z(vk_reply_text(r, c, "say")), VK_PLAIN, false);
    }
    vk_table_print(t, stdout, 2);
}

/* What is to be done, line by line, of what did not simply pass. */
static void print_fixes(const vk_reply *r, const vk_json *checks)
{
    const char *last = "";
    for (const vk_json *c = vk_reply_items(checks); c; c = c->next) {
        const char *verdict = vk_reply_text(r, c, "verdict"), *fix = vk_reply_text(r, c, "fix");
        if (!fix[0] || strcmp(verdict, "pass") == 0 || strcmp(fix, last) == 0)
            continue;
        vk_str left = vk_str_z(fix), line;
        for (bool first = true, more = true; more; first = false) {
            vk_buf visible;
            more = vk_str_cut(&left, '\n', &line);
            vk_buf_init(&visible, 16 * 1024);
            vk_text_visible(&visible, more ? line : left);
            printf("  %s%s%s " VK_STR_FMT "\n", vk_tone_begin(stdout, tone_of(verdict)), first ? "→" : " ",
                   vk_tone_end(stdout), VK_STR_ARG(vk_buf_view(&visible)));
            vk_buf_free(&visible);
        }
        last = fix;
    }
}

static bool truth(const vk_json *o, const char *name)
{
    const vk_json *v = vk_json_get(o, vk_str_z(name));
    return v && v->type == VK_JSON_BOOL && v->u.b;
}

static void print_service(const vk_reply *r, const vk_json *rules, const vk_json *report)
{
    const vk_json *checks = vk_json_get(report, VK_STR("checks"));
    bool valid = truth(report, "valid"), unverified = truth(report, "unverified");
    vk_str name = vk_json_str(vk_json_get(vk_rules_service(rules, report->key), VK_STR("name")));
    const char *mode = vk_reply_text(r, report, "mode");
    vk_tone tone = valid ? VK_GOOD : unverified ? VK_NOTICE : VK_BAD;
    printf("%s" VK_STR_FMT "%s: %s%s%s%s%s\n\n", vk_tone_begin(stdout, VK_BOLD), VK_STR_ARG(name),
           vk_tone_end(stdout), vk_tone_begin(stdout, tone),
           valid        ? "valid"
           : unverified ? "not verified"
                        : "not valid",
           vk_tone_end(stdout), mode[0] ? ", mode " : "", mode);
    print_checks(r, checks);
    print_fixes(r, checks);
    putchar('\n');
}

/* True: all are valid. */
static bool all_valid(const vk_reply *r)
{
    bool valid = r->json && r->json->type == VK_JSON_OBJECT && r->json->count > 0;
    for (const vk_json *s = valid ? r->json->u.child : NULL; s; s = s->next)
        valid &= truth(s, "valid");
    return valid;
}

static int ask(const char *data, vk_str body, const vk_json *rules, bool json)
{
    vk_api api;
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    api.timeout_ms = PATIENCE_MS;
    if (vk_api_call(&api, "POST", "/api/v1/validate", VK_STR_NONE, body, &r) == VK_OK) {
        if (vk_reply_ok(&r, &code)) {
            if (json)
                vk_reply_print(&r);
            for (const vk_json *s = json || !r.json ? NULL : r.json->u.child; s; s = s->next)
                print_service(&r, rules, s);
            code = all_valid(&r) ? VK_EXIT_OK : VK_EXIT_FAILED;
        }
        vk_reply_free(&r);
    }
    vk_api_close(&api);
    return code;
}

static int check_services(const char *command, const vk_json *rules, const vk_many *services)
{
    for (size_t i = 0; i < services->n; i++)
        if (!vk_rules_service(rules, vk_str_z(services->v[i])))
            return vk_usage(command,
                            "There is no service \"%.40s\"; there are clerk, database, storage and "
                            "stripe.",
                            services->v[i]);
    return VK_EXIT_OK;
}

static int run(const char *path, const vk_many *services, const char *data, bool json, file *f, vk_buf *text,
               vk_buf *body)
{
    int code = read_file(path, text);
    if (code != VK_EXIT_OK)
        return code;
    if (vk_dotenv_read(f->arena, vk_buf_view(text), take, f) != VK_OK)
        return vk_failed("nomem", "Out of memory.");
    if (write_ask(f, services, body) == 0)
        return vk_failed("not_found",
                         "%s has no key of a service that can be checked. Which variables belong to which "
                         "service is in docs/SUPPORTED-CALLS.md.",
                         path);
    if (body->err)
        return vk_failed("too_large", "The values in %s are longer than keys are.", path);
    return ask(data, vk_buf_view(body), f->rules, json);
}

int vk_cmd_validate(int argc, char **argv)
{
    const char *data = NULL, *path = NULL, *none = NULL;
    vk_many services = {0};
    bool json = false;
    vk_buf text, body;
    const vk_opt opts[] = {VK_OPT_T("env-file", path),
                           VK_OPT_M("service", services),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, &none, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!path)
        return vk_usage(argv[0], "Say which file has the keys: --env-file FILE.");
    file *f = calloc(1, sizeof *f);
    if (f)
        f->arena = vk_arena_new(VK_RULES_ARENA + VK_DOTENV_MAX);
    vk_buf_init(&text, VK_DOTENV_MAX);
    vk_buf_init(&body, BODY_MAX);
    text.secret = body.secret = true;
    int code = !f || !f->arena || vk_rules_read(f->arena, &f->rules) != VK_OK
                   ? vk_failed("nomem", "Out of memory.")
                   : check_services(argv[0], f->rules, &services);
    if (code == VK_EXIT_OK)
        code = run(path, &services, data, json, f, &text, &body);
    vk_buf_free_secret(&text);
    vk_buf_free_secret(&body);
    if (f && f->arena)
        vk_arena_wipe(f->arena);
    vk_arena_free(f ? f->arena : NULL);
    free(f);
    return code;
}
