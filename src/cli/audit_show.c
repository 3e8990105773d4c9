/* audit show: the records of the audit log, for people and machines. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/audit.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/json_write.h"
#include "keeper/vendors.h"

#include <unistd.h>

const char vk_help_audit_show[] =
    "Usage: valetkey audit show [--data DIR] [--build ID] [--service SERVICE] [--since TIME] [--open] "
    "[--all] "
    "[--json]\n"
    "\n"
    "Prints what was done with the organisation's keys, oldest first: each use (intent: before the key left\n"
    "keeper; outcome: what came of it) and each change of a key or of a build's driver. It reads the files "
    "of\n"
    "the log, with or without a daemon. Exit code 1 when the log does not hold together (audit verify).\n"
    "\n"
    "Options:\n"
    "  --data DIR         the data folder (default ./.valetkey)\n"
    "  --build ID         of that build only\n"
    "  --service SERVICE  auth, database, storage or payments\n"
    "  --since TIME       from then on: 2026-11-29T13:00:00.000Z, or how long ago: 90m, 12h, 7d\n"
    "  --open             only uses that have no outcome\n"
    "  --all              also what the log says of itself: starts, files, checkpoints, gaps\n"
    "  --json             {\"records\": [...]} for machines\n"
    "\n"
    "Examples:\n"
    "  valetkey audit show --since 1h\n"
    "  valetkey audit show --build shop --service payments --json\n"
    "  valetkey audit show --open\n";

enum { OPEN_MAX = 1 << 20, JSON_PIECE = 64 * 1024 };

typedef struct showing {
    const char *build, *service;
    int64_t since_ns;
    bool open, all, json, collecting;
    uint64_t *seqs; /* of uses without an outcome */
    size_t n_seqs, cap;
    bool no_memory, any;
    vk_buf out;
} showing;

/* ---- which */

static int by_seq(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static bool of_service(const vk_audit_record *r, const char *service)
{
    vk_str last = r->op, first;
    if (vk_str_eqz(r->service, service))
        return true;
    while (vk_str_cut(&last, ' ', &first)) {
    }
    const vk_vendor *v = r->kind == VK_AUDIT_CHANGE ? vk_vendor_of(last) : NULL; /* "keys.set stripe" */
    return v && strcmp(v->service, service) == 0;
}

static bool wanted(const showing *s, const vk_audit_record *r)
{
    bool own = r->kind != VK_AUDIT_INTENT && r->kind != VK_AUDIT_OUTCOME && r->kind != VK_AUDIT_CHANGE;
    if (r->time_ns < s->since_ns || (own && (!s->all || s->build || s->service)))
        return false;
    if (s->open)
        return s->n_seqs && bsearch(&r->seq, s->seqs, s->n_seqs, sizeof *s->seqs, by_seq);
    return (!s->build || vk_str_eqz(r->build, s->build)) && (!s->service || of_service(r, s->service));
}

/* ---- how */

static void put_json(showing *s, const vk_audit_record *r, uint64_t file)
{
    char time[VK_AUDIT_TIME_TEXT], ref[17];
    static const uint8_t none[8];
    vk_jw w = vk_jw_on(&s->out);
    vk_buf_clear(&s->out);
    vk_audit_cli_time(r->time_ns, time);
    vk_hex(ref, r->key_ref, sizeof r->key_ref);
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "record", (int64_t)r->seq);
    vk_jw_kstr(&w, "time", vk_str_z(time));
    vk_jw_kstr(&w, "kind", vk_str_z(vk_audit_kind_name(r->kind)));
    vk_jw_ki64(&w, "epoch", (int64_t)r->epoch);
    vk_jw_ki64(&w, "file", (int64_t)file);
    vk_jw_ki64(&w, "of", (int64_t)r->of);
    vk_jw_kstr(&w, "build", r->build);
    vk_jw_kstr(&w, "service", r->service);
    vk_jw_kstr(&w, "actor", r->actor);
    vk_jw_kstr(&w, "op", r->op);
    vk_jw_kstr(&w, "host", r->host);
    vk_jw_kstr_or_null(&w, "key_ref", memcmp(none, r->key_ref, 8) ? vk_str_z(ref) : VK_STR_NONE);
    vk_jw_ki64(&w, "key_version", (int64_t)r->rec_version);
    vk_jw_ki64(&w, "result", r->result);
    vk_jw_ki64(&w, "bytes_in", (int64_t)r->received);
    vk_jw_ki64(&w, "bytes_out", (int64_t)r->sent);
    vk_jw_kstr(&w, "upstream_request_id", r->upstream_id);
    vk_jw_kstr(&w, "trace_id", r->trace);
    vk_jw_obj_end(&w);
    printf("%s" VK_STR_FMT, s->any ? ",\n" : "\n", VK_STR_ARG(vk_buf_view(&s->out)));
}

static void put_word(vk_buf *b, const char *before, vk_str word)
{
    if (word.n == 0)
        return;
    vk_buf_z(b, before);
    vk_text_visible(b, word);
}

static void put_line(showing *s, const vk_audit_record *r)
{
    char time[VK_AUDIT_TIME_TEXT];
    vk_buf *b = &s->out;
    vk_buf_clear(b);
    vk_audit_cli_time(r->time_ns, time);
    vk_buf_printf(b, "%s %8llu %-8s", time, (unsigned long long)r->seq, vk_audit_kind_name(r->kind));
    put_word(b, " ", r->build);
    put_word(b, " ", r->service);
    put_word(b, " ", r->op);
    put_word(b, " at ", r->host);
    if (r->of)
        vk_buf_printf(b, " of %llu", (unsigned long long)r->of);
    if (r->kind == VK_AUDIT_OUTCOME)
        vk_buf_printf(b, " %d, %llu bytes in, %llu out", (int)r->result, (unsigned long long)r->received,
                      (unsigned long long)r->sent);
    if (r->kind == VK_AUDIT_CHANGE)
        vk_buf_printf(b, " %s", vk_err_name((vk_err)r->result));
    if (r->rec_version)
        vk_buf_printf(b, ", version %llu", (unsigned long long)r->rec_version);
    put_word(b, " by ", r->actor);
    put_word(b, " id ", r->upstream_id);
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(b)));
}

static bool on_record(void *arg, const vk_audit_record *r, uint64_t file)
{
    showing *s = arg;
    if (!wanted(s, r))
        return true;
    if (s->json)
        put_json(s, r, file);
    else
        put_line(s, r);
    s->any = true;
    return !ferror(stdout);
}

static void on_found(void *arg, const vk_audit_finding *f)
{
    showing *s = arg;
    if (!s->collecting || f->level != VK_AUDIT_UNDONE)
        return;
    if (s->n_seqs == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        uint64_t *more = cap <= OPEN_MAX ? realloc(s->seqs, cap * sizeof *more) : NULL;
        s->no_memory |= !more;
        if (!more)
            return;
        s->seqs = more;
        s->cap = cap;
    }
    s->seqs[s->n_seqs++] = f->seq;
}

static bool since_of(const char *text, int64_t *ns_r)
{
    int64_t ms;
    if (vk_duration_parse(vk_str_z(text), &ms) == VK_OK)
        ms = vk_clock_wall_ms() - ms;
    else if (vk_clock_parse(vk_str_z(text), &ms) != VK_OK)
        return false;
    *ns_r = ms * 1000000;
    return true;
}

static int show(showing *s, int dir_fd)
{
    vk_audit_check c = {.dir_fd = dir_fd, .found = on_found, .arg = s};
    vk_err e = VK_OK;
    if (s->open) { /* which have none is known at the end only */
        s->collecting = true;
        e = vk_audit_verify(&c);
        s->collecting = false;
        if (e == VK_OK && s->no_memory)
            e = VK_E_NOMEM;
    }
    c = (vk_audit_check){.dir_fd = dir_fd, .record = on_record, .arg = s};
    if (e == VK_OK && s->json)
        printf("{\"records\":[");
    if (e == VK_OK)
        e = vk_audit_verify(&c);
    if (e != VK_OK)
        return vk_audit_cli_failed(e);
    if (s->json)
        printf("],\"sound\":%s}\n", c.wrong ? "false" : "true");
    else if (!s->any)
        puts("No such record.");
    if (c.wrong && !s->json)
        fprintf(stderr, "The audit log does not hold together: `valetkey audit verify` says where.\n");
    return c.wrong ? VK_EXIT_FAILED : VK_EXIT_OK;
}

int vk_cmd_audit_show(int argc, char **argv)
{
    const char *data = NULL, *since = NULL;
    showing s = {.since_ns = INT64_MIN};
    int dir_fd = -1;
    const vk_opt opts[] = {VK_OPT_T("data", data),         VK_OPT_T("build", s.build),
                           VK_OPT_T("service", s.service), VK_OPT_T("since", since),
                           VK_OPT_F("open", s.open),       VK_OPT_F("all", s.all),
                           VK_OPT_F("json", s.json),       {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(s.json);
    if (since && !since_of(since, &s.since_ns))
        return vk_usage(argv[0], "--since wants 90m, 12h, 7d, or a time like 2026-11-29T13:00:00.000Z.");
    vk_buf_init(&s.out, JSON_PIECE);
    int code = vk_audit_cli_open(data, &dir_fd);
    if (code == VK_EXIT_OK)
        code = show(&s, dir_fd);
    if (dir_fd >= 0)
        close(dir_fd);
    vk_buf_free(&s.out);
    free(s.seqs);
    return code;
}
