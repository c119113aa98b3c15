#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# plot_delay.sh FIGURES PICTURE.svg: draws the seconds to the alert as curves, from a bench.json with the part delay.
set -euo pipefail
command -v gnuplot >/dev/null || { echo "no gnuplot: apt-get install gnuplot-nox" >&2 && exit 1; }
readonly figures=${1:?a file of figures} picture=${2:?a file to write}
work=$(mktemp -d --tmpdir jsguard-plot.XXXXXX)
trap 'rm -r "$work"' EXIT

mapfile -t windows < <(jq -r '[.delay[].window_s] | unique[]' "$figures")
mapfile -t honest < <(jq -r '[.delay[].honest_rate] | unique[]' "$figures")
mapfile -t rates < <(jq -r '[.delay[].attack_rate] | unique[]' "$figures")
plots=()
for i in "${!windows[@]}"; do
    for j in "${!honest[@]}"; do
        file=$work/${windows[i]}-${honest[j]}
        # attack rate, median, minimum, maximum
        jq -r --argjson w "${windows[i]}" --argjson h "${honest[j]}" \
            '[.delay[] | select(.window_s == $w and .honest_rate == $h and .delay_s)] | sort_by(.attack_rate)[]
             | [.attack_rate, .delay_s, .least_s, .most_s] | @tsv' "$figures" >"$file"
        [[ -s $file ]] || continue
        plots+=("'$file' using 1:2:3:4 with yerrorlines lc $((i + 1)) pt $((j + 4)) dt $((j + 1)) title 'window ${windows[i]} s, ${honest[j]} honest/s'")
    done
done
gnuplot <<END
set terminal svg size 760,460 font 'sans-serif,12' background '#ffffff'
set output '$picture'
set logscale x
set xrange [${rates[0]} * 0.8:${rates[-1]} * 1.25]
set xtics ($(IFS=,; echo "${rates[*]}"))
set xlabel 'connections of the attack, a second'
set ylabel 'seconds from the first connection to the alert'
set yrange [0:*]
set grid lc '#dddddd'
set key outside right
plot $(IFS=,; echo "${plots[*]}")
END
