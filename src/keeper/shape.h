/* What the values of an organisation's keys look like: the checks that the fields of a vendor (vendors.h)
 * are made of. They refuse what cannot be one and say what it is instead, so that a key that was pasted into
 * the wrong field, a live key or a valet key never gets into the vault. Pure; no sentence holds any part of
 * the value. Whether a key works is the vendor's to say (`keys check`). */
#ifndef VK_KEEPER_SHAPE_H
#define VK_KEEPER_SHAPE_H

#include "core/base.h"

/* A value that is something else, told by how it begins. */
typedef struct vk_shape_other {
    const char *prefix; /* NULL ends */
    const char *why;    /* a sentence; NULL: it is none of those that follow */
    uint16_t n;         /* only of so many bytes; 0: of any */
} vk_shape_other;

typedef struct vk_shape {
    const vk_shape_other *others; /* looked at first: what this field is often mistaken for; NULL: nothing */
    const char *const *prefixes;  /* one of them; NULL ends; NULL: any */
    const char *also;             /* characters besides A-Z, a-z, 0-9 */
    uint16_t least, most;         /* bytes, the prefix among them */
    bool hex;                     /* lower-case hex digits only */
    const char *why;              /* for what does not fit */
} vk_shape;

/* Besides what `s` says, refuses what no field takes: nothing, blanks and control characters, quotes around
 * it, a whole line of an environment file, a valet key (by its checksum), keys and ids of other vendors. */
bool vk_shape_ok(vk_str value, const vk_shape *s, const char **why_r);
/* Only what no field takes. */
bool vk_shape_plain_ok(vk_str value, const char **why_r);
/* A valet key of any service that has tokens: ends in the checksum of what stands before it
 * (valet/valet.h). Access keys of storage are bare hex digits and cannot be told. */
bool vk_shape_is_valet(vk_str value);
/* "host" or "host:port": a name, an IPv4 address as four numbers, or an IPv6 address in brackets. With
 * `loopback_r` whether it is this machine: localhost, 127.0.0.0/8, ::1. */
bool vk_shape_host_ok(vk_str host, bool *loopback_r);

/* The name of a bucket, as S3 and R2 have them. */
bool vk_shape_bucket_ok(vk_str value, const char **why_r);

#endif
