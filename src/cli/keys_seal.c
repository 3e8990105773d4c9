/* keys seal, keys rekey: values for an environment, and other keys of the vault itself. */
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/out.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/random.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <unistd.h>

const char vk_help_keys_seal[] =
    "Usage: valetkey keys seal VENDOR FIELD [--fingerprint TEXT] [--data DIR]\n"
    "\n"
    "Prints the line that gives a value of the organisation's to the daemon by its environment, sealed to "
    "it: "
    "the\n"
    "line is of no use to anybody else. The value is asked for unseen, or is standard input. What the "
    "environment\n"
    "gives stands in the place of what is in the vault.\n"
    "\n"
    "  --fingerprint TEXT       of the daemon's key, as `valetkey doctor` shows it: another one is refused\n"
    "  --data DIR\n"
    "\n"
    "Examples:\n"
    "  valetkey keys seal stripe secret_key >> /etc/valetkey/environment\n"
    "  pass show turso | valetkey keys seal turso token\n";

const char vk_help_keys_rekey[] =
    "Usage: valetkey keys rekey [--new-key-file FILE] [--data DIR] [--json]\n"
    "\n"
    "Seals the vault anew under another key of its own, record by record, while everything goes on. With\n"
    "--new-key-file another key-encryption key is made as well: the one outside of the data folder, without "
    "which\n"
    "nothing in it opens. FILE gets it, before it counts; start the daemon with --key-file FILE from then "
    "on. "
    "The\n"
    "old one still opens older backups.\n"
    "\n"
    "  --new-key-file FILE      must not exist yet\n"
    "  --data DIR, --json\n"
    "\n"
    "Examples:\n"
    "  valetkey keys rekey\n"
    "  valetkey keys rekey --new-key-file /etc/valetkey/2027.key\n";

/* ---- seal */

static const vk_vendor_field *field_of(const vk_vendor *v, const char *name)
{
    for (const vk_vendor_field *f = v->fields; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static int read_value(vk_entered *e, const vk_vendor_field *f)
{
    const char *why = "This cannot be a value of it.";
    if (sodium_init() < 0 || !(e->room = sodium_malloc(VK_ENTERED_ROOM)))
        return vk_failed("nomem", "There is no memory that can be locked; raise the limit `ulimit -l`.");
    int code = vk_ask_secret(f->what, e->room, VK_VENDOR_VALUE_MAX + 2);
    if (code != VK_EXIT_OK)
        return code;
    vk_str value = vk_str_z(e->room);
    if (f->ok && !f->ok(value, &why))
        return vk_failed("invalid", "%s: %s", f->name, why);
    e->fields[e->n++] = (vk_entry_field){f->name, vk_secret_of(value)};
    return VK_EXIT_OK;
}

static void print_line(const vk_vendor *v, const char *field, vk_str sealed)
{
    char name[VK_VENDOR_NAME_MAX + VK_VENDOR_FIELD_MAX + 24];
    snprintf(name, sizeof name, "VALETKEY_ORG_%s_%s", v->name, field);
    for (char *p = name; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    printf("%s=sealed:" VK_STR_FMT "\n", name, VK_STR_ARG(sealed));
}

int vk_cmd_keys_seal(int argc, char **argv)
{
    const char *pos[2], *data = NULL, *fingerprint = NULL;
    uint8_t key[VK_BOX_PUBLIC];
    vk_api api;
    vk_buf sealed;
    const vk_opt opts[] = {VK_OPT_T("fingerprint", fingerprint), VK_OPT_T("data", data), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 2, "The VENDOR and the FIELD", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_entered entered = {.vendor = vk_keys_vendor(argv[0], pos[0])};
    if (!entered.vendor)
        return VK_EXIT_USAGE;
    const vk_vendor_field *f = field_of(entered.vendor, pos[1]);
    if (!f) {
        char known[256] = "";
        size_t at = 0;
        for (f = entered.vendor->fields; f && f->name && at < sizeof known; f++)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", f->name);
        return vk_usage(argv[0], "%s has no field of that name; it has %s.", entered.vendor->title, known);
    }
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    vk_buf_init(&sealed, VK_ENTRY_BASE64_MAX);
    int code = vk_keys_box(&api, fingerprint, key);
    if (code == VK_EXIT_OK)
        code = read_value(&entered, f);
    if (code == VK_EXIT_OK)
        code = vk_keys_seal(key, &entered, "", &sealed);
    vk_entered_free(&entered);
    if (code == VK_EXIT_OK)
        print_line(entered.vendor, f->name, vk_buf_view(&sealed));
    vk_buf_free(&sealed);
    vk_api_close(&api);
    return code;
}

/* ---- rekey */

/* The new key lies there durably before keeper hears of it. */
static int make_key_file(const char *path, const uint8_t *kek)
{
    char dir_text[PATH_MAX], name_text[PATH_MAX];
    vk_buf text;
    if (strlen(path) >= PATH_MAX)
        return vk_failed("invalid", "--new-key-file: the path is too long.");
    snprintf(dir_text, sizeof dir_text, "%s", path);
    snprintf(name_text, sizeof name_text, "%s", path);
    const char *dir = dirname(dir_text), *name = basename(name_text);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vk_failed("not_found", "The folder %s cannot be opened.", dir);
    if (faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT) {
        close(fd);
        return vk_failed("conflict", "%s exists already; name another file.", path);
    }
    vk_buf_init(&text, 1024);
    text.secret = true;
    vk_buf_lit(&text,
               "# The key-encryption key of a valetkey vault. Without it nothing in the vault opens.\n");
    vk_base64(&text, kek, VK_ENTRY_KEK, true);
    vk_buf_ch(&text, '\n');
    vk_err e = text.err ? text.err : vk_disk_replace(fd, name, vk_buf_view(&text), 0600);
    vk_buf_free_secret(&text);
    close(fd);
    return e == VK_OK ? VK_EXIT_OK
                      : vk_failed(vk_err_name(e), "%s could not be written (%s); nothing was changed.", path,
                                  e == VK_E_FULL ? "the disk is full" : "input/output error");
}

static int new_kek(vk_api *api, const char *path, vk_buf *body)
{
    uint8_t key[VK_BOX_PUBLIC];
    vk_buf sealed;
    int code = vk_keys_box(api, NULL, key);
    if (code != VK_EXIT_OK)
        return code;
    uint8_t *kek = sodium_init() < 0 ? NULL : sodium_malloc(VK_ENTRY_KEK);
    if (!kek)
        return vk_failed("nomem", "There is no memory that can be locked; raise the limit `ulimit -l`.");
    vk_random(kek, VK_ENTRY_KEK);
    vk_buf_init(&sealed, VK_ENTRY_BASE64_MAX);
    code = make_key_file(path, kek);
    if (code == VK_EXIT_OK && vk_entry_kek(key, kek, NULL, vk_clock_wall_ms(), &sealed) != VK_OK)
        code = vk_failed("nomem", "Out of memory.");
    if (code == VK_EXIT_OK)
        vk_keys_body(body, vk_buf_view(&sealed));
    sodium_free(kek);
    vk_buf_free(&sealed);
    return code;
}

int vk_cmd_keys_rekey(int argc, char **argv)
{
    const char *data = NULL, *file = NULL;
    bool json = false;
    vk_api api;
    vk_buf body;
    vk_reply r;
    const vk_opt opts[] = {
        VK_OPT_T("new-key-file", file), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    vk_buf_init(&body, 128 * 1024);
    int code = file ? new_kek(&api, file, &body) : VK_EXIT_OK;
    bool got = code == VK_EXIT_OK &&
               vk_api_call(&api, "POST", "/api/v1/keys/rekey", VK_STR_NONE, vk_buf_view(&body), &r) == VK_OK;
    vk_buf_free(&body);
    vk_api_close(&api);
    if (!got)
        return VK_EXIT_FAILED;
    if (vk_reply_ok(&r, &code)) {
        code = VK_EXIT_OK;
        if (json)
            vk_reply_print(&r);
        else if (file)
            printf("%s✓%s The vault opens with the key in %s from now on.\n\nNext:\n  start the daemon with "
                   "--key-file %s, and keep a copy of the file apart from the data\n",
                   vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), file, file);
        else
            printf("%s✓%s The vault has another key; %lld records are sealed anew, one by one.\n",
                   vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
                   (long long)vk_reply_number(r.json, "to_reseal", 0));
    }
    vk_reply_free(&r);
    return code;
}
