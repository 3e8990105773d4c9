/* storage ls: the objects of a build, page by page, however many there are. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/storage.h"

const char vk_help_storage_ls[] =
    "Usage: valetkey storage ls ID [PREFIX] [--recursive] [--delimiter TEXT] [--data DIR] [--json]\n"
    "\n"
    "Lists the objects of a build, with their sizes and times: those whose key begins with PREFIX, and what "
    "goes\n"
    "on behind a slash as one line, like a folder. Also of a revoked build.\n"
    "\n"
    "  --recursive              every object, also behind slashes\n"
    "  --delimiter TEXT         what ends a folder's name, instead of \"/\"\n"
    "\n"
    "Examples:\n"
    "  valetkey storage ls demo\n"
    "  valetkey storage ls demo uploads/ --recursive\n"
    "  valetkey storage ls demo --recursive --json\n";

struct listing {
    bool json;
    int64_t objects, bytes, folders;
    vk_buf prefixes; /* of the JSON, which has them behind the objects */
    vk_jw p;
};

static void print_row(const char *size, const char *time, vk_str key)
{
    vk_buf shown;
    vk_buf_init(&shown, 64 << 10);
    vk_text_visible(&shown, key);
    printf("%10s  %-20s  " VK_STR_FMT "\n", size, time, VK_STR_ARG(vk_buf_view(&shown)));
    vk_buf_free(&shown);
}

/* An element of an array that goes on over pages. */
static void print_json(struct listing *l, const vk_json *o)
{
    vk_buf b;
    vk_buf_init(&b, 64 << 10);
    vk_jw w = vk_jw_on(&b);
    vk_jw_value(&w, o);
    printf("%s" VK_STR_FMT, l->objects ? "," : "", VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
}

static void print_page(struct listing *l, const vk_reply *r)
{
    char size[VK_SIZE_TEXT], time[32];
    const vk_json *objects = vk_json_get(r->json, VK_STR("objects"));
    const vk_json *prefixes = vk_json_get(r->json, VK_STR("prefixes"));
    const vk_json *o = vk_reply_items(objects);
    const vk_json *p = vk_reply_items(prefixes);
    while (o || p) {
        vk_str key = vk_json_str(vk_json_get(o, VK_STR("key"))), folder = vk_json_str(p);
        size_t n = key.n < folder.n ? key.n : folder.n;
        int order = o && p ? memcmp(key.p, folder.p, n) : 0;
        bool folder_first = p && (!o || order > 0 || (order == 0 && folder.n < key.n));
        if (folder_first) {
            if (l->json)
                vk_jw_str(&l->p, folder);
            else
                print_row("", "", folder);
            l->folders++;
            p = p->next;
            continue;
        }
        vk_size_text(vk_reply_number(o, "bytes", 0), size);
        vk_time_short(vk_reply_text(r, o, "modified"), time);
        if (l->json)
            print_json(l, o);
        else
            print_row(size, time, key);
        l->objects++;
        l->bytes += vk_reply_number(o, "bytes", 0);
        o = o->next;
    }
}

static int list_all(const char *command, const char *data, const char *id, const char *prefix,
                    const char *delimiter, struct listing *l)
{
    char target[VK_STORAGE_TARGET], after[4096] = "";
    bool ok, more = true;
    vk_reply r;
    while (more) {
        const char *const query[] = {
            "prefix", prefix, "delimiter", delimiter, "after", after[0] ? after : NULL, NULL};
        int code = vk_storage_target(command, id, "objects", query, target);
        if (code == VK_EXIT_OK)
            code = vk_build_call(
                &(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = true}, &r, &ok);
        if (code != VK_EXIT_OK || !ok)
            return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
        if (l->json && !l->objects && !after[0])
            printf("{\"objects\":[");
        print_page(l, &r);
        const char *next = vk_reply_text(&r, r.json, "next");
        more = next[0] != '\0';
        snprintf(after, sizeof after, "%s", next);
        vk_reply_free(&r);
    }
    return VK_EXIT_OK;
}

int vk_cmd_storage_ls(int argc, char **argv)
{
    bool json = false, recursive = false;
    const char *data = NULL, *delimiter = NULL, *pos[2] = {NULL, NULL};
    const vk_opt opts[] = {VK_OPT_F("recursive", recursive),
                           VK_OPT_T("delimiter", delimiter),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, 2, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (recursive && delimiter)
        return vk_usage(argv[0], "--recursive and --delimiter exclude each other.");
    if (delimiter && !delimiter[0])
        return vk_usage(argv[0], "--delimiter is empty; --recursive lists everything.");
    struct listing l = {.json = json};
    vk_buf_init(&l.prefixes, (size_t)1 << 30);
    l.p = vk_jw_on(&l.prefixes);
    vk_jw_arr(&l.p);
    int code = list_all(argv[0], data, pos[0], pos[1], recursive ? NULL : delimiter ? delimiter : "/", &l);
    vk_jw_arr_end(&l.p);
    if (code == VK_EXIT_OK && l.prefixes.err != VK_OK)
        code = vk_failed("nomem", "There is not enough memory.");
    if (code == VK_EXIT_OK && json) {
        printf("],\"prefixes\":" VK_STR_FMT ",\"bytes\":%lld}\n", VK_STR_ARG(vk_buf_view(&l.prefixes)),
               (long long)l.bytes);
    } else if (code == VK_EXIT_OK && !l.objects && !l.folders) {
        printf("%s has no objects%s%s.\n", pos[0], pos[1] ? " below " : "", pos[1] ? pos[1] : "");
    } else if (code == VK_EXIT_OK) {
        char size[VK_SIZE_TEXT];
        vk_size_text(l.bytes, size);
        printf("%s%lld objects, %s%s\n", vk_tone_begin(stdout, VK_DIM), (long long)l.objects, size,
               vk_tone_end(stdout));
    }
    vk_buf_free(&l.prefixes);
    return code;
}
