/* The limits that whoever runs valetkey may change: one table, from which settings, `serve --help` and the
 * check of docs/LIMITS.md come. Limits that are part of a format or protect memory are `enum` constants
 * beside what they limit. */
#ifndef VK_LIMITS_H
#define VK_LIMITS_H

#include "core/base.h"

typedef enum vk_unit {
    VK_UNIT_MS,         /* a time, kept in milliseconds; written as 10s, 5m, 2h */
    VK_UNIT_COUNT,      /* things at once */
    VK_UNIT_PER_SECOND, /* events; 0: no limit */
    VK_UNIT_BYTES_PER_SECOND,
    VK_UNIT_BYTES, /* written as 512K, 100M, 5G or a plain number */
} vk_unit;

/* id, setting, unit, default, the same as it is written, least, most, what it is */
#define VK_LIMIT_TABLE(X)                                                                                    \
    X(HEAD_TIME, "head_time", VK_UNIT_MS, 10000, "10s", 1000, 600000,                                        \
      "From the first byte of a request's head to its end; then 408. A TLS handshake has as long")           \
    X(IDLE_TIME, "idle_time", VK_UNIT_MS, 75000, "75s", 1000, 86400000,                                      \
      "Between two requests of a connection, and before its first one; then it is closed")                   \
    X(SLOW_TIME, "slow_time", VK_UNIT_MS, 30000, "30s", 1000, 3600000,                                       \
      "How often a body that comes, or an answer that is taken, is held against slow_rate")                  \
    X(SLOW_RATE, "slow_rate", VK_UNIT_BYTES_PER_SECOND, 256, "256", 1, 1000000000,                           \
      "The least that a client must send of a body (then 408) or take of an answer (then it is closed)")     \
    X(CONNECTIONS, "connections", VK_UNIT_COUNT, 16384, "16384", 16, 1000000,                                \
      "Open at once on the listener of a service; when full, the one idle for longest is closed")            \
    X(ADMIN_CONNECTIONS, "admin_connections", VK_UNIT_COUNT, 1024, "1024", 16, 1000000,                      \
      "The same for the console and the admin API")                                                          \
    X(ADDRESS_CONNECTIONS, "address_connections", VK_UNIT_COUNT, 4096, "4096", 1, 1000000,                   \
      "Of these, from one address (IPv6: one /64); further ones get 429")                                    \
    X(DATABASE_CONNECTIONS, "database_connections", VK_UNIT_COUNT, 16384, "16384", 64, 16384,                \
      "Open at once to databases of builds; fewer when descriptors or memory are short")                     \
    X(KEY_RATE, "key_rate", VK_UNIT_PER_SECOND, 5000, "5000", 0, 1000000,                                    \
      "Requests with one valet key, in the long run; then 429")                                              \
    X(KEY_BURST, "key_burst", VK_UNIT_COUNT, 20000, "20000", 1, 100000000, "The same, at once")              \
    X(BUILD_RATE, "build_rate", VK_UNIT_PER_SECOND, 10000, "10000", 0, 1000000,                              \
      "Requests of one build with all its valet keys, in the long run; then 429")                            \
    X(BUILD_BURST, "build_burst", VK_UNIT_COUNT, 40000, "40000", 1, 100000000, "The same, at once")          \
    X(BAD_KEY_RATE, "bad_key_rate", VK_UNIT_PER_SECOND, 50, "50", 0, 1000000,                                \
      "Refused keys from one address, in the long run; then they get 429 after a second, good ones go on")   \
    X(BAD_KEY_BURST, "bad_key_burst", VK_UNIT_COUNT, 1000, "1000", 1, 100000000, "The same, at once")        \
    X(STORAGE_BYTES, "storage_bytes", VK_UNIT_BYTES, (int64_t)5 << 30, "5G", 1 << 20, (int64_t)1 << 50,      \
      "What the objects and unfinished uploads of a build may take; then 403 QuotaExceeded")                 \
    X(STORAGE_OBJECT, "storage_object", VK_UNIT_BYTES, (int64_t)5 << 30, "5G", 1 << 20, (int64_t)8 << 30,    \
      "The same of one object, and of one part of an upload")                                                \
    X(STORAGE_OBJECTS, "storage_objects", VK_UNIT_COUNT, 1000000, "1000000", 1, 1000000000,                  \
      "Objects of a build; then 403 QuotaExceeded")                                                          \
    X(STORAGE_UPLOADS, "storage_uploads", VK_UNIT_COUNT, 1000, "1000", 1, 1000000,                           \
      "Multipart uploads of a build that are not completed; then 503 SlowDown")                              \
    X(POSTGRES_BYTES, "postgres_bytes", VK_UNIT_BYTES, (int64_t)1 << 30, "1G", 32 << 20, (int64_t)1 << 50,   \
      "What a build's database at the organisation's PostgreSQL may take; then it is read-only, from a "     \
      "quarter more on it is closed")                                                                        \
    X(POSTGRES_CONNECTIONS, "postgres_connections", VK_UNIT_COUNT, 20, "20", 1, 10000,                       \
      "Open at once to such a database")                                                                     \
    X(POSTGRES_STATEMENT, "postgres_statement", VK_UNIT_MS, 30000, "30s", 1000, 86400000,                    \
      "For one statement there; one that goes on for twice as long is ended with its connection")            \
    X(POSTGRES_IDLE, "postgres_idle", VK_UNIT_MS, 60000, "60s", 1000, 86400000,                              \
      "The same for a transaction in which nothing happens")                                                 \
    X(POSTGRES_TRANSACTION, "postgres_transaction", VK_UNIT_MS, 600000, "10m", 1000, 86400000,               \
      "For a whole transaction there, then its connection is ended")                                         \
    X(POSTGRES_TEMP, "postgres_temp", VK_UNIT_BYTES, 256 << 20, "256M", 1 << 20, (int64_t)1 << 40,           \
      "Temporary files of one of these connections (where the organisation's role may set that)")            \
    X(POSTGRES_LOOK, "postgres_look", VK_UNIT_MS, 15000, "15s", 1000, 3600000,                               \
      "How often it is looked after the limits there that a build could change by itself")

typedef enum vk_limit_id {
#define VK_LIMIT_ID(id, setting, unit, usual, shown, least, most, what) VK_LIMIT_##id,
    VK_LIMIT_TABLE(VK_LIMIT_ID)
#undef VK_LIMIT_ID
        VK_LIMITS
} vk_limit_id;

typedef struct vk_limits {
    int64_t of[VK_LIMITS];
} vk_limits;

typedef struct vk_limit_info {
    const char *setting, *shown, *what;
    vk_unit unit;
    int64_t usual, least, most;
} vk_limit_info;

extern const vk_limit_info vk_limit_infos[VK_LIMITS];
extern const vk_limits vk_limits_usual;

/* Of the descriptors that front may have, databases get so many of these shares at most, clients so many.
 * What both want is the clients': a connection to a database can be closed for another one. */
enum { VK_FILES_SHARES = 8, VK_FILES_DATABASES = 5, VK_FILES_CLIENTS = 6, VK_FILES_OTHERS = 256 };
/* As many let all limits of the table be reached. Started as root, the daemon sees to it that it has them. */
enum { VK_FILES_WANTED = 65536 };

enum { VK_LIMIT_TEXT = 40 };
/* "10 s", "16,384", "5,000/s", "256 B/s"; of a rate 0: "none". */
void vk_limit_text(vk_limit_id id, int64_t value, char out[VK_LIMIT_TEXT]);
/* VK_E_NOT_FOUND: there is no such limit. VK_E_INVALID: the value cannot be; `why` (of `room` bytes) says
 * what can be. */
VK_MUSTCHECK vk_err vk_limit_set(vk_limits *l, vk_str setting, vk_str value, char *why, size_t room);

#endif
