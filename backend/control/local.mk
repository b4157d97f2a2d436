# SPDX-License-Identifier: MIT
# What supervisor and worker say to each other.
noinst_HEADERS = %D%/message.h %D%/hold.h %D%/key.h
