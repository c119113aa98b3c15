#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# build-deb.sh [OUT]: builds the Debian package of this checkout, with uncommitted changes, in the directory OUT.
set -euo pipefail

usage() {
    cat <<'END'
usage: cmake/packaging/build-deb.sh [--source] [--version VERSION] [OUT]
  OUT                directory for the package, its source and its .changes file (default: build/deb)
  --source           build only the source package, which takes seconds
  --version VERSION  version of the package, in a new changelog entry (default: from debian/changelog)
The package has all files of the checkout that git does not ignore, with uncommitted changes. Needs the packages of
debian/control, and no root.
END
}

version='' what=() name=deb
while (($# > 0)); do
    case $1 in
    --source) what=(-S -d -nc) name=dsc ;;
    --version) version=${2:?--version takes a version} && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
    esac
    shift
done
(($# <= 1)) || {
    usage >&2
    exit 2
}
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly checkout
mkdir -p "${1:-$checkout/build/deb}"
out=$(cd "${1:-$checkout/build/deb}" && pwd)
readonly out

# dpkg-buildpackage writes beside the source tree, so the tree gets a parent directory. Its path is always the same, so
# that a compiler cache finds its entries. Its name is unusual, because a directory with this name is removed.
work=$out/.jsguard-deb-work
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/jsguard
mkdir -p "$tree"
# git still lists files that are deleted without a commit.
git -C "$checkout" -c safe.directory="$checkout" ls-files -z --cached --others --exclude-standard |
    (cd "$checkout" && while IFS= read -r -d '' file; do
        [[ ! -e $file ]] || printf '%s\0' "$file"
    done) | tar -C "$checkout" --null --no-recursion -T - -c | tar -C "$tree" -x
mv "$tree/cmake/packaging/debian" "$tree/debian"

if [[ $version ]]; then
    {
        printf 'jsguard (%s) unstable; urgency=medium\n\n  * Built by build-deb.sh.\n\n -- %s  %s\n\n' "$version" \
            "$(sed -n 's/^Maintainer: //p' "$tree/debian/control")" "$(date -uR)"
        cat "$checkout/cmake/packaging/debian/changelog"
    } >"$tree/debian/changelog"
fi

log=$out/build.log
if ! (cd "$tree" && dpkg-buildpackage -us -uc "${what[@]}") >"$log" 2>&1; then
    tail -n 40 "$log" | cut -c 1-300 >&2
    echo "build-deb.sh: dpkg-buildpackage failed; $log has its whole output" >&2
    exit 1
fi
rm -f "$out"/jsguard*_*
find "$work" -maxdepth 1 -type f -exec mv -t "$out" {} +
ls "$out"/jsguard_*."$name"
