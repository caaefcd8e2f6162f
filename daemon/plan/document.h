/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan as the JSON document of the bus contract: for programs, and for daxdctl to show. */

#include "daemon/plan/plan.h"
#include "daemon/util/json.h"

/*
 * @plan or @refusal may be NULL, not both; @region is the id of the region that it is for. No
 * physical address is in it. Returns 0 or -ENOMEM; *@ret_object is the caller's.
 */
int plan_document(const Plan *plan, uint32_t region, const Failure *refusal,
                  json_object **ret_object);
