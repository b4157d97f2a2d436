# SPDX-License-Identifier: MIT
# The programs for people.
include tools/stamp.mk
include tools/vbdctl.mk
include tools/vbdfront.mk
include tools/int13/local.mk
include tools/dd-verify/local.mk
include tools/vbdverify.mk
include tools/completion/local.mk
