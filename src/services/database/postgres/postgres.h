/* The drivers `postgres` and `neon`: a database that speaks PostgreSQL's protocol, which the app reaches by
 * itself, with a role of the build's own. Nothing of it comes through valetkey. */
#ifndef VK_DB_POSTGRES_H
#define VK_DB_POSTGRES_H

#include "valetkey/service.h"

extern const vk_driver vk_db_postgres, vk_db_neon;

enum { VK_DB_PG_URL_MAX = 1024 };
/* "postgresql://user:password@host:port/database?sslmode=require" (PostgreSQL's documentation, "Connection
 * URIs"), each part escaped where it must be; `port` and `sslmode` may be empty, and sslmode "prefer", which
 * clients understand differently, is left out. In `a`. VK_STR_NONE: no memory, or longer than
 * VK_DB_PG_URL_MAX. */
vk_str vk_db_pg_url(vk_arena *a, vk_secret user, vk_secret password, vk_str host, vk_str port,
                    vk_str database, vk_str sslmode);

#endif
