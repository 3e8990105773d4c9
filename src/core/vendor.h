/* The vendor role, for tests of key replacement: a second daemon that plays the vendors. With `valetkey serve
 * --vendor-role` keys have the vendors' shapes and nothing that tells them as ours, and answers do not say
 * who serves them; all else is the daemon as it is. Compiled only with -Dtest_vendor=true: the program that
 * is released has neither the option nor anything of this (tests/handover looks). */
#ifndef VK_VENDOR_H
#define VK_VENDOR_H

#ifdef VK_TEST_VENDOR
#include "core/base.h"

/* Set once, when the settings are read, before any process or thread is made. */
extern bool vk_vendor_role;

/* Header lines as they are sent: in the vendor role without the one that says who serves them. `lines` is a
 * literal, the result a part of it. */
vk_str vk_vendor_lines(vk_str lines);
#endif

#endif
