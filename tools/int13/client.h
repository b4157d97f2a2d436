/* SPDX-License-Identifier: MIT
 * Who tells the int13 agent what to do, over the unix socket that QEMU's
 * serial line is. Blocking; 0 or -errno: ETIMEDOUT when nothing has come for
 * AGENT_TIMEOUT_S, EPROTO when what came is no answer to what was asked. */
#ifndef VBDD_INT13_CLIENT_H
#define VBDD_INT13_CLIENT_H

#include "tools/int13/agent.h"
#include "tools/stamp/stamp.h"

/* Emulation is slow, and machines are busy. */
enum { AGENT_TIMEOUT_S = 120 };

/* The descriptor, or -errno. A socket that is not there yet is waited for. */
int agent_connect(const char *path);
/* Once, by who has connected before the machine began to run. */
int agent_wait_hello(int fd);
/* stamps: what is sent or has come; room for command->count of them, for one
 * with MAILBOX and INFO; not looked at for others. The answer's status is the
 * caller's to judge. */
int agent_call(int fd, const struct agent_command *command,
               uint8_t (*stamps)[STAMP_BYTES], struct agent_answer *answer);

#endif
