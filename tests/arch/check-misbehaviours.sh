#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: what docs/PROTOCOL.md says of misbehaving front ends, and
# docs/THREAT-MODEL.md of back ends that lie, is what the tests carry out, row by
# row; and each advisory of THREAT-MODEL.md is named in the tests that it names.
# Source: docs/TESTING.md. Mechanism: both tables are turned into lines
# NUMBER|NAME|OUTCOME|SENTENCE and compared.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

list=$scratch/list
mkdir "$list"

# Two pairs of tables: the tests, the document, its section, and the outcomes
# that come with a sentence.
front="misbehave docs/PROTOCOL.md What_a_front_end_may_do_wrong REFUSED|BROKEN"
back="lies docs/THREAT-MODEL.md Back_ends_that_lie
    REFUSED|BROKEN|CLOSED|TIMED_OUT|KEPT|NOTED"

# { 1, "NAME", OUTCOME, SENTENCE, ... where SENTENCE is NULL, a string or a
# macro that is one
rows_of_tests() { # ROOT TESTS
    cat "$1/tests/unit/$2"-*.c | awk '
    /^#define [A-Z]+ "[^"]*"$/ {
        text = $0
        gsub(/^[^"]*"|"$/, "", text)
        macros[$2] = text
    }
    /^    [{] [0-9]+, "/ { row = ""; is_row = 1 }
    is_row {
        sub(/^ */, "")
        gsub(/\\"/, "\001") # a quote within a sentence
        row = row $0 " "
    }
    is_row && match(row, /^[{] [0-9]+, "[^"]*", [A-Z_]+, ("[^"]*"|[A-Z]+),/) {
        said = row
        sub(/^[{] [0-9]+, "[^"]*", [A-Z_]+, /, "", said)
        if (said ~ /^"/) { sub(/^"/, "", said); sub(/".*/, "", said) }
        else { sub(/,.*/, "", said); said = macros[said] }
        split(row, part, "\"")
        split(part[1], number, /[{ ,]+/)
        split(part[3], outcome, /[, ]+/)
        gsub("\001", "\"", said)
        print number[2] "|" part[2] "|" outcome[2] "|" said
        is_row = 0
    }'
}

# | NUMBER | NAME | OUTCOME | SENTENCE |; where the outcome has no sentence, a
# remark takes its place
rows_of_document() { # ROOT DOCUMENT SECTION OUTCOMES
    awk -F ' *[|] *' -v section="$(echo "$3" | tr _ ' ')" -v outcomes="$4" '
    /^## / { is_ours = index($0, section) }
    is_ours && /^[|] [0-9]+ [|]/ {
        said = $4 ~ "^(" outcomes ")$" ? $5 : ""
        print $2 "|" $3 "|" $4 "|" said
    }' "$1/$2"
}

check_rows() { # ROOT TESTS DOCUMENT SECTION OUTCOMES
    rows_of_tests "$1" "$2" | LC_ALL=C sort >"$list/tests"
    rows_of_document "$1" "$3" "$4" "$5" | LC_ALL=C sort >"$list/document"
    [ -s "$list/tests" ] || echo "the tests have no rows"
    LC_ALL=C comm -23 "$list/tests" "$list/document" |
        sed "s|\$|: is not in ${3#docs/}|"
    LC_ALL=C comm -13 "$list/tests" "$list/document" |
        sed 's/$/: is not in the tests/'
}

# from 1 on, in the document's order, none left out
check_numbers() { # ROOT TESTS DOCUMENT SECTION OUTCOMES
    rows_of_document "$1" "$3" "$4" "$5" | awk -F '|' '
    $1 != NR { print "row " NR " has number " $1; exit }'
}

# | XSA-N | RULE | tests/... | CLAIM |: the file has both
check_advisories() { # ROOT
    awk -F ' *[|] *' '
    /^## / { is_ours = /Advisories/ }
    is_ours && /^[|] XSA-[0-9]+ / { print $2 "|" $4 "|" $5 }' \
        "$1/docs/THREAT-MODEL.md" | LC_ALL=C sort >"$list/advisories"
    [ -s "$list/advisories" ] || echo "there are no advisories"
    while IFS='|' read -r name file claim; do
        tr -d '\n' <"$1/$file" | sed 's/" *"//g' >"$list/text"
        grep -qF "$name" "$list/text" || echo "$file does not name $name"
        grep -qF "$claim" "$list/text" || echo "$file has no '$claim'"
    done <"$list/advisories"
}

# shellcheck disable=SC2086 # a pair is several words
{
    ok "the tests' misbehaviours are PROTOCOL.md's" \
        check_rows "$top_srcdir" $front
    ok "they are numbered from 1 on" check_numbers "$top_srcdir" $front
    ok "the tests' lies are THREAT-MODEL.md's" check_rows "$top_srcdir" $back
    ok "they are numbered from 1 on" check_numbers "$top_srcdir" $back
}
ok "THREAT-MODEL.md's advisories are in the tests it names" \
    check_advisories "$top_srcdir"

bad tests/unit/misbehave-some.c <<'END'
/* XSA-1 */
#define SAID "said, so"
    { 1, "one", OKAY, NULL, run, NULL },
    { 2, "two", REFUSED,
      "the sentence", run, NULL },
    { 3, "three", BROKEN, SAID, run, NULL },
    { 4, "four", ERROR, NULL,
      run, NULL },
    { 5, "five", BROKEN, "it is \"x\", and so", run, NULL },
    TEST("a claim "
         "in two parts", run);
END
bad docs/PROTOCOL.md <<'END'
| 9 | elsewhere | OKAY | |
## 8. What a front end may do wrong, and what comes of it
| 1 | one | OKAY | a remark |
| 2 | two | REFUSED | another sentence |
| 3 | three | BROKEN | said, so |
| 4 | four | OKAY | |
| 5 | five | BROKEN | it is "x", and so |
| 7 | seven | OKAY | |
## 9. More
| 10 | elsewhere | OKAY | |
END
bad docs/THREAT-MODEL.md <<'END'
## Advisories
| XSA-1 | a rule | tests/unit/misbehave-some.c | a claim in two parts |
| XSA-2 | a rule | tests/unit/misbehave-some.c | a claim in two parts |
| XSA-1 | another | tests/unit/misbehave-some.c | another claim |
END
# shellcheck disable=SC2086
finds "a row that one side lacks, or has otherwise, is found" \
"2|two|REFUSED|the sentence: is not in PROTOCOL.md
4|four|ERROR|: is not in PROTOCOL.md
2|two|REFUSED|another sentence: is not in the tests
4|four|OKAY|: is not in the tests
7|seven|OKAY|: is not in the tests" check_rows "$scratch/bad" $front
# shellcheck disable=SC2086
finds "a number that is left out is found" "row 6 has number 7" \
    check_numbers "$scratch/bad" $front
finds "an advisory or a claim that is not there is found" \
"tests/unit/misbehave-some.c has no 'another claim'
tests/unit/misbehave-some.c does not name XSA-2" \
    check_advisories "$scratch/bad"
done_testing
