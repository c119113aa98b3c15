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
mapfile -t sourced < <(files tests -name '*.sh')
mapfile -t licensed < <(files . \( -name '*.py' -o -name '*.cmake' -o -name CMakeLists.txt -o -name '*.jq' \))

clang-format --dry-run -Werror "${code[@]}" || complain "clang-format -i the files above"
shellcheck -x -P tests/system:tests/vm "${scripts[@]}" "${sourced[@]}" || complain "shellcheck found something"
for file in "${code[@]}" "${scripts[@]}" "${sourced[@]}" "${licensed[@]}"; do
    wanted='BSD-2-Clause'
    [[ $file == ./kernel/* && $file != */CMakeLists.txt ]] && wanted='GPL-2.0-only OR BSD-2-Clause'
    head -n 2 "$file" | grep -q "SPDX-License-Identifier: $wanted" ||
        complain "$file does not begin with its SPDX line"
done
# CMake takes a semicolon for the end of a test's name, and then runs none.
grep -Pzo 'TEST_CASE\(\s*("[^"]*"\s*)*"[^"]*;[^"]*"' -r tests --include='*.cpp' | tr '\0' '\n' &&
    complain "no semicolon in the name of a test"
echo "style: ${#code[@]} source files, ${#scripts[@]} scripts"
exit "$failed"
