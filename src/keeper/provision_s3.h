/* What is below a prefix of a bucket at R2 or S3, as steps of provisioning (keeper/provision.h): whether it
 * can be reached, its end with the proof that nothing is left, and how much it is. Shared by provision_r2.c
 * and by the vendor s3, whose steps these are alone. */
#ifndef VK_KEEPER_PROVISION_S3_H
#define VK_KEEPER_PROVISION_S3_H

#include "keeper/provision.h"

enum {
    VK_S3P_PAGE = 200,        /* keys of one listing, and of one deletion at most */
    VK_S3P_UPLOADS = 50,      /* of one listing */
    VK_S3P_DELETE = 60000,    /* bytes of a deletion's document */
    VK_S3P_COUNT_PAGES = 200, /* of `usage`; then it says "partial" */
};

/* Where a build's objects are. */
typedef struct vk_s3p_place {
    vk_str bucket, prefix; /* an empty prefix: all of the bucket */
    vk_err (*order)(vk_order *o, const char **why_r);
} vk_s3p_place;

/* "builds/<id>/<generation>/" in the arena; p NULL: no memory. */
vk_str vk_s3p_prefix(const vk_prov *p);
/* `r` is "method /bucket[rest]"; `rest` begins with "?" or "/", p NULL: no memory. */
VK_MUSTCHECK vk_err vk_s3p_ask(vk_prov_request *r, const vk_prov *p, const vk_s3p_place *at,
                               const char *method, vk_str rest);
/* What a status that is no success means, with what the answer's document says. */
VK_MUSTCHECK vk_err vk_s3p_refused(vk_prov *p, const char *what, int status, const char **why_r);
/* The answer's document says that there is no such bucket. */
bool vk_s3p_no_bucket(vk_prov *p, int status);

/* One listing of one key. */
VK_MUSTCHECK vk_err vk_s3p_ask_look(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r);

/* All uploads and all objects of the place; p->carry is theirs. `took` is VK_AGAIN (with p->soon) until a
 * listing of both found nothing, or the bucket is not there: then VK_OK. A key that is outside of the prefix
 * is never deleted: VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_s3p_ask_empty(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r);
VK_MUSTCHECK vk_err vk_s3p_took_empty(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r);

/* Bytes and objects by vk_prov_use, from as many listings as there are, VK_S3P_COUNT_PAGES at most. */
VK_MUSTCHECK vk_err vk_s3p_ask_count(vk_prov *p, const vk_s3p_place *at, vk_prov_request *r);
VK_MUSTCHECK vk_err vk_s3p_took_count(vk_prov *p, const vk_s3p_place *at, int status, const char **why_r);

extern const vk_provisioner vk_prov_s3;
/* In vendor_s3.c: as vk_r2_order_org (keeper/vendor_r2.h). */
VK_MUSTCHECK vk_err vk_s3_order_own(vk_order *o, const char **why_r);

#endif
