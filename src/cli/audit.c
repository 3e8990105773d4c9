/* audit verify, audit keygen: whether the log of what was done with the organisation's keys is whole. */
#include "cli/audit.h"

#include "cli/api.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/part.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/json_write.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

enum { KEY_TEXT_MAX = 1024, FINDINGS_SHOWN = 1000, JSON_MAX = 4 << 20 };

const char vk_help_audit_verify[] =
    "Usage: valetkey audit verify [--data DIR] [--checkpoint FILE] [--key KEY] [--escrow FILE] [--json]\n"
    "\n"
    "Reads the whole audit log and checks it: each record's bytes, that each follows the one before it "
    "(hash\n"
    "chain), that no file is missing, that each checkpoint is signed, and that each use of a key has its\n"
    "outcome. It needs no secret and no daemon; one may run. Exit code 1 when something was changed, "
    "removed\n"
    "or damaged; uses without an outcome are listed, and are no such thing.\n"
    "\n"
    "That the newest records were cut off shows only against a checkpoint that was kept elsewhere (serve\n"
    "--audit-checkpoints): name its file. The key that signs is shown by `valetkey doctor`; write it down\n"
    "elsewhere too, or keep that file.\n"
    "\n"
    "Options:\n"
    "  --data DIR         the data folder (default ./.valetkey)\n"
    "  --checkpoint FILE  checkpoints that were kept elsewhere, one a line\n"
    "  --key KEY          the public key that must have signed, 64 hex digits\n"
    "  --escrow FILE      the auditor's secret key (audit keygen): that each record was written with its "
    "epoch's\n"
    "                     key is checked as well\n"
    "  --json             the result for machines\n"
    "\n"
    "Examples:\n"
    "  valetkey audit verify\n"
    "  valetkey audit verify --data /var/lib/valetkey --checkpoint /mnt/elsewhere/checkpoints\n";

const char vk_help_audit_keygen[] =
    "Usage: valetkey audit keygen --out FILE [--json]\n"
    "\n"
    "Makes the key pair of an auditor, on a machine that is not valetkey's. The secret key goes into FILE "
    "(mode\n"
    "0600, never overwritten); the public one is printed, for serve --audit-auditor. From then on the epoch "
    "keys\n"
    "of the audit log can be computed with FILE, and by nobody else once they are over, keeper included.\n"
    "\n"
    "Options:\n"
    "  --out FILE         where the secret key goes\n"
    "  --json             the public key for machines\n"
    "\n"
    "Examples:\n"
    "  valetkey audit keygen --out auditor.key\n";

/* ---- shared */

int vk_audit_cli_open(const char *data, int *fd_r)
{
    const char *dir = vk_data_dir(data);
    char path[PATH_MAX + 8];
    if (vk_digest_init() != VK_OK)
        return vk_failed("internal", "OpenSSL has no SHA-256 or HMAC here.");
    if (strlen(dir) >= PATH_MAX)
        return vk_usage("audit", "The path of the data folder is longer than %d bytes.", PATH_MAX - 1);
    snprintf(path, sizeof path, "%s/audit", dir);
    *fd_r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd_r >= 0)
        return VK_EXIT_OK;
    if (errno == ENOENT)
        return vk_failed(
            "not_found",
            "There is no audit log in %s: name the data folder with --data DIR. A log begins with the "
            "daemon's first start.",
            dir);
    return vk_failed(errno == EACCES ? "forbidden" : "io",
                     "The folder %s cannot be read (%s): run this as its owner, or as root.", path,
                     vk_errno_text(errno));
}

int vk_audit_cli_failed(vk_err e)
{
    if (e == VK_E_NOT_FOUND)
        return vk_failed("not_found", "The folder audit/ holds no file of a log.");
    if (e == VK_E_NEWER)
        return vk_failed("newer", "The audit log was written by a newer valetkey: use that one to read it.");
    return vk_failed(vk_err_name(e), "The audit log cannot be read: %s.", vk_err_name(e));
}

void vk_audit_cli_time(int64_t ns, char out[VK_AUDIT_TIME_TEXT])
{
    vk_clock_text(ns / 1000000, out);
}

/* ---- verify */

typedef struct verifying {
    vk_audit_check check;
    bool json;
    vk_buf out;
    vk_jw w;
    size_t shown, more;
} verifying;

static const char *const levels[] = {"note", "no_outcome", "wrong"}; /* as vk_audit_level */

static void print_finding(const vk_audit_finding *f)
{
    static const struct {
        const char *sign;
        vk_tone tone;
    } kinds[] = {{"-", VK_DIM}, {"!", VK_NOTICE}, {"✗", VK_BAD}};
    printf("%s%s%s ", vk_tone_begin(stdout, kinds[f->level].tone), kinds[f->level].sign, vk_tone_end(stdout));
    if (f->file)
        printf("file %llu", (unsigned long long)f->file);
    if (f->seq)
        printf("%srecord %llu", f->file ? ", " : "", (unsigned long long)f->seq);
    if (f->offset > 0)
        printf(" at byte %lld", (long long)f->offset);
    printf("%s%s\n", f->file || f->seq ? ": " : "", f->text);
}

static void on_found(void *arg, const vk_audit_finding *f)
{
    verifying *v = arg;
    if (v->shown == FINDINGS_SHOWN) {
        v->more++;
        return;
    }
    v->shown++;
    if (!v->json) {
        print_finding(f);
        return;
    }
    vk_jw_obj(&v->w);
    vk_jw_kstr(&v->w, "level", vk_str_z(levels[f->level]));
    vk_jw_ki64(&v->w, "file", (int64_t)f->file);
    vk_jw_ki64(&v->w, "record", (int64_t)f->seq);
    vk_jw_ki64(&v->w, "offset", f->offset);
    vk_jw_kstr(&v->w, "text", vk_str_z(f->text));
    vk_jw_obj_end(&v->w);
}

static void print_json(verifying *v)
{
    const vk_audit_check *c = &v->check;
    char h[2 * VK_SHA256 + 1], key[65], first[VK_AUDIT_TIME_TEXT], last[VK_AUDIT_TIME_TEXT];
    vk_hex(h, c->last_h, VK_SHA256);
    vk_hex(key, c->signed_by, 32);
    vk_audit_cli_time(c->first_ns, first);
    vk_audit_cli_time(c->last_ns, last);
    vk_jw_arr_end(&v->w);
    vk_jw_ki64(&v->w, "findings_left_out", (int64_t)v->more);
    vk_jw_kbool(&v->w, "sound", c->wrong == 0);
    vk_jw_ki64(&v->w, "wrong", (int64_t)c->wrong);
    vk_jw_ki64(&v->w, "without_outcome", (int64_t)c->undone);
    vk_jw_ki64(&v->w, "files", (int64_t)c->files);
    vk_jw_ki64(&v->w, "records", (int64_t)c->records);
    vk_jw_ki64(&v->w, "first_record", (int64_t)c->first_seq);
    vk_jw_ki64(&v->w, "last_record", (int64_t)c->last_seq);
    vk_jw_kstr(&v->w, "first_time", vk_str_z(first));
    vk_jw_kstr(&v->w, "last_time", vk_str_z(last));
    vk_jw_kstr(&v->w, "last_hash", vk_str_z(h));
    vk_jw_ki64(&v->w, "epoch", (int64_t)c->epoch);
    vk_jw_ki64(&v->w, "checkpoints_signed", (int64_t)c->checkpoints_signed);
    vk_jw_ki64(&v->w, "checkpoints_met", (int64_t)c->checkpoints_met);
    vk_jw_ki64(&v->w, "authentic", (int64_t)c->macs);
    vk_jw_kstr_or_null(&v->w, "key", c->has_key ? vk_str_z(key) : VK_STR_NONE);
    vk_jw_obj_end(&v->w);
    fwrite(v->out.p, 1, v->out.n, stdout);
    putchar('\n');
}

static void print(const verifying *v, bool marks)
{
    const vk_audit_check *c = &v->check;
    char h[2 * VK_SHA256 + 1], key[65], first[VK_AUDIT_TIME_TEXT], last[VK_AUDIT_TIME_TEXT], text[200];
    vk_hex(h, c->last_h, VK_SHA256);
    vk_hex(key, c->signed_by, 32);
    vk_audit_cli_time(c->first_ns, first);
    vk_audit_cli_time(c->last_ns, last);
    if (v->more)
        printf("  and %zu more\n", v->more);
    vk_tone tone = c->wrong ? VK_BAD : VK_GOOD;
    printf("%s%s%s\n", vk_tone_begin(stdout, tone),
           c->wrong ? "The audit log does not hold together." : "The audit log holds together.",
           vk_tone_end(stdout));
    snprintf(text, sizeof text, "%llu, from %llu to %llu, in %zu file%s", (unsigned long long)c->records,
             (unsigned long long)c->first_seq, (unsigned long long)c->last_seq, c->files,
             c->files == 1 ? "" : "s");
    vk_out_fact("records", text);
    snprintf(text, sizeof text, "%s to %s", first, last);
    vk_out_fact("times", text);
    snprintf(text, sizeof text, "%llu signed", (unsigned long long)c->checkpoints_signed);
    if (marks)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 ", %llu of those that were given are the log's", (unsigned long long)c->checkpoints_met);
    vk_out_fact("checkpoints", text);
    vk_out_fact("signed by", c->has_key ? key : "nobody yet");
    if (c->secret) {
        snprintf(text, sizeof text, "%llu records, by the auditor's key", (unsigned long long)c->macs);
        vk_out_fact("authentic", text);
    }
    vk_out_fact("last hash", h);
    if (c->undone) {
        snprintf(text, sizeof text, "%zu uses of a key", c->undone);
        vk_out_fact("no outcome", text);
    }
}

static int read_text(const char *path, const char *what, size_t most, vk_buf *out)
{
    vk_err e = vk_disk_read(AT_FDCWD, path, most, out);
    if (e == VK_OK)
        return VK_EXIT_OK;
    return vk_failed(vk_err_name(e), "%s %s cannot be read (%s).", what, path, vk_err_name(e));
}

static int read_secret(const char *path, uint8_t secret[32])
{
    vk_buf text;
    vk_buf_init(&text, 2 * KEY_TEXT_MAX);
    text.secret = true;
    int code = read_text(path, "The auditor's key", KEY_TEXT_MAX, &text);
    vk_str rest = vk_buf_view(&text), line = rest;
    while (code == VK_EXIT_OK && rest.n) {
        if (!vk_str_cut(&rest, '\n', &line)) {
            line = rest;
            rest.n = 0;
        }
        if (line.n && line.p[0] != '#')
            break;
    }
    if (code == VK_EXIT_OK && vk_hex_decode(vk_str_trim(line), secret, 32) != VK_OK)
        code = vk_failed("invalid", "%s holds no auditor's key, as `valetkey audit keygen` makes one.", path);
    vk_buf_free_secret(&text);
    return code;
}

int vk_cmd_audit_verify(int argc, char **argv)
{
    const char *data = NULL, *checkpoint = NULL, *key = NULL, *escrow = NULL;
    uint8_t public_key[32], secret[32];
    vk_buf marks;
    verifying v = {.json = false};
    int dir_fd = -1;
    const vk_opt opts[] = {VK_OPT_T("data", data),   VK_OPT_T("checkpoint", checkpoint),
                           VK_OPT_T("key", key),     VK_OPT_T("escrow", escrow),
                           VK_OPT_F("json", v.json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(v.json);
    if (key && vk_hex_decode(vk_str_z(key), public_key, 32) != VK_OK)
        return vk_usage(argv[0], "--key wants 64 hex digits, as `valetkey doctor` shows them.");
    vk_buf_init(&marks, VK_ARD_CHECKPOINTS);
    vk_buf_init(&v.out, JSON_MAX);
    int code = checkpoint ? read_text(checkpoint, "The file of checkpoints", VK_ARD_CHECKPOINTS - 1, &marks)
                          : VK_EXIT_OK;
    if (code == VK_EXIT_OK && escrow)
        code = read_secret(escrow, secret);
    if (code == VK_EXIT_OK)
        code = vk_audit_cli_open(data, &dir_fd);
    if (code == VK_EXIT_OK) {
        v.check = (vk_audit_check){.dir_fd = dir_fd,
                                   .checkpoints = vk_buf_view(&marks),
                                   .secret = escrow ? secret : NULL,
                                   .sign = key ? public_key : NULL,
                                   .found = on_found,
                                   .arg = &v};
        v.w = vk_jw_on(&v.out);
        vk_jw_obj(&v.w);
        vk_jw_key(&v.w, VK_STR("findings"));
        vk_jw_arr(&v.w);
        vk_err e = vk_audit_verify(&v.check);
        code = e == VK_OK ? (v.check.wrong ? VK_EXIT_FAILED : VK_EXIT_OK) : vk_audit_cli_failed(e);
        if (e == VK_OK && v.json)
            print_json(&v);
        else if (e == VK_OK)
            print(&v, checkpoint != NULL);
    }
    if (dir_fd >= 0)
        close(dir_fd);
    vk_wipe(secret, sizeof secret);
    vk_buf_free(&marks);
    vk_buf_free(&v.out);
    return code;
}

/* ---- keygen */

static int write_secret(const char *path, const uint8_t secret[32], const char *public_key)
{
    char hex[65], text[400];
    vk_part part = {.fd = -1};
    vk_hex(hex, secret, 32);
    int n = snprintf(
        text, sizeof text,
        "# Secret key of an auditor of valetkey's log. Keep it away from valetkey.\n# public: %s\n%s\n",
        public_key, hex);
    int code = vk_part_open(&part, path, false);
    if (code == VK_EXIT_OK) {
        vk_err e = vk_disk_add(part.fd, (vk_str){text, (size_t)n});
        code = e == VK_OK ? vk_part_finish(&part)
                          : vk_failed(vk_err_name(e), "%s cannot be written (%s).", path, vk_err_name(e));
    }
    vk_part_drop(&part);
    vk_wipe(hex, sizeof hex);
    vk_wipe(text, sizeof text);
    return code;
}

int vk_cmd_audit_keygen(int argc, char **argv)
{
    const char *out = NULL;
    bool json = false;
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], secret[crypto_box_SECRETKEYBYTES];
    char hex[65];
    const vk_opt opts[] = {VK_OPT_T("out", out), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    if (sodium_init() < 0)
        return vk_failed("internal", "libsodium could not be set up.");
    crypto_box_keypair(public_key, secret);
    vk_hex(hex, public_key, sizeof public_key);
    int code = write_secret(out, secret, hex);
    vk_wipe(secret, sizeof secret);
    if (code != VK_EXIT_OK)
        return code;
    if (json)
        printf("{\"public_key\":\"%s\"}\n", hex);
    else
        printf("The secret key is in %s: keep it where valetkey does not run. Start valetkey with\n"
               "  valetkey serve --audit-auditor %s\n",
               out, hex);
    return VK_EXIT_OK;
}
