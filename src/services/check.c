/* Whether services can be together in one program. */
#include "valetkey/service.h"

#include <stdarg.h>

enum { CRC = 6 };

static vk_err say(char *why, size_t room, const char *fmt, ...) VK_PRINTF(3, 4);
static vk_err say(char *why, size_t room, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, room, fmt, ap);
    va_end(ap);
    return VK_E_CONFLICT;
}

/* It is part of paths, settings, metrics and rows of the metadata. */
static bool name_ok(const char *name)
{
    size_t n = 0;
    for (; name && name[n] && n <= VK_SERVICE_MAX; n++) {
        char c = name[n];
        if (!((c >= 'a' && c <= 'z') || (n && ((c >= '0' && c <= '9') || c == '_'))))
            return false;
    }
    return n > 0 && n <= VK_SERVICE_MAX && strcmp(name, "console") != 0;
}

/* What it must have: those who call these do not ask whether they are there. */
static const char *missing(const vk_service *s)
{
    return !s->vendor                     ? "vendor"
           : !s->driver                   ? "driver"
           : !s->kinds || !s->kinds->kind ? "kinds"
           : !s->handler                  ? "handler"
           : !s->handler->head            ? "handler->head"
           : !s->handler->request         ? "handler->request"
           : !s->handler->refuse          ? "handler->refuse"
           : !s->env                      ? "env"
           : !s->close_build              ? "close_build"
                                          : NULL;
}

static bool form_ok(const vk_valet_kind *k)
{
    size_t n = k->prefix ? strlen(k->prefix) : 0;
    return k->hex ? n == 0 && k->hex % 2 == 0 && k->hex <= VK_VALET_HEX_MAX
                  : n > 0 && n + VK_VALET_BODY + CRC < VK_VALET_MAX;
}

/* All hex digits, as the key of another form is. */
static bool is_hex(const char *s)
{
    return s[strspn(s, "0123456789abcdef")] == '\0';
}

/* A text that is shown as one of them could have the form of the other. */
static bool alike(const vk_valet_kind *a, const vk_valet_kind *b)
{
    if (a->unsent || b->unsent)
        return false;
    if (a->hex && b->hex)
        return a->hex == b->hex;
    if (!a->hex && !b->hex)
        return strcmp(a->prefix, b->prefix) == 0;
    const vk_valet_kind *hex = a->hex ? a : b, *token = a->hex ? b : a;
    return is_hex(token->prefix) && hex->hex == strlen(token->prefix) + VK_VALET_BODY + CRC;
}

static vk_err check_kinds(const vk_service *const *s, size_t n, size_t i, char *why, size_t room)
{
    for (const vk_valet_kind *k = s[i]->kinds; k->kind; k++) {
        if (!form_ok(k))
            return say(
                why, room,
                "The kind '%c' of keys of the service \"%s\" has a form that no key has (valet/valet.h).",
                k->kind, s[i]->name);
        for (size_t j = i; j < n; j++)
            for (const vk_valet_kind *o = j == i ? k + 1 : s[j]->kinds; o->kind; o++) {
                if (j == i && o->kind == k->kind)
                    return say(
                        why, room,
                        "The service \"%s\" has two kinds of keys '%c'; each needs a letter of its own.",
                        s[i]->name, k->kind);
                if (alike(k, o))
                    return say(why, room,
                               "Keys of kind '%c' of the service \"%s\" look like those of kind '%c' of "
                               "\"%s\"; give "
                               "one of them another prefix.",
                               k->kind, s[i]->name, o->kind, s[j]->name);
            }
    }
    return VK_OK;
}

vk_err vk_services_check(const vk_service *const *s, size_t n, char *why, size_t room)
{
    if (n > VK_SERVICES_MAX)
        return say(why, room,
                   "%zu services are linked into this program, and %d is the most: raise VK_SERVICES_MAX.", n,
                   VK_SERVICES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!name_ok(s[i]->name))
            return say(why, room,
                       "\"%.40s\" is no name for a service: it has 1 to %d characters, a-z, 0-9 and _, "
                       "begins with a "
                       "letter, and is not \"console\".",
                       s[i]->name ? s[i]->name : "", VK_SERVICE_MAX);
        const char *none = missing(s[i]);
        if (none)
            return say(why, room, "The service \"%s\" has no %s, which it must have (service.h).", s[i]->name,
                       none);
        if (s[i]->port_offset < 1 || s[i]->port_offset > VK_PORT_OFFSET_MAX)
            return say(why, room, "The service \"%s\" has the port offset %d; it must be from 1 to %d.",
                       s[i]->name, s[i]->port_offset, VK_PORT_OFFSET_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (strcmp(s[i]->name, s[j]->name) == 0)
                return say(why, room, "Two services are named \"%s\"; each needs a name of its own.",
                           s[i]->name);
            if (s[i]->port_offset == s[j]->port_offset)
                return say(why, room,
                           "The services \"%s\" and \"%s\" both have the port offset %d; each needs its own.",
                           s[i]->name, s[j]->name, s[i]->port_offset);
        }
        vk_err e = check_kinds(s, n, i, why, room);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}
