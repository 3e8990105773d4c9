/* The part of doctor that asks the listeners, and looks at their certificate. */
#include "cli/doctor.h"

enum { CERTIFICATE_SOON_DAYS = 21 };

static void check_port(vk_doctor *d, const vk_reply *r, const char *listener, const char *name)
{
    vk_reply answer;
    vk_port at;
    char what[48];
    if (!vk_port_find(r, listener, &at)) {
        vk_doctor_say(d, VK_WRONG, listener,
                      "the daemon does not say where it listens: is it of another version? Restart it");
        return;
    }
    snprintf(what, sizeof what, "port %d", at.port);
    vk_err e = vk_port_call(&at, "GET", "/healthz", VK_STR_NONE, VK_STR_NONE, &answer);
    if (e == VK_OK)
        vk_doctor_say(d, VK_FINE, what, "%s answers on %s%s", name, at.host,
                      at.tls ? ", with our certificate" : "");
    else
        vk_doctor_say(d, VK_WRONG, what,
                      "%s does not answer on %s%s: a firewall, or another program; restart `valetkey serve`",
                      name, at.host, at.tls ? " with our certificate" : "");
    if (e == VK_OK)
        vk_reply_free(&answer);
    if (!at.tls && at.network)
        vk_doctor_say(
            d, VK_KNOW, what,
            "%s is on a network without TLS (--allow-plain-network): keys and data can be read on their way",
            name);
}

void vk_doctor_listeners(vk_doctor *d, const vk_reply *r)
{
    check_port(d, r, "console", "console and admin API");
    const vk_json *all = vk_json_get(r->json, VK_STR("services"));
    for (const vk_json *s = vk_reply_items(all); s; s = s->next) {
        const char *name = vk_reply_text(r, s, "name");
        check_port(d, r, name, name);
    }
}

static bool in_list(const char *list, vk_str name)
{
    vk_str rest = vk_str_z(list), one;
    for (bool more = true; more;) {
        more = vk_str_cut(&rest, ',', &one);
        if (!more)
            one = rest;
        while (one.n && one.p[0] == ' ')
            one = (vk_str){one.p + 1, one.n - 1};
        size_t dot = 0;
        while (dot < name.n && name.p[dot] != '.')
            dot++;
        bool wild = one.n > 2 && one.p[0] == '*' && dot < name.n &&
                    vk_str_ieq((vk_str){one.p + 1, one.n - 1}, (vk_str){name.p + dot, name.n - dot});
        if (wild || vk_str_ieq(one, name))
            return true;
    }
    return false;
}

/* An address that apps are given must be one that the certificate covers. */
static void check_url(vk_doctor *d, const char *names, const char *url)
{
    const char *host = strstr(url, "://");
    if (!host || strncmp(url, "http:", 5) == 0 || strncmp(url, "ws:", 3) == 0)
        return;
    host += 3;
    vk_str name =
        host[0] == '[' ? (vk_str){host + 1, strcspn(host + 1, "]")} : (vk_str){host, strcspn(host, ":/")};
    if (!in_list(names, name))
        vk_doctor_say(d, VK_KNOW, "certificate",
                      "does not name " VK_STR_FMT
                      ", which is in the address %s: clients refuse it, unless something in front "
                      "of valetkey has its own",
                      VK_STR_ARG(name), url);
}

void vk_doctor_certificate(vk_doctor *d, const vk_reply *r)
{
    const vk_json *c = vk_json_get(r->json, VK_STR("certificate"));
    int64_t left;
    if (!c || c->type != VK_JSON_OBJECT ||
        vk_json_i64(vk_json_get(c, VK_STR("seconds_left")), &left) != VK_OK)
        return;
    const char *names = vk_reply_text(r, c, "names"), *until = vk_reply_text(r, c, "until");
    const vk_json *own = vk_json_get(c, VK_STR("self_signed"));
    const char *cure = own && own->type == VK_JSON_BOOL && own->u.b
                           ? "SIGHUP to `valetkey serve` makes a new one"
                           : "renew it, then send SIGHUP to `valetkey serve`";
    if (left <= 0)
        vk_doctor_say(d, VK_WRONG, "certificate", "expired %s: clients refuse it; %s", until, cure);
    else if (left < (int64_t)CERTIFICATE_SOON_DAYS * 86400)
        vk_doctor_say(d, VK_KNOW, "certificate", "expires in %lld days (%s): %s", (long long)left / 86400,
                      until, cure);
    else
        vk_doctor_say(d, VK_FINE, "certificate", "%s, for %s, until %s", vk_reply_text(r, c, "key"), names,
                      until);
    const vk_json *all = vk_json_get(r->json, VK_STR("services"));
    for (const vk_json *s = vk_reply_items(all); s; s = s->next) {
        check_url(d, names, vk_reply_text(r, s, "url_sandbox"));
        if (strcmp(vk_reply_text(r, s, "url_sandbox"), vk_reply_text(r, s, "url_browser")) != 0)
            check_url(d, names, vk_reply_text(r, s, "url_browser"));
    }
}
