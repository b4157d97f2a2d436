#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: the protocol and the front end's core run where there is no libc: all
# they need of it are memcpy, memmove, memset and memcmp, which a compiler may
# always ask for. Source: ARCHITECTURE.md "freestanding". Mechanism: each file is
# compiled -ffreestanding -nostdinc with nothing but the compiler's own headers
# and Xen's in sight, for this machine, for 32 bits and for Arm; nm says what
# they leave undefined between them, and so does the log.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

# Xen's headers are often in /usr/include, among libc's: so a folder that has
# them alone.
xen=$(echo '#include <xen/errno.h>' | $CC -E - 2>/dev/null |
    sed -n 's|^# 1 "\(.*\)/errno.h".*|\1|p' | head -n 1)
[ -d "$xen" ] || { echo "Bail out! cannot find Xen's headers"; exit 99; }
mkdir "$scratch/include"
ln -s "$xen" "$scratch/include/xen"

nm="nm"
command -v llvm-nm >/dev/null && nm=llvm-nm # knows every target

# Compiles the core of ROOT with COMPILER...; prints errors, and symbols that
# nobody defines.
check_core() { # ROOT COMPILER...
    root=$1
    shift
    rm -rf "$scratch/objects"
    mkdir "$scratch/objects"
    for file in "$root"/common/blkif/*.c "$root"/frontend/*.c; do
        [ -e "$file" ] || continue # no front end yet
        object=$scratch/objects/$(echo "${file#"$root/"}" | tr / _).o
        "$@" -std=gnu11 -O2 -Wall -Wextra -ffreestanding -nostdinc \
            -isystem "$("$@" -print-file-name=include)" \
            -isystem "$scratch/include" -I "$root" \
            -fno-pie -fno-stack-protector -c "$file" -o "$object"
    done
    (cd "$scratch/objects" && "$nm" ./*.o) | awk '
        NF == 2 && $1 == "U" { undefined[$2] = 1 }
        NF == 3 { defined[$3] = 1 }
        END {
            for (symbol in undefined)
                if (!(symbol in defined))
                    print symbol
        }' | LC_ALL=C sort >"$scratch/needed"
    grep -vxE 'mem(cpy|move|set|cmp)' "$scratch/needed" |
        sed 's/$/ is not defined/'
}

# The same of ours, and a line for the log of what it needs.
check_our_core() { # COMPILER...
    check_core "$top_srcdir" "$@"
    echo "$* leaves undefined: $(paste -sd ' ' "$scratch/needed")" \
        >>"$scratch/log"
}

# The numbers of tests/unit/blkif-layout.h, which that test uses, are those of
# this compiler.
check_layout() { # COMPILER...
    echo '#include "tests/unit/blkif-layout.h"' |
        "$@" -std=gnu11 -ffreestanding -nostdinc \
            -isystem "$("$@" -print-file-name=include)" \
            -isystem "$scratch/include" -I "$top_srcdir" -fsyntax-only -x c -
}

# ok, if the compiler can do it at all
check_if_possible() { # SENTENCE MISSING FUNCTION COMPILER...
    sentence=$1
    missing=$2
    function=$3
    shift 3
    if echo 'int probe;' | "$@" -ffreestanding -x c -c - \
        -o "$scratch/probe.o" 2>/dev/null; then
        ok "$sentence" "$function" "$@"
    else
        skip "$sentence" "$missing"
    fi
}

first_missing_header() { # COMPILER...
    check_core "$scratch/bad" "$@" 2>&1 | grep -o 'string\.h' | head -n 1
}

arm=aarch64-linux-gnu-gcc
command -v $arm >/dev/null || arm="clang --target=aarch64-linux-gnu"

# CC and arm may be several words
# shellcheck disable=SC2086
{
    ok "the core needs no libc" check_our_core $CC
    check_if_possible "the core needs no libc with 32 bits" "-m32" \
        check_our_core $CC -m32
    check_if_possible "the core needs no libc on 64-bit Arm" \
        "an aarch64 compiler" check_our_core $arm
    comment <"$scratch/log"
    check_if_possible "the ring's entries are laid out as we say, on i386" \
        "-m32" check_layout $CC -m32
    check_if_possible "the ring's entries are laid out as we say, on Arm" \
        "an aarch64 compiler" check_layout $arm

    bad common/blkif/a.c <<'END'
int printf(const char *format, ...);
int b(void);
int a(void *to, unsigned long bytes);
int a(void *to, unsigned long bytes)
{
    __builtin_memset(to, 0, bytes);
    return printf("%d", b());
}
END
    bad frontend/b.c <<'END'
int b(void);
int b(void)
{
    return 0;
}
END
    finds "a call of libc is found, a call within the core is none" \
        'printf is not defined' check_core "$scratch/bad" $CC
    bad frontend/c.c <<'END'
#include <string.h>
END
    finds "a libc header is found" "string.h" first_missing_header $CC
}
done_testing
