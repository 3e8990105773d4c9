#include "services/auth/agent.h"

/* The first that is found decides: each of these also names those below it. */
static const struct {
    const char *token, *name;
} browsers[] = {
    {"Edg/", "Edge"},
    {"EdgA/", "Edge"},
    {"EdgiOS/", "Edge"},
    {"OPR/", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"Vivaldi/", "Vivaldi"},
    {"FxiOS/", "Firefox"},
    {"Firefox/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"HeadlessChrome/", "Chrome"},
    {"Chromium/", "Chromium"},
    {"Chrome/", "Chrome"},
    {"Version/", "Safari"}, /* with "Safari/" behind it */
};

static const struct {
    const char *token, *name;
    bool mobile;
} devices[] = {
    {"iPhone", "iPhone", true},    {"iPad", "iPad", true},        {"Android", "Android", true},
    {"CrOS", "Chromebook", false}, {"Windows", "Windows", false}, {"Macintosh", "Macintosh", false},
    {"Linux", "Linux", false},
};

static const char *find(vk_str in, const char *what)
{
    return memmem(in.p, in.n, what, strlen(what));
}

vk_auth_agent vk_auth_agent_read(vk_str user_agent)
{
    vk_auth_agent a = {0};
    if (!user_agent.n)
        return a;
    for (size_t i = 0; i < VK_COUNT(browsers) && !a.browser; i++) {
        const char *at = find(user_agent, browsers[i].token);
        if (!at || (vk_str_eqz(vk_str_z(browsers[i].name), "Safari") && !find(user_agent, "Safari/")))
            continue;
        a.browser = browsers[i].name;
        at += strlen(browsers[i].token);
        const char *end = user_agent.p + user_agent.n;
        size_t n = 0;
        while (at + n < end && at[n] >= '0' && at[n] <= '9')
            n++;
        if (n <= VK_AUTH_AGENT_VERSION_MAX)
            a.version = (vk_str){at, n};
    }
    for (size_t i = 0; i < VK_COUNT(devices) && !a.device; i++) {
        if (find(user_agent, devices[i].token)) {
            a.device = devices[i].name;
            a.mobile = devices[i].mobile;
        }
    }
    return a;
}
