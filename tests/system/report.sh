#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The report opens in Chromium without errors and requests, light and dark, on a screen and on a phone.
# usage: report.sh JSGUARD WRITE_STORY
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

jsguard=$1
write_story=$2
found= # by in_chromium() last
readonly phone=360 screen=1280

# in_chromium SCHEME WIDTH: what report_check.html found in $work/page/report.html, as JSON; what the
# console said in $work/console.
in_chromium() {
    local dark=1 # in Chromium's settings 0 is dark, 1 light
    [[ $1 == dark ]] && dark=0
    timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-background-networking \
        --disable-component-update --no-first-run --user-data-dir="$work/profile" --window-size=1400,1000 \
        --allow-file-access-from-files --blink-settings=preferredColorScheme=$dark \
        --enable-logging=stderr --v=0 --virtual-time-budget=10000 \
        --dump-dom "file://$work/page/report_check.html#$2,$1" >"$work/dom" 2>"$work/chromium.log" ||
        die "chromium failed: $(tail -n 3 "$work/chromium.log")"
    grep ':CONSOLE' "$work/chromium.log" >"$work/console" || true
    sed -n 's|.*<pre id="result">\(.*\)</pre>.*|\1|p' "$work/dom" | sed 's/&gt;/>/g; s/&lt;/</g; s/&amp;/\&/g'
}

# check_page NAME PORTS: in both schemes, at both widths.
check_page() {
    local scheme width
    for scheme in light dark; do
        for width in $phone $screen; do
            found=$(in_chromium $scheme "$width")
            jq -e . >/dev/null <<<"$found" || die "$1, $scheme, $width px: no result: $found"
            [[ $(jq -r '.faults | length' <<<"$found") == 0 ]] ||
                fail "$1, $scheme, $width px: $(jq -c .faults <<<"$found")"
            [[ -s $work/console ]] && fail "$1, $scheme, $width px: $(head -n 3 "$work/console")"
            # Five charts and one strip for each analysis, three panels for each of two heat maps.
            jq -e --argjson ports "$2" '.ports == $ports and .charts >= 5 * $ports and
                .heatMaps >= 4 * $ports and .tables >= 7 * $ports and .texts > 300 and .lines > 10' \
                >/dev/null <<<"$found" || fail "$1, $scheme, $width px: something is missing: $found"
        done
    done
    say "$1: $found"
}

# refuses WHAT ARGUMENTS...: exit code 2 and one line.
refuses() {
    local status=0
    "$jsguard" report "${@:2}" >"$work/out" 2>"$work/err" || status=$?
    [[ $status == 2 && $(wc -l <"$work/err") == 1 && ! -s $work/out ]] ||
        fail "$1: exit code $status, $(cat "$work/err")"
}

need chromium chromium jq jq
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/page"
cp "$here/report_check.html" "$work/page"

# A story with all that a report can show, and names that would like to be more than text.
"$write_story" 600 "<script>alert('1')</script><img src=x>\"]]>" 443 8080 >"$work/story.jsonl"
"$jsguard" report "$work/story.jsonl" --html "$work/page/report.html" || die "no report"
check_page "the story" 2
jq -e '.alerts >= 2' >/dev/null <<<"$found" || fail "the alerts are not shaded: $found"

for recording in "$here"/../data/{mix-slow-header,normal}.jsonl; do
    [[ -e $recording ]] || continue
    "$jsguard" report "$recording" --html "$work/page/report.html" || die "no report of $recording"
    check_page "$(basename "$recording")" 1
done

# The checks can fail: a page that loads, runs and is too wide, and letters as grey as the paper.
sed 's|<main>|<main><script>1</script><img src="http://192.0.2.1/x"><div class="wide">w</div>|
    s|--soft: #51606e|--soft: #c0c8d0|' "$work/page/report.html" >"$work/page/bad.html"
mv "$work/page/bad.html" "$work/page/report.html"
bad=$(in_chromium light $phone)
[[ -s $work/console ]] || fail "a script that the policy forbids is not in the console"
for fault in "self-contained" "style sheet is not applied"; do
    jq -e --arg fault "$fault" '.faults | any(contains($fault))' >/dev/null <<<"$bad" ||
        fail "a bad page passes: no fault \"$fault\" in $bad"
done

refuses "no such file" "$work/none.jsonl" --html "$work/x.html"
refuses "no recording" /etc/hostname --html "$work/x.html"
refuses "no such window" "$work/story.jsonl" --html "$work/x.html" --window 100000
refuses "no such port" "$work/story.jsonl" --html "$work/x.html" --port 1
refuses "a directory as target" "$work/story.jsonl" --html "$work/page"
[[ -e $work/x.html ]] && fail "a refused report was written"

say "an hour: $("$write_story" 3600 >"$work/hour.jsonl"; { time -p "$jsguard" report "$work/hour.jsonl" --html "$work/hour.html"; } 2>&1 | head -n 1)"
finish
