#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The report opens in Chromium without errors and network requests, light and dark, with the width of a screen and of a
# phone.
# usage: report.sh JSGUARD WRITE_STORY
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

jsguard=$1
write_story=$2
found= # the last result of in_chromium()
readonly phone=360 screen=1280 # widths in px

# in_chromium SCHEME WIDTH: prints the result of report_check.html for $work/page/report.html, as JSON. The messages of the
# browser's console go to $work/console.
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

# check_page NAME PORTS: checks the page in both colour schemes and both widths.
check_page() {
    local scheme width
    for scheme in light dark; do
        for width in $phone $screen; do
            found=$(in_chromium $scheme "$width")
            jq -e . >/dev/null <<<"$found" || die "$1, $scheme, $width px: no result: $found"
            [[ $(jq -r '.faults | length' <<<"$found") == 0 ]] ||
                fail "$1, $scheme, $width px: $(jq -c .faults <<<"$found")"
            [[ -s $work/console ]] && fail "$1, $scheme, $width px: $(head -n 3 "$work/console")"
            # A port has five charts and one strip, and two heat maps with three panels each.
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

# A recording with everything that a report can show. Its host name contains HTML and a script.
"$write_story" 600 "<script>alert('1')</script><img src=x>\"]]>" 443 8080 >"$work/story.jsonl"
"$jsguard" report "$work/story.jsonl" --html "$work/page/report.html" || die "no report"
check_page "the story" 2
jq -e '.alerts >= 2' >/dev/null <<<"$found" || fail "the alerts are not shaded: $found"

for recording in "$here"/../data/{mix-slow-header,normal}.jsonl; do
    [[ -e $recording ]] || continue
    "$jsguard" report "$recording" --html "$work/page/report.html" || die "no report of $recording"
    check_page "$(basename "$recording")" 1
done

# The checks can fail: this page loads a file, runs a script, is too wide, and has text in the grey of the background.
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
refuses "a file that is not a recording" /etc/hostname --html "$work/x.html"
refuses "no such window" "$work/story.jsonl" --html "$work/x.html" --window 100000
refuses "no such port" "$work/story.jsonl" --html "$work/x.html" --port 1
refuses "a directory as target" "$work/story.jsonl" --html "$work/page"
[[ -e $work/x.html ]] && fail "a refused report was written"

say "an hour: $("$write_story" 3600 >"$work/hour.jsonl"; { time -p "$jsguard" report "$work/hour.jsonl" --html "$work/hour.html"; } 2>&1 | head -n 1)"
finish
