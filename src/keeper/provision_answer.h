/* What vendors' drivers have in common in judging answers (keeper/provision.h): nothing that a vendor says is
 * believed further than it must be, and nothing of it chooses where else a secret goes. Pure, but for the
 * job's arena. */
#ifndef VK_KEEPER_PROVISION_ANSWER_H
#define VK_KEEPER_PROVISION_ANSWER_H

#include "keeper/provision.h"

/* The end of a step whose request was refused, by HTTP's own meaning: 401 and 403 VK_E_FORBIDDEN, 402
 * VK_E_FULL, 404 and 410 VK_E_NOT_FOUND, 409 VK_E_CONFLICT, 423 VK_AGAIN, anything else VK_E_INVALID; with
 * what the vendor says in `member` (vk_prov_said). `what` is the beginning of a sentence: "Creating the
 * database". */
VK_MUSTCHECK vk_err vk_prov_refused(vk_prov *p, const char *what, int status, const vk_json *body,
                                    const char *member, const char **why_r);
/* Whether an answer may send us, and a build's credential with us, to that host. The organisation's own entry
 * decides: where its API is a stand-in on loopback ("http://…" as api_base), this machine's ports; else a
 * public name, neither an address nor loopback, with no port. `host`: "host[:port]". */
bool vk_prov_host_ok(const vk_prov *p, vk_str host);
/* A text member, at most `most` bytes of visible ASCII; VK_STR_NONE when it is anything else. */
vk_str vk_prov_text(const vk_json *o, const char *member, size_t most);
/* Not below zero; -1: there is none. */
int64_t vk_prov_number(const vk_json *o, const char *member);
/* "512mb", "2gb", also without a unit, which are bytes: of an organisation's field. 0: it is none. */
int64_t vk_prov_size(vk_str value);
/* For vk_vendor_field.ok. */
bool vk_prov_size_ok(vk_str value, const char **why_r);
/* A value of the organisation's that is no secret; empty when it was not entered. */
vk_str vk_prov_org(const vk_prov *p, const char *field);
/* The request, with a body of JSON (empty: none). VK_E_NOMEM when one of them could not be made. */
VK_MUSTCHECK vk_err vk_prov_asks(vk_prov_request *r, const char *method, vk_str path, vk_str json);

#endif
