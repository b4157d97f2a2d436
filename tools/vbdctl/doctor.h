/* SPDX-License-Identifier: MIT
 * `vbdctl doctor`: what is known of a target (doctor.c), who has it in use
 * (doctor_holders.c), what vbdd says of it (doctor_vbdd.c), whether it can be
 * attached (doctor_verdict.c); all of it one JSON object, shown as that or
 * for people (doctor_print.c). What is not known is null there. */
#ifndef VBDD_VBDCTL_DOCTOR_H
#define VBDD_VBDCTL_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/storage/blockdev.h"

enum { REASON_BYTES = 512 };

struct examination {
    const char *socket;
    const char *target; /* absolute */
    struct blockdev device;
    char key[64];       /* as backend/control/key.h has it */
    pid_t ourselves[4]; /* this program, and if vbdd has the target vbdd and
                           the worker; zero-terminated */
    /* Why it cannot be attached to write, or not at all; "": it can. */
    char not_to_write[REASON_BYTES], not_at_all[REASON_BYTES];
    json_t *report;
};

/* The first reason counts. is_for_all: a read-only disk cannot be either. */
void forbid(struct examination *examination, bool is_for_all,
            const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Each adds its part to the report. */
void doctor_ask_vbdd(struct examination *examination);
void doctor_find_holders(struct examination *examination);
void doctor_judge(struct examination *examination);

void print_doctor(const json_t *report);

#endif
