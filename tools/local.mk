# SPDX-License-Identifier: MIT
include tools/vbdctl.mk
