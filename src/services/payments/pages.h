/* Hosted pages: what people see. The endpoints are in resources/pages.c; each handler writes HTML into
 * ex->out, or sets c->to. A page of a session whose form leads on has the app's origin in its policy
 * (c->form_action): the browser looks at the redirect, too. */
#ifndef VK_PAY_PAGES_H
#define VK_PAY_PAGES_H

#include "services/payments/call.h"
#include "services/payments/resources/runs.h"

#endif
