/* HTML of the hosted pages: text is escaped on its way, and the frame of a page stands once. */
#ifndef VK_PAY_HTML_H
#define VK_PAY_HTML_H

#include "services/payments/call.h"

/* Escaped for text and for attributes in double quotes. */
void vk_html(vk_buf *out, vk_str text);
void vk_html_z(vk_buf *out, const char *text);
/* `fmt` is HTML of ours; each %s in it is escaped (NULL and VK_STR_NONE: empty). Only %s, of `const char *`.
 */
void vk_html_f(vk_buf *out, const char *fmt, ...);
/* An amount for people, escaped. */
void vk_html_amount(vk_buf *out, vk_arena *a, int64_t amount, vk_str currency);

/* A page up to its main part, and from there to its end. `main_class`: "two" columns, "note", "paper". */
void vk_html_begin(vk_buf *out, const char *title, const char *main_class);
void vk_html_end(vk_buf *out);
/* Whose page it is: a name with its first letter in a disk. */
void vk_html_who(vk_buf *out, const char *business);
/* A whole page that says one thing, with a sign: "good", "bad", or "" for neither. `link` may be VK_STR_NONE.
 */
void vk_html_note(vk_buf *out, const char *sign, const char *title, const char *text, vk_str link,
                  const char *link_text);
/* One of a <dl class="facts">: a word and what it is (may be NULL: nothing is written). */
void vk_html_fact(vk_buf *out, const char *what, const char *is);

/* The form of 3-D Secure pages: complete it, or fail. Ids are those of Stripe's own test page. */
void vk_html_choices(vk_buf *out);

#endif
