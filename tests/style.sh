#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether all files are formatted, shell scripts are clean, each source file has its licence line, and tests can be named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
complain() {
    echo "style: $*"
    failed=1
}
files() { find "$@" -type f -not -path './.git/*' -not -path './build*' | sort; }

mapfile -t code < <(files . \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cpp' \))
mapfile -t scripts < <(grep -lE '^#!.*\bbash' -r --exclude-dir=.git --exclude-dir='build*' . | sort)
mapfile -t sourced < <(files ./tests -name '*.sh') # scripts too, by the same names
mapfile -t licensed < <(files . \( -name '*.py' -o -name '*.cmake' -o -name CMakeLists.txt -o -name '*.jq' \))

# Nearly all of the time is shellcheck's, which reads what a script sources again for each script. So each processor takes
# one script at a time, and no script comes twice.
in_parallel() { # FILES-AT-A-TIME COMMAND...: the files are on standard input, each ended by a NUL
    local number=$1
    shift
    xargs -0 -r -n "$number" -P "$(nproc)" "$@"
}
printf '%s\0' "${code[@]}" | in_parallel 100 clang-format --dry-run -Werror || complain "clang-format -i the files above"
printf '%s\0' "${scripts[@]}" "${sourced[@]}" | sort -zu | in_parallel 1 shellcheck -x -P tests/system:tests/vm ||
    complain "shellcheck found something"
# One line for each file that does not have its licence in its first two lines.
unlicensed=$(awk 'BEGIN { for (i = 1; i < ARGC; i++) found[ARGV[i]] = 0 }
    FNR == 1 {
        wanted = "BSD-2-Clause"
        if (FILENAME ~ "^[.]/kernel/" && FILENAME !~ "/CMakeLists.txt$") wanted = "GPL-2.0-only OR BSD-2-Clause"
    }
    index($0, "SPDX-License-Identifier: " wanted) { found[FILENAME] = 1 }
    FNR == 2 { nextfile }
    END { for (file in found) if (!found[file]) print file }' "${code[@]}" "${scripts[@]}" "${sourced[@]}" "${licensed[@]}")
while read -r file; do
    [[ -z $file ]] || complain "$file does not begin with its SPDX line"
done <<<"$unlicensed"
# CMake takes a semicolon for the end of a test's name, and then runs none.
grep -Pzo 'TEST_CASE\(\s*("[^"]*"\s*)*"[^"]*;[^"]*"' -r tests --include='*.cpp' | tr '\0' '\n' &&
    complain "no semicolon in the name of a test"
# What each directory of loader/ may include besides itself, as loader/CMakeLists.txt says.
declare -A below=([common]=none [offline]=common [observe]='common|offline' [load]='common|offline|observe'
                  [cli]='common|offline|observe')
for directory in "${!below[@]}"; do
    grep -rnE '#include "(common|offline|observe|load|cli)/' "loader/$directory" |
        grep -vE "#include \"($directory|${below[$directory]})/" &&
        complain "loader/$directory includes ${below[$directory]} at most"
done
echo "style: ${#code[@]} source files, ${#scripts[@]} scripts"
exit "$failed"
