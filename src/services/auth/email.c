#include "services/auth/email.h"

enum { LABEL_MAX = 63 };

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static bool local_is(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.' ? i == 0 || i + 1 == s.n || s.p[i - 1] == '.'
                     : c == '\0' || (!alnum(c) && !strchr("!#$%&'*+-/=?^_`{|}~", c)))
            return false;
    }
    return s.n > 0 && s.n <= VK_AUTH_LOCAL_MAX;
}

static bool domain_is(vk_str s)
{
    size_t label = 0, labels = 0;
    bool letter = false;
    for (size_t i = 0; i <= s.n; i++) {
        if (i == s.n || s.p[i] == '.') {
            if (label == 0 || label > LABEL_MAX || s.p[i - label] == '-' || s.p[i - 1] == '-')
                return false;
            labels++;
            if (i < s.n)
                letter = false;
            label = 0;
        } else if (alnum(s.p[i]) || s.p[i] == '-') {
            letter = letter || s.p[i] > '9';
            label++;
        } else {
            return false;
        }
    }
    return labels >= 2 && letter; /* of the last label */
}

vk_err vk_auth_email(vk_str text, char out[VK_AUTH_EMAIL_MAX + 1])
{
    char lower[VK_AUTH_EMAIL_MAX + 1];
    text = vk_str_trim(text);
    if (text.n == 0 || text.n > VK_AUTH_EMAIL_MAX)
        return VK_E_INVALID;
    for (size_t i = 0; i < text.n; i++)
        lower[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 0x20) : text.p[i];
    lower[text.n] = '\0';
    vk_str domain = {lower, text.n}, local;
    if (!vk_str_cut(&domain, '@', &local) || !local_is(local) || !domain_is(domain))
        return VK_E_INVALID;
    memcpy(out, lower, text.n + 1);
    return VK_OK;
}

bool vk_auth_email_is_test(vk_str email)
{
    static const vk_str tag = {"+clerk_test", 11};
    vk_str rest = email, local;
    return vk_str_cut(&rest, '@', &local) && local.n >= tag.n &&
           vk_str_ieq((vk_str){local.p + local.n - tag.n, tag.n}, tag);
}
