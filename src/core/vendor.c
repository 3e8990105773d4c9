#include "core/vendor.h"

bool vk_vendor_role;

vk_str vk_vendor_lines(vk_str lines)
{
    static const vk_str mark = VK_STR("Valetkey-Served-By: embedded\r\n");
    if (vk_vendor_role && vk_str_starts(lines, mark))
        return (vk_str){lines.p + mark.n, lines.n - mark.n};
    return lines;
}
