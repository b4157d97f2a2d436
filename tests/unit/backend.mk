# SPDX-License-Identifier: MIT
# The supervisor.
check_PROGRAMS += supervisor-fake-worker
supervisor_fake_worker_SOURCES = %D%/supervisor-fake-worker.c
supervisor_fake_worker_LDADD = libhost.a
