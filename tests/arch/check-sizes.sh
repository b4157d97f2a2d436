#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: no file is longer than 800 lines, no function longer than 80 (a plain
# switch apart), and every source says its licence. Source: HACKING.md.
# Mechanism: a function is what stands between an opening and a closing brace
# in the first column; it is a plain switch when fewer than 20 of its lines are
# outside of its switch and no case takes more than 8.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

check_files() { # ROOT
    sources "$1" .c .h .sh | while read -r file; do
        lines=$(wc -l <"$1/$file")
        [ "$lines" -le 800 ] || echo "$file has $lines lines"
    done
}

check_functions() { # ROOT
    sources "$1" .c .h .sh | while read -r file; do
        awk -v file="$file" '
        /^{$/ { start = NR; outside = run = longest = in_switch = 0 }
        start && /^    switch \(/ { in_switch = 1; run = 0 }
        start && !in_switch { outside++ }
        start && in_switch {
            run = /^ *(case .*|default):/ ? 0 : run + 1
            if (run > longest) longest = run
        }
        /^    }$/ { in_switch = 0 }
        start && /^}/ {
            if (NR - start > 80 && !(outside < 20 && longest <= 8))
                print file ":" start ": a function of " NR - start " lines"
            start = 0
        }' "$1/$file"
    done
}

check_licences() { # ROOT
    sources "$1" .c .h .sh .mk | while read -r file; do
        head -n 2 "$1/$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            echo "$file does not say its licence in its first lines"
    done
}

ok "no file is longer than 800 lines" check_files "$top_srcdir"
ok "no function is longer than 80 lines" check_functions "$top_srcdir"
ok "every source says its licence" check_licences "$top_srcdir"

# function LINES: one with so many lines between its braces
function_of() {
    printf 'int f(void)\n{\n'
    seq -f '    f%.0f();' "$1"
    printf '}\n'
}

# switch_of CASES LINES: each case with so many lines
switch_of() {
    printf 'int f(int n)\n{\n    switch (n) {\n'
    for i in $(seq "$1"); do
        printf '    case %d:\n' "$i"
        seq -f '        f%.0f();' "$2"
    done
    printf '    }\n}\n'
}

{ echo '/* SPDX-License-Identifier: MIT */'; seq -f '/* %.0f */' 799; } |
    bad common/long-enough.h
{ echo '/* SPDX-License-Identifier: MIT */'; seq -f '/* %.0f */' 800; } |
    bad common/too-long.h
function_of 79 | bad common/short.c
function_of 80 | bad common/long.c
switch_of 50 3 | bad common/plain-switch.c
switch_of 9 9 | bad common/thick-switch.c
{ function_of 3; echo '/* SPDX-License-Identifier: MIT */'; } |
    bad common/late.c
finds "a file that is too long is found" \
    'common/too-long.h has 801 lines' check_files "$scratch/bad"
finds "a function that is too long is found" \
'common/long.c:2: a function of 81 lines
common/thick-switch.c:2: a function of 93 lines' \
    check_functions "$scratch/bad"
finds "a source without a licence is found" \
'common/late.c does not say its licence in its first lines
common/long.c does not say its licence in its first lines
common/plain-switch.c does not say its licence in its first lines
common/short.c does not say its licence in its first lines
common/thick-switch.c does not say its licence in its first lines' \
    check_licences "$scratch/bad"
done_testing
