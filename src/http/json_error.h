/* The plain error answer of our own calls: {"error":"not_found","message":"…"} with the kind's status.
 * Services answer in their vendor's format instead. */
#ifndef VK_HTTP_JSON_ERROR_H
#define VK_HTTP_JSON_ERROR_H

#include "http/exchange.h"

void vk_respond_json_error(vk_exchange *ex, vk_err e, const char *text);

#endif
