# SPDX-License-Identifier: MIT
# Runs as it stands; copied so that all programs lie beside each other.
bin_SCRIPTS += vbdd-dd-verify
EXTRA_DIST += %D%/vbdd-dd-verify
CLEANFILES += vbdd-dd-verify
vbdd-dd-verify: %D%/vbdd-dd-verify
	$(AM_V_GEN)cp $(srcdir)/%D%/vbdd-dd-verify $@ && chmod +x $@
