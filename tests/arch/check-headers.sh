#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: each header compiles by itself, so that the order of includes never
# matters; what a guest's authors include does so as C++ as well. Source:
# HACKING.md. Mechanism: the compiler, on one #include at a time, twice (the
# guard).
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

check_header() { # ROOT HEADER LANGUAGE STANDARD
    printf '#include "%s"\n#include "%s"\n' "$2" "$2" |
        $CC -x "$3" -std="$4" -Wall -Wextra -Werror -fsyntax-only \
            -I "$1" -I "$top_builddir" - >"$scratch/says" 2>&1 ||
        { echo "$2 does not compile by itself as $3:"
          head -n 5 "$scratch/says"; }
}

check_headers() { # ROOT
    sources "$1" .h | while read -r header; do
        check_header "$1" "$header" c gnu11
    done
}

check_public() { # ROOT
    for header in frontend/port.h frontend/unplug.h frontend/vbdfront.h; do
        check_header "$1" "$header" c++ gnu++11
    done
}

ok "each header compiles by itself" check_headers "$top_srcdir"
if echo 'class probe {};' | $CC -x c++ -fsyntax-only - 2>/dev/null; then
    ok "the front end's public headers compile as C++" \
        check_public "$top_srcdir"
else
    skip "the front end's public headers compile as C++" "a C++ compiler"
fi

# The findings come with the compiler's words.
check_headers_briefly() {
    check_headers "$1" | grep 'by itself'
}
bad common/needs.h <<'END'
uint32_t needs(void);
END
bad common/unguarded.h <<'END'
enum { UNGUARDED };
END
bad common/good.h <<'END'
#ifndef GOOD_H
#define GOOD_H
#include <stdint.h>
uint32_t good(void);
#endif
END
finds "a header that needs another first, or has no guard, is found" \
'common/needs.h does not compile by itself as c:
common/unguarded.h does not compile by itself as c:' \
    check_headers_briefly "$scratch/bad"
done_testing
