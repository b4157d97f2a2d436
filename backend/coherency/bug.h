/* SPDX-License-Identifier: MIT
 * BUG(NAME): whether the tests have switched that bug on. Constant 0, so that
 * nothing of it is left, in the library that is shipped. */
#ifndef VBDD_COHERENCY_BUG_H
#define VBDD_COHERENCY_BUG_H

#ifdef COHERENCY_BUGS
#include "backend/coherency/coherency.h"
extern enum coherency_bug coherency_bug;
#define BUG(name) (coherency_bug == COHERENCY_BUG_##name)
#else
#define BUG(name) 0
#endif

#endif
