#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that all files are formatted, shell scripts are clean, and each source file begins with its licence line. It also
# checks the names of tests, and which directories of loader/ include which.
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
mapfile -t sourced < <(files ./tests -name '*.sh') # contains scripts that are in $scripts too
mapfile -t licensed < <(files . \( -name '*.py' -o -name '*.cmake' -o -name CMakeLists.txt -o -name '*.jq' \))

# Nearly all of the time goes to shellcheck, because it reads the sourced files again for each script. So each processor
# checks one script at a time, and no script is checked twice.
in_parallel() { # FILES-AT-A-TIME COMMAND...: reads the files from standard input, each ended by a NUL
    local number=$1
    shift
    xargs -0 -r -n "$number" -P "$(nproc)" "$@"
}
printf '%s\0' "${code[@]}" | in_parallel 100 clang-format --dry-run -Werror || complain "clang-format -i the files above"
printf '%s\0' "${scripts[@]}" "${sourced[@]}" | sort -zu | in_parallel 1 shellcheck -x -P tests/system:tests/vm ||
    complain "shellcheck found something"
# Files that do not have their licence in the first two lines, one a line.
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
# For CMake a semicolon ends the name of a test. It then runs no test.
grep -Pzo 'TEST_CASE\(\s*("[^"]*"\s*)*"[^"]*;[^"]*"' -r tests --include='*.cpp' | tr '\0' '\n' &&
    complain "no semicolon in the name of a test"
# Directories that each directory of loader/ may include besides itself, as in loader/CMakeLists.txt.
declare -A below=([common]=none [offline]=common [observe]='common|offline' [load]='common|offline|observe'
                  [cli]='common|offline|observe')
for directory in "${!below[@]}"; do
    grep -rnE '#include "(common|offline|observe|load|cli)/' "loader/$directory" |
        grep -vE "#include \"($directory|${below[$directory]})/" &&
        complain "loader/$directory may include only ${below[$directory]} and itself"
done
echo "style: ${#code[@]} source files, ${#scripts[@]} scripts"
exit "$failed"
