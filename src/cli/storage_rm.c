/* storage rm: removes objects, by their keys or by a prefix. */
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/storage.h"

#include <unistd.h>

const char vk_help_storage_rm[] =
    "Usage: valetkey storage rm ID KEY... [--data DIR] [--json]\n"
    "       valetkey storage rm ID --prefix PREFIX [--yes] [--data DIR] [--json]\n"
    "\n"
    "Removes objects of a build. There is no way back; `valetkey storage get --all` saves them before. A key "
    "that\n"
    "has no object is said, and is no error.\n"
    "\n"
    "  --prefix PREFIX          everything whose key begins so; on a terminal it asks first\n"
    "  --yes                    do not ask\n"
    "\n"
    "Examples:\n"
    "  valetkey storage rm demo old.png older.png\n"
    "  valetkey storage rm demo --prefix tmp/ --yes\n";

enum { KEYS_MAX = 512, PAGE = 1000 };

struct removal {
    const char *command, *data, *id;
    int64_t removed, absent;
    char first_absent[512];
};

static int send_keys(struct removal *x, vk_str keys)
{
    char target[VK_STORAGE_TARGET];
    bool ok;
    vk_reply r;
    int64_t n = 0;
    int code = vk_storage_target(x->command, x->id, "objects/delete", NULL, target);
    if (code != VK_EXIT_OK)
        return code;
    code = vk_build_call(
        &(vk_build_ask){.data = x->data, .method = "POST", .target = target, .body = keys, .slow = true}, &r,
        &ok);
    if (!ok)
        return code;
    const vk_json *absent = vk_json_get(r.json, VK_STR("absent"));
    if (vk_json_i64(vk_json_get(r.json, VK_STR("removed")), &n) == VK_OK)
        x->removed += n;
    if (absent && absent->type == VK_JSON_ARRAY && absent->count) {
        if (!x->absent)
            snprintf(x->first_absent, sizeof x->first_absent, VK_STR_FMT,
                     VK_STR_ARG(vk_json_str(absent->u.child)));
        x->absent += absent->count;
    }
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

static int remove_keys(struct removal *x, const char *const *keys, size_t n)
{
    vk_buf body;
    vk_buf_init(&body, 16 << 20);
    vk_jw w = vk_jw_on(&body);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("keys"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < n; i++)
        vk_jw_str(&w, vk_str_z(keys[i]));
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    int code =
        body.err ? vk_failed("nomem", "There is not enough memory.") : send_keys(x, vk_buf_view(&body));
    vk_buf_free(&body);
    return code;
}

/* One page of what there is; *more_r: it was not empty. */
static int remove_page(struct removal *x, const char *prefix, bool *more_r)
{
    char target[VK_STORAGE_TARGET];
    const char *const query[] = {"prefix", prefix, NULL};
    bool ok;
    vk_reply r;
    *more_r = false;
    int code = vk_storage_target(x->command, x->id, "objects", query, target);
    if (code != VK_EXIT_OK)
        return code;
    code = vk_build_call(&(vk_build_ask){.data = x->data, .method = "GET", .target = target, .slow = true},
                         &r, &ok);
    if (!ok)
        return code;
    const vk_json *objects = vk_json_get(r.json, VK_STR("objects"));
    vk_buf body;
    vk_buf_init(&body, 16 << 20);
    vk_jw w = vk_jw_on(&body);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("keys"));
    vk_jw_arr(&w);
    for (const vk_json *o = vk_reply_items(objects); o; o = o->next) {
        vk_jw_str(&w, vk_json_str(vk_json_get(o, VK_STR("key"))));
        *more_r = true;
    }
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    vk_reply_free(&r);
    if (body.err)
        code = vk_failed("nomem", "There is not enough memory.");
    else if (*more_r)
        code = send_keys(x, vk_buf_view(&body));
    vk_buf_free(&body);
    return code;
}

static void tell(const struct removal *x, bool json)
{
    if (json) {
        printf("{\"id\":\"%s\",\"removed\":%lld,\"absent\":%lld}\n", x->id, (long long)x->removed,
               (long long)x->absent);
        return;
    }
    printf("%s✓%s %lld objects of %s are gone.\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
           (long long)x->removed, x->id);
    if (x->absent) {
        vk_buf shown;
        vk_buf_init(&shown, 64 << 10);
        vk_text_visible(&shown, vk_str_z(x->first_absent));
        printf("%s!%s %lld keys had none (" VK_STR_FMT "%s).\n", vk_tone_begin(stdout, VK_NOTICE),
               vk_tone_end(stdout), (long long)x->absent, VK_STR_ARG(vk_buf_view(&shown)),
               x->absent > 1 ? ", …" : "");
        vk_buf_free(&shown);
    }
}

int vk_cmd_storage_rm(int argc, char **argv)
{
    bool json = false, yes = false;
    const char *data = NULL, *prefix = NULL, *pos[1 + KEYS_MAX] = {NULL};
    const vk_opt opts[] = {VK_OPT_T("prefix", prefix),
                           VK_OPT_F("yes", yes),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, VK_COUNT(pos), "The build's ID and a KEY", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    size_t n = 0;
    while (n < KEYS_MAX && pos[1 + n])
        n++;
    if (prefix ? n > 0 : n == 0)
        return vk_usage(argv[0],
                        prefix ? "--prefix takes no KEY." : "The KEY is missing, or --prefix PREFIX.");
    if (prefix && !prefix[0])
        return vk_usage(argv[0],
                        "--prefix is empty, which would be every object; `valetkey build delete` removes "
                        "a build with all it has.");
    struct removal x = {.command = argv[0], .data = data, .id = pos[0]};
    if (prefix && !yes &&
        !vk_ask_yes("Remove every object of %s whose key begins with \"%s\"? There is no way back.", pos[0],
                    prefix)) {
        fprintf(stderr, "Nothing was removed.\n");
        return VK_EXIT_FAILED;
    }
    int code = VK_EXIT_OK;
    bool more = prefix != NULL;
    if (!prefix)
        code = remove_keys(&x, pos + 1, n);
    while (code == VK_EXIT_OK && more)
        code = remove_page(&x, prefix, &more);
    if (code == VK_EXIT_OK)
        tell(&x, json);
    return code;
}
