# SPDX-License-Identifier: MIT
include tools/vbdfront.mk
