/* Between the service's front and its drivers: how errors look, and the names of the environment. */
#ifndef VK_DB_ANSWERS_H
#define VK_DB_ANSWERS_H

#include "valetkey/service.h"

/* Answers in the shape that libSQL's clients show. */
void vk_db_respond_error(vk_exchange *ex, int status, const char *code, vk_str message);
/* vk_service.env, whoever serves it. */
VK_MUSTCHECK vk_err vk_db_env(const vk_runtime *rt, int index, vk_arena *a, const vk_secret *keys,
                              vk_env_var *out, size_t room, size_t *n_r);

#endif
