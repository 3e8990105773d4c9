#include "cli/version.h"

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "store/store.h"

#include <openssl/crypto.h>
#include <sodium.h>
#include <uv.h>

const char vk_help_version[] = "Usage: valetkey version [--json]\n"
                               "\n"
                               "Prints the version of valetkey and of the libraries it runs on.\n"
                               "\n"
                               "Examples:\n"
                               "  valetkey version\n"
                               "  valetkey version --json\n";

void vk_libraries(vk_library out[VK_N_LIBRARIES])
{
    out[0] = (vk_library){"sqlite", vk_sqlite_version()};
    out[1] = (vk_library){"libuv", uv_version_string()};
    out[2] = (vk_library){"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)};
    out[3] = (vk_library){"sodium", sodium_version_string()};
}

void vk_libraries_json(vk_jw *w)
{
    vk_library l[VK_N_LIBRARIES];
    vk_libraries(l);
    vk_jw_obj(w);
    for (size_t i = 0; i < VK_N_LIBRARIES; i++)
        vk_jw_kstr(w, l[i].name, vk_str_z(l[i].version));
    vk_jw_obj_end(w);
}

int vk_cmd_version(int argc, char **argv)
{
    bool json = false;
    const char *data = NULL;
    const vk_opt opts[] = {VK_OPT_F("json", json), VK_OPT_T("data", data), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    if (!json) {
        vk_library l[VK_N_LIBRARIES];
        vk_libraries(l);
        printf("valetkey %s\n", VK_VERSION);
        for (size_t i = 0; i < VK_N_LIBRARIES; i++)
            vk_out_fact(l[i].name, l[i].version);
        return VK_EXIT_OK;
    }
    vk_buf b;
    vk_buf_init(&b, 4096);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "version", VK_STR(VK_VERSION));
    vk_jw_key(&w, VK_STR("libraries"));
    vk_libraries_json(&w);
    vk_jw_obj_end(&w);
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
    vk_buf_free(&b);
    return VK_EXIT_OK;
}
