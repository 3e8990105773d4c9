/* Stands in for what is not written yet, so that the rest links; each function goes from here when its unit
 * comes. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "services/payments/assets.h"
#include "services/payments/call.h"
#include "services/payments/form.h"
#include "services/payments/hooks.h"
#include "services/payments/resources/runs.h"

#define W __attribute__((weak))

