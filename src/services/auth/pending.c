/* Tables of endpoints that are being written: each goes when its file comes. */
#include "services/auth/call.h"

const vk_auth_route vk_auth_address_routes[] = {{0}};

const vk_auth_route vk_auth_backend_address_routes[] = {{0}};

const vk_auth_route vk_auth_backend_instance_routes[] = {{0}};

const vk_auth_route vk_auth_backend_session_routes[] = {{0}};

const vk_auth_route vk_auth_backend_ticket_routes[] = {{0}};

const vk_auth_route vk_auth_backend_user_routes[] = {{0}};

const vk_auth_route vk_auth_me_routes[] = {{0}};

const vk_auth_route vk_auth_session_routes[] = {{0}};

const vk_auth_route vk_auth_sign_in_routes[] = {{0}};

const vk_auth_route vk_auth_sign_up_routes[] = {{0}};

const vk_auth_route vk_auth_ticket_routes[] = {{0}};
