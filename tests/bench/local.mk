# SPDX-License-Identifier: MIT
# Figures, printed and never asserted: run by hand.
BENCHES = %D%/nbd-against-others.sh %D%/ide-against-others.sh
EXTRA_DIST += $(BENCHES) %D%/lib.sh

bench-nbd: all
	for bench in $(BENCHES); do \
	  top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	    $(srcdir)/$$bench || exit; \
	done
.PHONY: bench-nbd
