#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that the man pages are well formed, and have exactly the options, commands and defaults of --help.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

: "${JSGUARD_LOAD:?the program}" "${JSGUARD:?the program}"
for program in man mandoc; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install man-db mandoc"
done
work=$(mktemp -d --tmpdir jsguard-man.XXXXXX)
trap 'rm -rf "$work"' EXIT
readonly load_page=$source_dir/docs/man/jsguard-load.8 page=$source_dir/docs/man/jsguard.8

# page_options PAGE FROM TO: the options in the list items between two headings, written as in --help.
page_options() {
    awk -v from="$2" -v to="$3" '
        $0 ~ "^[.]S[hs] " { on = on ? $0 !~ "^" to : $0 == from }
        on && /^[.]It Fl / {
            for (i = 2; i < NF; i++) if ($i == "Fl") print "-" $(i + 1)
        }' "$1" | sort
}

for file in "$load_page" "$page"; do
    mandoc -Tlint -Wwarning "$file" >"$work/lint" || true
    [[ ! -s $work/lint ]] || fail "mandoc: $(<"$work/lint")"
    LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$file" 2>"$work/warnings" >/dev/null
    [[ ! -s $work/warnings ]] || fail "man: $(<"$work/warnings")"
done

same jsguard-load.8 "$(help_options "$JSGUARD_LOAD")" "$(page_options "$load_page" '.Sh DESCRIPTION' '[.]Sh')"

same 'jsguard.8' "$(help_options "$JSGUARD")" "$(page_options "$page" '.Sh DESCRIPTION' '[.]S[hs]')"
same "jsguard.8's commands" "$(leaf_commands "$JSGUARD" | sort)" "$(sed -n 's/^[.]Ss //p' "$page" | sort)"
while read -ra command; do
    # The page documents -h and --help once, for all commands.
    same "jsguard.8, ${command[*]}" "$(help_options "$JSGUARD" "${command[@]}")" \
        "$({ page_options "$page" ".Ss ${command[*]}" '[.]S[hs]' && printf '%s\n' -h --help; } | sort)"
done < <(leaf_commands "$JSGUARD")

# jsguard-load lists its exit codes in one line of its help.
same "jsguard-load.8's exit codes" \
    "$("$JSGUARD_LOAD" --help | sed -n 's/^Exit codes: //p' | grep -oE '[0-9]+' | sort)" \
    "$(sed -n '/^[.]Sh EXIT STATUS/,/^[.]El/ s/^[.]It //p' "$load_page" | sort)"

# Only defaults that are numbers or paths are compared. The page may describe other defaults in other words.
same "jsguard-load.8's defaults" \
    "$("$JSGUARD_LOAD" --help | sed -nE 's/^  (-.,)?(--[a-z-]+) .*[(]default: ([0-9/][^ )]*)[)]$/\2 \3/p' | sort)" \
    "$(awk '/^[.]It Fl / { for (i = 2; i < NF; i++) if ($i == "Fl") name = "-" $(i + 1) }
        at { print name, $2; at = 0 }
        /^The default is$/ { at = 1 }
        /^The default is [0-9]/ { sub(/[.]$/, ""); print name, $4 }' "$load_page" | sort)"

finish
