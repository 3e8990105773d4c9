/* Tables of endpoints that are being written: each goes when its file comes. */
#include "services/auth/call.h"

const vk_auth_route vk_auth_backend_address_routes[] = {{0}};

const vk_auth_route vk_auth_backend_instance_routes[] = {{0}};

const vk_auth_route vk_auth_backend_session_routes[] = {{0}};

const vk_auth_route vk_auth_backend_ticket_routes[] = {{0}};

const vk_auth_route vk_auth_backend_user_routes[] = {{0}};

const vk_auth_route vk_auth_handshake_routes[] = {{0}};

const vk_auth_route vk_auth_sign_in_routes[] = {{0}};

const vk_auth_route vk_auth_sign_up_routes[] = {{0}};

const vk_auth_route vk_auth_ticket_routes[] = {{0}};

vk_auth_fail vk_auth_send_code(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                               const char *what)
{
    VK_UNUSED(c), VK_UNUSED(v), VK_UNUSED(about), VK_UNUSED(address), VK_UNUSED(what);
    return VK_AUTH_F_UNSUPPORTED;
}

vk_auth_fail vk_auth_try_code(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                              vk_secret code)
{
    VK_UNUSED(c), VK_UNUSED(v), VK_UNUSED(about), VK_UNUSED(address), VK_UNUSED(code);
    return VK_AUTH_F_UNSUPPORTED;
}
