/* What every file of valetkey starts from: fixed-width types, views, the error kinds, compiler contracts. */
#ifndef VK_BASE_H
#define VK_BASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/banned.h"

#define VK_MUSTCHECK __attribute__((warn_unused_result))
#define VK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define VK_UNUSED(x) ((void)(x))
#define VK_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VK_LIKELY(x) __builtin_expect(!!(x), 1)
#define VK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define VK_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Why a call failed, as a kind. Detail for people goes into a text beside it (error_r, vk_fail). Services map
 * a kind to their vendor's wire format; vk_err_status gives the plain HTTP status. */
typedef enum vk_err {
    VK_OK = 0,
    VK_AGAIN,           /* not an error: come back when more input, room or a lock is there */
    VK_E_INVALID,       /* input that cannot be accepted: 400 */
    VK_E_UNAUTHORIZED,  /* no credential, or one we do not know: 401 */
    VK_E_EXPIRED,       /* a credential that was good once: 401 */
    VK_E_FORBIDDEN,     /* known, but not allowed: 403 */
    VK_E_NOT_FOUND,     /* 404 */
    VK_E_METHOD,        /* 405 */
    VK_E_CONFLICT,      /* 409 */
    VK_E_TOO_LARGE,     /* a named limit was passed: 413 */
    VK_E_MISDIRECTED,   /* a Host that is not ours: 421 */
    VK_E_UNPROCESSABLE, /* well-formed, but contradicts an earlier request: 422 */
    VK_E_BUSY,          /* a bounded queue is full: 429 */
    VK_E_UNSUPPORTED,   /* a vendor feature that valetkey does not have: 501 */
    VK_E_UNAVAILABLE,   /* a part of us is not there now: 503 */
    VK_E_TIMEOUT,       /* 504 */
    VK_E_IO,            /* disk or socket: 500 */
    VK_E_FULL,          /* disk or quota full: 507 */
    VK_E_NOMEM,         /* an allocation or an arena cap: 503 */
    VK_E_CORRUPT,       /* stored data that fails its own check: 500 */
    VK_E_NEWER,         /* stored data written by a newer valetkey */
    VK_E_INTERNAL,      /* 500 */
} vk_err;

/* The plain HTTP status for a kind (200 for VK_OK). */
int vk_err_status(vk_err e);
/* A short stable name, "not_found"; used in JSON errors and logs. */
const char *vk_err_name(vk_err e);

/* A view of bytes: not owned, not NUL-terminated. */
typedef struct vk_str {
    const char *p;
    size_t n;
} vk_str;

#define VK_STR(lit) ((vk_str){("" lit), sizeof(lit) - 1})
#define VK_STR_NONE ((vk_str){NULL, 0})
#define VK_STR_FMT "%.*s"
#define VK_STR_ARG(s) (int)(s).n, (s).p

static inline vk_str vk_str_z(const char *z)
{
    return (vk_str){z, z ? strlen(z) : 0};
}
static inline bool vk_str_eq(vk_str a, vk_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool vk_str_eqz(vk_str a, const char *z)
{
    return vk_str_eq(a, vk_str_z(z));
}
static inline bool vk_str_starts(vk_str a, vk_str prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}
/* ASCII case-insensitive equality (header names, schemes). Not for secrets. */
bool vk_str_ieq(vk_str a, vk_str b);
/* Without the blanks and tabs at both ends: OWS of RFC 9110 §5.6.3. */
vk_str vk_str_trim(vk_str s);
/* Cuts `s` at the first `sep`: the part before goes to *head_r, `s` keeps the rest. False when `sep` is
 * absent. */
bool vk_str_cut(vk_str *s, char sep, vk_str *head_r);
/* Decimal, optional sign, no blanks, whole view. */
VK_MUSTCHECK vk_err vk_str_to_i64(vk_str s, int64_t *out_r);
/* Equality in time that depends on the lengths only. For secrets. */
bool vk_str_eq_secret(vk_str a, vk_str b);
/* Overwrites memory in a way the compiler keeps. */
void vk_wipe(void *p, size_t n);

#endif
