/* The picture of a user who has none: initials on a colour, as SVG. The address says all that is in it
 * (/picture/<colour>-<character>[-<character>].svg, in hex), so it is answered without a look-up, tells
 * nothing that the user's name does not, and another name is another address: browsers may keep it. */
#ifndef VK_AUTH_PICTURE_H
#define VK_AUTH_PICTURE_H

#include "http/exchange.h"

enum { VK_AUTH_PICTURE_COLOURS = 12, VK_AUTH_PICTURE_CHARS = 2 };

typedef struct vk_auth_picture {
    unsigned colour; /* below VK_AUTH_PICTURE_COLOURS */
    uint32_t chars[VK_AUTH_PICTURE_CHARS];
    size_t n; /* of them; 0: the outline of a person */
} vk_auth_picture;

/* Of a user: the first letters of the names, else that of the address; the colour follows from the id. Names
 * may be empty or any bytes. Pure. */
vk_auth_picture vk_auth_picture_of(vk_str id, vk_str first_name, vk_str last_name, vk_str email);
/* Appends "<base>/picture/7-41-4c.svg". `base`: the build's address as browsers see it
 * ("http://host/b/demo"). */
void vk_auth_picture_url(const vk_auth_picture *p, vk_str base, vk_buf *out);
/* A path below a build. False: it is no picture's, or one of characters that have no place in a picture. */
bool vk_auth_picture_match(vk_str path, vk_auth_picture *out_r);
/* Appends the SVG: fixed text and characters by their number. Pure. */
void vk_auth_picture_write(const vk_auth_picture *p, vk_buf *out);
/* Answers with it; 405 when it is neither GET nor HEAD. */
void vk_auth_picture_answer(const vk_auth_picture *p, vk_exchange *ex);

#endif
