/* SPDX-License-Identifier: MIT
 * vbdctl's two halves: asking (vbdctl.c) and showing (vbdctl-print.c). */
#ifndef VBDD_VBDCTL_H
#define VBDD_VBDCTL_H

#include <jansson.h>

/* Shows the reply to a command for people, on standard output. Commands that
 * have nothing to show show nothing. */
void print_reply(const char *command, const json_t *reply);

#endif
