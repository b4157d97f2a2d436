#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: includes point down (law 1 of the design), and the cores that must run
# in a guest include no libc. Source: docs/ARCHITECTURE.md. Mechanism: every
# #include line of every source against the rule of its folder. Includes are
# written from the top of the tree; one that is not is found, too.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

# What a folder may include, as shell patterns.
may_include() { # FOLDER INCLUDE
    case $1:$2 in
    tests*:* | tools*:*) ;;
    *:'<common/'* | *:'<frontend/'* | *:'<backend/'*) false ;;
    backend/platform:'<xenctrl.h>') ;; # its ABI is each Xen release's own
    *:'<xenctrl.h>') false ;;
    common/blkif:'"common/blkif/'*) ;;
    common/blkif:'<'* | frontend:'<'*) is_freestanding "$2" ;;
    common/blkif:*) false ;;
    common*:'"common/'*) ;;
    frontend:'"common/blkif/'*) ;;
    frontend:'"frontend/port-'*) false ;;
    frontend:'"frontend/'*) ;;
    frontend:*) false ;;
    frontend/port-*:'"common/'* | frontend/port-*:'"frontend/port.h"') ;;
    frontend/port-*:'"frontend/vbdfront.h"') ;;
    frontend/port-*:'"frontend/unplug.h"') ;;
    frontend/port-*:'"frontend/pages.h"') ;;
    frontend/port-*:"\"$1/"*) ;;
    frontend/port-hvm/example:'"frontend/port-hvm/port-hvm.h"') ;;
    backend/engine*:'"common/'* | backend/engine*:'"backend/engine/'*) ;;
    backend/coherency*:'"common/'*) ;;
    backend/coherency*:'"backend/coherency/'*) ;;
    backend/coherency*:'"backend/engine/engine.h"') ;;
    backend/engine*:'"backend/'* | backend/coherency*:'"backend/'*) false ;;
    backend*:'"common/'* | backend*:'"backend/'*) ;;
    *:'"config.h"' | *:'<'*) ;;
    *) false ;;
    esac
}

is_freestanding() {
    case $1 in
    '<xen/'* | '<stdarg.h>' | '<stdbool.h>' | '<stddef.h>' | '<stdint.h>') ;;
    *) false ;;
    esac
}

check_includes() { # ROOT
    sources "$1" .c .h | while read -r file; do
        sed -n 's/^[ 	]*#[ 	]*include[ 	]*\(["<][^">]*[">]\).*/\1/p' \
            "$1/$file" | while read -r include; do
            may_include "$(dirname "$file")" "$include" ||
                echo "$file must not include $include"
        done
    done
}

ok "includes point down" check_includes "$top_srcdir"

bad common/blkif/a.c <<'END'
#include <stddef.h>
#include <string.h>
# include "backend/engine/engine.h"
#include "common/host/log.h"
#include "abi.h"
END
bad common/local/a.c <<'END'
#include <string.h>
#include "common/host/log.h"
#include "frontend/port.h"
END
bad frontend/a.c <<'END'
#include <stdint.h>
#include <stdio.h>
#include "common/host/log.h"
#include "frontend/port-local/port-local.h"
#include "backend/engine/engine.h"
END
bad frontend/port-local/a.c <<'END'
#include <stdio.h>
#include "common/local/local.h"
#include "frontend/port-hvm/hvm.h"
END
bad backend/engine/a.h <<'END'
#include "backend/engine/engine.h"
#include "backend/coherency/coherency.h"
END
bad backend/coherency/a.c <<'END'
	#include "backend/engine/engine.h"
#include "backend/engine/aio.h"
#include "backend/disk/loop.h"
END
bad backend/disk/a.c <<'END'
#include "backend/coherency/coherency.h"
#include <frontend/port.h>
#include "frontend/vbdfront.h"
#include <xenctrl.h>
END
bad backend/platform/a.c <<'END'
#include <xenctrl.h>
END
bad tests/unit/a.c <<'END'
#include "frontend/vbdfront.h"
#include "backend/coherency/coherency.h"
END
finds "every kind of include that points up is found" \
'backend/coherency/a.c must not include "backend/engine/aio.h"
backend/coherency/a.c must not include "backend/disk/loop.h"
backend/disk/a.c must not include <frontend/port.h>
backend/disk/a.c must not include "frontend/vbdfront.h"
backend/disk/a.c must not include <xenctrl.h>
backend/engine/a.h must not include "backend/coherency/coherency.h"
common/blkif/a.c must not include <string.h>
common/blkif/a.c must not include "backend/engine/engine.h"
common/blkif/a.c must not include "common/host/log.h"
common/blkif/a.c must not include "abi.h"
common/local/a.c must not include "frontend/port.h"
frontend/a.c must not include <stdio.h>
frontend/a.c must not include "common/host/log.h"
frontend/a.c must not include "frontend/port-local/port-local.h"
frontend/a.c must not include "backend/engine/engine.h"
frontend/port-local/a.c must not include "frontend/port-hvm/hvm.h"' \
    check_includes "$scratch/bad"
done_testing
