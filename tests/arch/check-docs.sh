#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: what is written about vbdd is true: --help, man page and completion of
# each program know the same commands and options; examples use no others;
# every setting, engine and control command is described, and none that does
# not exist; links and file names lead somewhere; POD is well-formed.
# Source: HACKING.md. Mechanism: each side is turned into a sorted list, one
# thing a line ("COMMAND OPTION", - for none), and the lists are compared in
# both directions. Completion is asked, not read.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

list=$scratch/list
mkdir "$list"

# sorted into $list/NAME, from standard input
to_list() {
    LC_ALL=C sort -u >"$list/$1"
}

# only_in A B SENTENCE: what list A has and list B has not
only_in() {
    [ -s "$list/$1" ] || echo "nothing was found in $1"
    LC_ALL=C comm -23 "$list/$1" "$list/$2" | sed "s|.*|'&' $3|"
}

# compare A B SENTENCE-OF-A SENTENCE-OF-B: both directions
compare() {
    only_in "$1" "$2" "$3"
    only_in "$2" "$1" "$4"
}

documents() { # ROOT
    (cd "$1" && ls -d ./*.md NEWS docs/*.md docs/*.pod tests/*/*.md \
        2>/dev/null) | sed 's|^\./||'
}

# --- options ----------------------------------------------------------------

# A command begins a line of --help that is indented by two; what follows, up
# to an empty line, is its own.
options_of_help() {
    awk '
    BEGIN { command = "-" }
    /^$/ { command = "-" }
    /^  [a-z]/ { command = $1; print command, "-" }
    {
        while (match($0, /(^|[[ ])--?[A-Za-z][a-z0-9-]*/)) {
            option = substr($0, RSTART, RLENGTH)
            sub(/^[[ ]/, "", option)
            print command, option
            $0 = substr($0, RSTART + RLENGTH)
        }
    }'
}

# B<--option> is an option of this program: of the command whose =item it
# stands under, below COMMANDS. Those of other programs are written C<...>.
options_of_pod() {
    awk '
    BEGIN { command = "-" }
    /^=head1/ { has_commands = /COMMANDS/; command = "-" }
    has_commands && /^=item B<[a-z-]+>/ {
        command = $2
        gsub(/B<|>.*/, "", command)
        print command, "-"
    }
    {
        while (match($0, /B<--?[A-Za-z][a-z0-9-]*>/)) {
            print command, substr($0, RSTART + 2, RLENGTH - 3)
            $0 = substr($0, RSTART + RLENGTH)
        }
    }'
}

# What bash offers after PROGRAM WORD...; the last one is being typed.
completions() { # FILE PROGRAM WORD...
    # shellcheck disable=SC2016
    bash -c '
        compopt() { :; }
        . "$1" || exit
        read -r _ _ function _ < <(complete -p "$2")
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$function"
        printf "%s\n" "${COMPREPLY[@]}"' - "$@" | grep .
}

options_of_completion() { # FILE PROGRAM
    completions "$1" "$2" - | grep ^- | to_list general
    sed 's/^/- /' "$list/general"
    completions "$1" "$2" '' | grep -v ^- | while read -r command; do
        echo "$command -"
        completions "$1" "$2" "$command" - |
            grep -vxF -f "$list/general" | sed "s/^/$command /"
    done
}

check_options() { # ROOT PROGRAM
    "$1/$2" --help | options_of_help | to_list help
    options_of_pod <"$1/docs/$2.pod" | to_list man
    options_of_completion "$1/tools/completion/$2" "$2" | to_list completion
    compare help man "of $2 is not in its man page" \
        "of $2's man page is not in --help"
    compare help completion "of $2 is not completed" \
        "of $2's completion is not in --help"
}

# --- examples ---------------------------------------------------------------

# "PROGRAM --option" for each use in lines that are indented as examples are.
uses() {
    sed -n 's/^\(    \|\t\| [^ ]\)/\1/p' |
        sed ':a; /\\$/{N; s/\\\n//; ba}' | awk -v names=" $programs " '{
        gsub(/[]["`]/, "")
        program = ""
        for (i = 1; i <= NF; i++) {
            word = $i
            if (word ~ /^[|&;]+$/) program = ""
            sub(/[=;].*/, "", word)
            sub(/^\.\//, "", word)
            if (program && word ~ /^--[a-z]/) print program, word
            if (!program && index(names, " " word " ")) program = word
            if ($i ~ /;$/) program = ""
        }
    }'
}

check_examples() { # ROOT
    for program in $programs; do
        "$1/$program" --help | options_of_help | sed "s/^[^ ]*/$program/"
    done | to_list known
    documents "$1" | while read -r file; do
        uses <"$1/$file"
    done | to_list used
    only_in used known "of an example does not exist"
}

# --- settings, engines, control ---------------------------------------------

check_settings() { # ROOT
    awk '
    match($0, /strcmp\(name, "[a-z-]+"/) {
        print "[vbdd]", substr($0, RSTART + 14, RLENGTH - 15)
    }
    {
        while (match($0, /\{ "[a-z-]+", set_/)) {
            print "[disk]", substr($0, RSTART + 3, RLENGTH - 10)
            $0 = substr($0, RSTART + RLENGTH)
        }
    }' "$1/backend/supervisor/config.c" | to_list settings
    awk '
    /^=head2/ { section = /defaults/ ? "[disk]" : "[vbdd]" }
    match($0, /^=item B<[a-z-]+>/) {
        print section, substr($0, RSTART + 8, RLENGTH - 9)
    }' "$1/docs/vbdd.conf.pod" | to_list man
    compare settings man "is not in vbdd.conf(5)" \
        "of vbdd.conf(5) does not exist"
    completions "$1/tools/completion/vbdctl" vbdctl attach --option '' |
        sed 's/^/[disk] /; s/=$//' | to_list completion
    grep '^\[disk\]' "$list/settings" | to_list disk_settings
    compare disk_settings completion "is not completed after --option" \
        "of the completion of --option does not exist"
}

check_engines() { # ROOT
    sed -n 's/.*\.name = "\([a-z]*\)".*/\1/p' "$1"/backend/engine/*.c |
        to_list engines
    sed -n 's/^=head2 //p' "$1/docs/vbddengines.pod" | to_list man
    compare engines man "is not in vbddengines(7)" \
        "of vbddengines(7) does not exist"
    completions "$1/tools/completion/vbdctl" vbdctl attach --engine '' |
        to_list completion
    compare engines completion "is not completed after --engine" \
        "of the completion of --engine does not exist"
}

check_parameters() { # ROOT
    sed -n 's/.*{[^"]*"\([a-z]*\)".*&parameter_.*/\1/p' \
        "$1"/backend/engine/*.c | to_list parameters
    grep '^=item B<' "$1/docs/vbddengines.pod" | grep -oE '<[a-z]+=' |
        tr -d '<=' | to_list man
    compare parameters man "is not in vbddengines(7)" \
        "of vbddengines(7) does not exist"
}

# "COMMAND ARGUMENT", from the table in command.c and the one in CONTROL.md
check_control() { # ROOT
    sed -n '/} commands\[\]/,/^};/p' "$1/backend/supervisor/command.c" |
        grep -o '{ "[a-z-]*", [a-zJ]' | tr -d '{",' | awk '
        $2 == "c" { command = $1; print command, "-" }
        $2 == "J" { print command, $1 }' | to_list commands
    sed -n '/^## Commands/,/^## A disk/p' "$1/docs/CONTROL.md" |
        awk -F '|' '/^\| `/ {
        gsub(/[` ]/, "", $2)
        print $2, "-"
        while (match($3, /`[a-z]+`/)) {
            print $2, substr($3, RSTART + 1, RLENGTH - 2)
            $3 = substr($3, RSTART + RLENGTH)
        }
    }' | to_list described
    compare commands described "is not in docs/CONTROL.md" \
        "of docs/CONTROL.md does not exist"
}

# --- messages ---------------------------------------------------------------

# Where sentences come from that xl shows. What varies in one is * here.
refusing='backend/disk/claim.c backend/disk/cache.c backend/disk/target.c
    backend/disk/refusal.c backend/disk/privileges.c backend/disk/main.c
    backend/supervisor/hotplug.c backend/supervisor/node.c
    backend/supervisor/sharing.c backend/supervisor/target.c
    backend/supervisor/features.c
    backend/supervisor/door.c backend/supervisor/disk.c
    backend/supervisor/worker.c tools/vbdctl/ask.c'

refusals() { # ROOT
    # shellcheck disable=SC2086
    (cd "$1" && cat $refusing 2>/dev/null) | tr '\n' ' ' |
        sed 's/ *PRI[a-zA-Z]*[0-9]* */ /g; s/" *"//g
            s/" *VBD_SCRIPT/block-vbdd"/g' |
        grep -oE '(refusal_say|snprintf|done|finish|puts|printf)\([^";]*"[^"]*"' |
        sed 's/^[^"]*"//; s/^vbdctl: //; s/\( \|\\n\)*"$//
            s/%[.0-9*]*\(llu\|[sdu]\)*/*/g' |
        grep -E '[a-z]+[^a-z*]+[a-z]+|\*.*: .*\*' |
        grep -vE '^/|^vbdd-disk: '
}

check_messages() { # ROOT
    refusals "$1" | to_list messages
    sed -n 's/^=item "\(.*\)"$/\1/p' "$1/docs/block-vbdd.pod" |
        sed 's/I<[^>]*>/*/g; s/ \.\.\.$//' | to_list man
    compare messages man "is not in block-vbdd(8)" \
        "of block-vbdd(8) is said by nobody"
}

# --- xl ---------------------------------------------------------------------

# xl passes over words that it does not know; disks: tests/unit/xl-examples.c.
xl_page=/usr/share/man/man5/xl.cfg.5.gz

check_xl_words() { # ROOT
    zcat "$xl_page" | sed 's/\\f.//g' | grep -oE '[a-z_]+ ?=' |
        tr -d '= ' | to_list words
    (cd "$1" && sed -n 's/^\([a-z_]*\) *=.*/\1/p' docs/examples/*.cfg) |
        to_list used
    only_in used words "of an example is not in xl.cfg(5)"
}

# --- names ------------------------------------------------------------------

check_links() { # ROOT
    documents "$1" | while read -r file; do
        grep -o '\]([^)]*)' "$1/$file" | sed 's/^](//; s/)$//; s/#.*//' |
            grep -v '^[a-z]*:' | while read -r link; do
            [ -e "$1/$(dirname "$file")/$link" ] ||
                echo "$file links to $link, which does not exist"
        done
    done
}

# backend/... and the like are paths from the top, unless they are nodes of
# XenStore; x.c, x.h and the like are the name of some file, ours or Xen's.
check_names() { # ROOT
    (cd "$1" && find -L . -name 'build*' -prune -o -type f -print) |
        sed 's|.*/||' | to_list files
    documents "$1" | while read -r file; do
        sed 's|backend/vbd[ /]||g' "$1/$file" | grep -oE \
            '(^|[^A-Za-z/])(common|frontend|backend|tools|tests|docs)/[a-zA-Z0-9/._-]*' |
            sed 's|^[^a-z]||; s|[.]$||' | while read -r name; do
            [ -e "$1/$name" ] || echo "$file names $name, which does not exist"
        done
        grep -oE '(^|[^A-Za-z0-9/._-])[A-Za-z0-9_-]+\.(c|h|sh|md|mk|pod)\>' \
            "$1/$file" | sed 's|^[^A-Za-z0-9_-]||' | to_list named
        LC_ALL=C comm -23 "$list/named" "$list/files" | while read -r name; do
            is_xen_header "$name" ||
                echo "$file names $name, which does not exist"
        done
    done
}

is_xen_header() {
    for folder in xen xen/io; do
        printf '#if __has_include("%s")\nfound\n#endif\n' "$folder/$1" |
            $CC -E - | grep -q found && return 0
    done
    return 1
}

# vbd...(N), block-vbdd(N): a man page of ours
check_pages() { # ROOT
    sed -n '/^man_MANS/,/^[A-Z]*FILES/p' "$1/docs/local.mk" |
        grep -o '%D%/[a-z.-]*[0-9]' | sed 's|%D%/\(.*\)\.\(.\)$|\1(\2)|' |
        to_list pages
    documents "$1" | while read -r file; do
        grep -oE '(^|[^a-z-])(block-)?vbd[a-z.-]*\([0-9]\)' "$1/$file"
    done | sed 's/^[^a-z]//' | to_list named
    compare pages named "is a man page that nothing names" \
        "is not a man page"
}

check_pod() { # ROOT
    for file in "$1"/docs/*.pod; do
        podchecker -warnings "$file" 2>&1 | grep '^\*\*\*' | sed "s|$1/||"
    done
}

# ----------------------------------------------------------------------------

ours=$scratch/ours # the sources, with the programs beside them
mkdir "$ours"
ln -s "$top_srcdir"/* "$ours"
programs='vbdd vbdctl vbdfront vbdverify vbdd-local vbdd-dd-verify'
for program in $programs; do
    ln -sf "$top_builddir/$program" "$ours/$program"
    ok "--help, man page and completion of $program agree" \
        check_options "$ours" "$program"
done
ok "examples use options that exist" check_examples "$ours"
ok "vbdd.conf(5) and completion know the settings" check_settings "$ours"
ok "vbddengines(7) and completion know the engines" check_engines "$ours"
ok "vbddengines(7) knows the engines' parameters" check_parameters "$ours"
ok "CONTROL.md knows the control socket's commands" check_control "$ours"
ok "block-vbdd(8) knows what xl shows" check_messages "$ours"
if [ -e "$xl_page" ]; then
    ok "xl knows the words of the examples" check_xl_words "$ours"
else
    skip "xl knows the words of the examples" xen-utils-common
fi
ok "links lead to files" check_links "$ours"
ok "files that are named exist" check_names "$ours"
ok "man pages that are named exist" check_pages "$ours"
if command -v podchecker >/dev/null; then
    ok "the man pages are well-formed" check_pod "$ours"
else
    skip "the man pages are well-formed" podchecker
fi

# A tree in which each kind of thing is missing once on each side.
programs=vbdctl
bad vbdctl <<'END'
#!/bin/sh
echo "Usage: vbdctl [--json] COMMAND

  attach --domid N [--new]
  new

  -h, --help  this"
END
chmod +x "$scratch/bad/vbdctl"
bad tools/completion/vbdctl <<'END'
_vbdctl()
{
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --option) COMPREPLY=(user= gone=) ;;
    --engine) COMPREPLY=(aio gone) ;;
    attach) COMPREPLY=(--domid --old --json) ;;
    *) COMPREPLY=(-h --help --json attach) ;;
    esac
}
complete -F _vbdctl vbdctl
END
bad docs/vbdctl.pod <<'END'
=head1 NAME

vbdctl - C<--others>

=head1 EXAMPLES

    ./vbdctl --json attach --domid 1 --padded \
        --long; vbdd --nothing | vbdctl --gone=1

=head1 COMMANDS

=over

=item B<attach> B<--domid>

=item B<old> B<-o>

=back

=head1 OPTIONS

B<-h>, B<--help>, B<--json>, vbdold(1)
END
finds "a command or an option that one side lacks is found" \
"'attach --new' of vbdctl is not in its man page
'new -' of vbdctl is not in its man page
'old -' of vbdctl's man page is not in --help
'old -o' of vbdctl's man page is not in --help
'attach --new' of vbdctl is not completed
'new -' of vbdctl is not completed
'attach --old' of vbdctl's completion is not in --help" \
    check_options "$scratch/bad" vbdctl

bad README.md <<'END'
See [one](docs/vbdctl.pod#x), [two](docs/nothing.md), [web](https://x.org/y).
docs/vbdctl.pod, docs/gone, `old.c` and `config.c`, blkif.h and ring.h.
Prose: vbdctl --prose.

    vbdctl list --worse
END
finds "an example with an option that does not exist is found" \
"'vbdctl --gone' of an example does not exist
'vbdctl --long' of an example does not exist
'vbdctl --padded' of an example does not exist
'vbdctl --worse' of an example does not exist" check_examples "$scratch/bad"
finds "a link that leads nowhere is found" \
"README.md links to docs/nothing.md, which does not exist" \
    check_links "$scratch/bad"

bad backend/supervisor/config.c <<'END'
    if (strcmp(name, "log-level") == 0)
    if (strcmp(name, "new-level") == 0)
    { "user", set_user },    { "new", set_new },
END
bad docs/vbdd.conf.pod <<'END'
=head1 NAME

vbdd.conf

=head2 [vbdd]

=over

=item B<log-level>

=item B<user>

=back

=head2 [defaults]

=over

=item B<user>

=back
END
finds "a setting that one side lacks is found" \
"'[disk] new' is not in vbdd.conf(5)
'[vbdd] new-level' is not in vbdd.conf(5)
'[vbdd] user' of vbdd.conf(5) does not exist
'[disk] new' is not completed after --option
'[disk] gone' of the completion of --option does not exist" \
    check_settings "$scratch/bad"

bad backend/engine/aio.c <<'END'
    { "reap", &parameter_text, NULL },
    { is_new ? "new" : NULL, &parameter_text, NULL },
    .name = "aio", .open = NULL,
    .name = "new", .open = NULL,
END
bad docs/vbddengines.pod <<'END'
=head2 aio

=over

=item B<reap=ring>, B<old=>I<number>

=head2 old
END
finds "an engine that one side lacks is found" \
"'new' is not in vbddengines(7)
'old' of vbddengines(7) does not exist
'new' is not completed after --engine
'gone' of the completion of --engine does not exist" \
    check_engines "$scratch/bad"
finds "a parameter that one side lacks is found" \
"'new' is not in vbddengines(7)
'old' of vbddengines(7) does not exist" check_parameters "$scratch/bad"

bad backend/supervisor/command.c <<'END'
static const struct command {
} commands[] = {
    { "ping", command_ping, { { .name = NULL } } },
    { "show", command_show, { { "disk", JSON_INTEGER, false },
                              { "new", JSON_STRING, false } } },
};
END
bad docs/CONTROL.md <<'END'
## Commands

| `ping` | | `version` |
| `show` | `disk`: number; `old` | |
| `old` | | |

## A disk
END
finds "a control command or argument that one side lacks is found" \
"'show new' is not in docs/CONTROL.md
'old -' of docs/CONTROL.md does not exist
'show old' of docs/CONTROL.md does not exist" check_control "$scratch/bad"

bad backend/disk/claim.c <<'END'
    return refusal_say(&c->refusal, -EBUSY, "is away: %s; look "
                       "for %" PRIu64 " of it", how, nr);
    snprintf(path, sizeof path, "/proc/self/%s", name);
END
bad tools/vbdctl/ask.c <<'END'
    fputs("vbdctl: it has gone\n", stderr);
END
bad docs/block-vbdd.pod <<'END'
=head1 MESSAGES

=over

=item "is away: I<WHY>; look for I<N> of it"

=item "is in the way"

=back
END
finds "a sentence that one side lacks is found" \
"'it has gone' is not in block-vbdd(8)
'is in the way' of block-vbdd(8) is said by nobody" \
    check_messages "$scratch/bad"

bad docs/examples/guest.cfg <<'END'
# kernal = "in a comment"
kernle = "/boot/vmlinuz"
memory = 512
END
[ ! -e "$xl_page" ] || finds "a word that xl does not know is found" \
    "'kernle' of an example is not in xl.cfg(5)" check_xl_words "$scratch/bad"

finds "a file that does not exist is found" \
"README.md names docs/nothing.md, which does not exist
README.md names docs/gone, which does not exist
README.md names old.c, which does not exist" check_names "$scratch/bad"
bad docs/local.mk <<'END'
man_MANS += %D%/vbdctl.1 %D%/vbdd.conf.5
CLEANFILES += $(man_MANS)
END
finds "a man page that does not exist, or is named nowhere, is found" \
"'vbdctl(1)' is a man page that nothing names
'vbdd.conf(5)' is a man page that nothing names
'vbdold(1)' is not a man page" check_pages "$scratch/bad"
bad_pods() {
    check_pod "$1" | sed 's/.* in file //' | sort -u
}
if command -v podchecker >/dev/null; then
    finds "a man page that is not well-formed is found" \
        docs/vbddengines.pod bad_pods "$scratch/bad"
fi
done_testing
