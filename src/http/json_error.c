#include "http/json_error.h"

#include "core/json_write.h"

void vk_respond_json_error(vk_exchange *ex, vk_err e, const char *text)
{
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "error", vk_str_z(vk_err_name(e)));
    vk_jw_kstr(&w, "message", vk_str_z(text));
    vk_jw_obj_end(&w);
    vk_respond(ex, vk_err_status(e), "application/json");
}
