/* What is at vendors where two things may have the same name (Clerk's applications, Stripe's accounts). Ours
 * have a name that nobody else chooses, so they are found by it: what a create of which nothing is known may
 * have left behind is adopted; what it left behind twice, or later than anybody waited, is deleted again.
 * Only what has exactly our name, or the id in the ledger (note "id"), is ever deleted.
 *
 * A vendor's driver is a table (vk_prov_kind) and steps that lead here. */
#ifndef VK_KEEPER_PROVISION_NAMED_H
#define VK_KEEPER_PROVISION_NAMED_H

#include "keeper/provision_answer.h"

enum {
    VK_NAMED_ID_MAX = 64,
    VK_NAMED_PAGES = 2000, /* of one look; more cannot be */
    VK_NAMED_PAGE = 50,    /* things of one page: an account of Stripe's has some 8 KiB */
};

typedef struct vk_prov_kind {
    const char *one;   /* "the application" */
    const char *many;  /* "the applications" */
    const char *path;  /* of all of them; one is below it */
    const char *query; /* of one with all that is wanted: "?include_secret_keys=true", or "" */
    const char *id;    /* member of it */
    const char *head;  /* how ids begin: "app_" */
    const char *error; /* where an error's sentence is: "errors.0.message" */
    bool pages; /* a list comes in pages, {"data":[…],"has_more":…}, the newest first; else it is an array,
                   and whole */
    vk_str (*name)(const vk_json *one);
    vk_str (*created)(vk_prov *p, const vk_json *one); /* for people; NULL: it is not known */
    /* Composes the create. */
    vk_err (*create)(vk_prov *p, vk_prov_request *r, const char **why_r);
    /* NULL: by HTTP's meaning (vk_prov_refused). */
    vk_err (*refused)(vk_prov *p, int status, const vk_json *body, const char **why_r);
    /* Whether that answer to a question for one means that there is none. */
    bool (*gone)(int status, const vk_json *body);
} vk_prov_kind;

/* Notes "id". Where it is not known what came of an earlier try, it is looked for first; when it is not there
 * then, "unsure" is noted: an earlier request may still come to something. */
vk_err vk_named_ask_create(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r);
vk_err vk_named_took_create(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                            const char **why_r);
/* Deletes all of our name, except the one with the note "id" when `keep`; ends when none is left. */
vk_err vk_named_ask_others(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r);
vk_err vk_named_took_others(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body, bool keep,
                            const char **why_r);
bool vk_named_unsure(const vk_prov *p);
bool vk_named_known(const vk_prov *p);
/* The one with the note "id". *one_r: it, when it is ours. */
vk_err vk_named_ask_one(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r);
VK_MUSTCHECK vk_err vk_named_took_one(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                                      const char **why_r);
vk_err vk_named_ask_delete(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r);
vk_err vk_named_took_delete(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                            const char **why_r);
/* Asks for it once more: the end is proven when it is not there. */
vk_err vk_named_took_gone(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                          const char **why_r);
/* All that lie there, for the sweep. */
vk_err vk_named_ask_list(const vk_prov_kind *k, vk_prov *p, vk_prov_request *r, const char **why_r);
vk_err vk_named_took_list(const vk_prov_kind *k, vk_prov *p, int status, const vk_json *body,
                          const char **why_r);

#endif
