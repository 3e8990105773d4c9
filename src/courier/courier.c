#include "courier/courier.h"

#include "http/json_error.h"

static vk_err head(vk_exchange *ex)
{
    ex->body_max = 0;
    if (vk_str_eqz(ex->method, "GET"))
        return VK_OK;
    vk_respond_json_error(ex, VK_E_METHOD, "courier answers GET only.");
    return VK_E_METHOD;
}

static void request(vk_exchange *ex)
{
    if (vk_str_eqz(ex->path, "/healthz"))
        vk_respond_text(ex, 200, "application/json", VK_STR("{\"status\":\"ok\",\"role\":\"courier\"}"));
    else
        vk_respond_json_error(ex, VK_E_NOT_FOUND, "courier has no such call.");
}

const vk_handler vk_courier_handler = {.head = head, .request = request};
