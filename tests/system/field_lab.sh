#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The field lab: real servers, realistic visitors, and attacks or honest stories. It prints what the detector decides.
#
# Each trial has its own network namespaces, server, visitors and detector. The visitors run, the detector learns, and the
# story happens. Then the trial prints one line: whether there was an alert, after how long, and whether that was expected.

# shellcheck source=field_trials.sh
source "$(dirname "${BASH_SOURCE[0]}")/field_trials.sh"

usage() {
    cat <<END
usage: field_lab.sh [OPTIONS] TRIAL...   run these trials; a name that ends in * stands for all that begin so
       field_lab.sh [OPTIONS] --all      run all trials
       field_lab.sh --list               print all trials
       field_lab.sh --known-wrong        run the trials that today's model gets wrong; fail if it gets one right
  --jobs N          trials at a time (2)
  --learn SECONDS   learning time (60)
  --quiet SECONDS   time from the end of learning to the story (5)
  --watch SECONDS   time of the story (80)
  --settle SECONDS  time of the visitors before the detector starts (15)
  --unused SECONDS  longest time of connections that are never used (120 below 20 visitors a second, else 2)
  --strict          fail if a trial is not as expected
  --results FILE    the figures of each trial, one JSON object a line
  --keep            keep the directories with all logs
JSGUARD_LOAD, HONEST_LOAD, FIELD_CLIENT, SEGMENT_READER, PLAIN_SERVER, SLOW_BACKEND and TLS_CLIENT are the paths of the
programs.
END
}

learn_s=60 quiet_s=5 watch_s=80 settle_s=15
unused_s=
jobs=2 all=0 list=0 strict=0 must_be_wrong=0
one= # the trial of this process
asked=()
own_option() {
    case $1 in
    --jobs) jobs=$2 words=2 ;;
    --learn) learn_s=$2 words=2 ;;
    --quiet) quiet_s=$2 words=2 ;;
    --watch) watch_s=$2 words=2 ;;
    --settle) settle_s=$2 words=2 ;;
    --unused) unused_s=$2 words=2 ;;
    --all) all=1 ;;
    --list) list=1 ;;
    --strict) strict=1 ;;
    --known-wrong) must_be_wrong=1 ;;
    --one) one=$2 words=2 ;;
    -*) return 1 ;;
    *) asked+=("$1") ;;
    esac
}
parse_options "$@"

readonly late_s=30 # an alert that comes later than this is late

# --- one trial -------------------------------------------------------------------------------

monitored() { (($(services_judged) > 0)); }

# open_now: the connections that the server has now: those of attackers, or all of an honest story and the visitors.
open_now() {
    local from="dst $attacker or dst [fd00:198:18:2::2]"
    [[ $form == attack ]] || from="dst 198.18.1.0/24"
    sockets "( $from )" | awk -v port="$port" '$1 == port { n = $2 } END { print n + 0 }'
}

# hold_story: waits until the story's time is over. The largest number of connections goes to $most_open.
hold_story() {
    local end=$((story_began + watch_s * 1000)) now
    most_open=0
    while (($(now_ms) < end)); do
        alive "$detector_pid" || die "the detector ended by itself"
        if [[ $server != none ]]; then
            now=$(open_now)
            ((now <= most_open)) || most_open=$now
        fi
        sleep 1
    done
}

generators_at_their_end() { grep -lq 'at its end: yes' "$work"/*.out 2>/dev/null; }

# write_row: judges the trial and writes its figures to the file $results.
write_row() {
    local generator=ok story_line=
    ! generators_at_their_end || generator="at its end"
    [[ ! -e $work/story.out ]] || story_line=$(grep -m 1 -E ' (established|in),' "$work/story.out" || true)
    # shellcheck disable=SC2016
    jq -nc -L "$here" --slurpfile alerts "$work/detector.out" --arg trial "$one" --arg server "$server" \
        --argjson visitors "$rate" --arg form "$form" --arg expected "$expected" --arg story "$story" \
        --arg baseline "$judged_as" --argjson began "$story_began" --argjson learned "$learned_ms" \
        --argjson ended "$story_ended" --argjson open "$most_open" --arg generator "$generator" \
        --arg clients "$story_line" --argjson late_s "$late_s" 'include "alerts";
        ($alerts | map({at: ms} + .jsguard | select(.event == "raise" and .at <= $ended))) as $raises
        | ($raises | map(select(.at < $began))) as $early
        | ($raises | map(select($form == "baseline" or .at >= $began)) | .[0]) as $raise
        | (if $form == "baseline" then $learned else $began end) as $from
        | {$trial, $server, visitors_per_s: $visitors, $form, $expected, $story, $baseline,
           connections: $open,
           alert: ($raise != null), early_alerts: ($early | length),
           delay_s: (if $raise then ($raise.at - $from) / 1000 else null end),
           signal: $raise.signal, js_bits: $raise.js_bits, stalled: $raise.stalled_sockets,
           top_cell: ($raise.top_cells[0].cell? // null), $generator, $clients,
           verdict: (
               if $form != "baseline" and ($early | length) > 0 then "FALSE ALERT before the story"
               elif $expected == "alert" and $raise == null then "MISSED"
               elif $expected == "alert" and ($raise.at - $from) / 1000 > $late_s then "LATE"
               elif $expected == "quiet" and $raise != null then "FALSE ALERT"
               else "ok" end)}' >"$work/row.json"
    cat "$work/row.json" >"$results"
}

client_pids=() # of the visitors and the story
visitors_pid=

begin_story() {
    start_story
    client_pids+=("$spawned")
}

stop_clients() {
    local pid
    for pid in "${client_pids[@]}"; do stop "$pid"; done
}

# check_story: fails if the clients of the story were never connected, or if the server ended most honest ones.
check_story() {
    local cut='' opened=''
    [[ -e $work/story.out ]] || return 0
    grep -qE '[1-9][0-9]* (established|in,)' "$work/story.out" || die "the story did not happen: no client was connected"
    [[ $form != attack ]] || return 0
    read -r opened cut < <(sed -nE 's/^.*: ([0-9]+) opened, .* ([0-9]+) cut by the server.*/\1 \2/p' "$work/story.out") || true
    ((${cut:-0} <= ${opened:-0} / 2)) || die "the server cut $cut of the story's $opened connections"
}

run_trial() {
    local row
    row=$(trials | awk -F '|' -v name="$one" '$1 == name')
    [[ -n $row ]] || die "no trial called $one: see --list"
    IFS='|' read -r _ server rate form expected story <<<"$row"
    need_root_and_bpf
    # shellcheck disable=SC2046 # each word is a command or a package
    need ip iproute2 ss iproute2 pgrep procps $(needs_of "$server")
    system_begin
    take_ports
    port=$first_port
    detector_netns=(--netns "/run/netns/$server_ns")
    new_field_namespaces
    prepare_story
    [[ -z $unused_s ]] || visitor_options=(--unused-close "$unused_s")
    [[ $server == none ]] || "serve_${server//-/_}" "$port"
    if ((rate > 0)); then
        visit_server "$server" "$port" "$rate"
        visitors_pid=$spawned
        client_pids+=("$spawned")
    fi
    story_s=$watch_s
    if [[ $form == baseline ]]; then
        story_s=$((settle_s + learn_s + quiet_s + watch_s + 60))
        begin_story
    fi
    sleep "$settle_s"
    start_detector --json "${detector_netns[@]}" --learn "$learn_s" --localport "$port"
    learned_ms=$(($(now_ms) + learn_s * 1000))
    wait_for $((learn_s + 10)) monitored || true # a service with too little traffic is still learning
    judged_as=$(services | awk -v port="$port" '$1 == port { print $2 }')
    if [[ $form == baseline ]]; then
        story_began=$(now_ms)
    else
        sleep "$quiet_s"
        story_began=$(now_ms)
        begin_story
    fi
    hold_story
    story_ended=$(now_ms)
    stop_detector INT
    ((detector_status == 0)) || die "the detector's exit code is $detector_status"
    [[ -z $visitors_pid ]] || alive "$visitors_pid" || die "the visitors ended by themselves"
    # The clients print their summaries at their end. They end before the server does.
    stop_clients
    check_story
    check_alert_lines
    write_row
    finish
}

# --- several trials --------------------------------------------------------------------------

print_header() {
    printf '%-20s %-11s %8s  %-8s %-8s %5s  %-5s %6s  %-5s  %-28s %s\n' \
        trial server visitors form expected open alert delay bits verdict generator
}

# print_row FILE
print_row() {
    jq -r '[.trial, .server, .visitors_per_s, .form, .expected, .connections, (if .alert then "yes" else "no" end),
            (if .delay_s then (.delay_s * 10 | round / 10 | tostring) + " s" else "-" end),
            (if .js_bits then .js_bits * 100 | round / 100 else "-" end), .verdict, .generator] | @tsv' "$1" |
        awk -F '\t' '{ printf "%-20s %-11s %8s  %-8s %-8s %5s  %-5s %6s  %-5s  %-28s %s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 }'
}

# choose_trials: sets $chosen to the names of the trials that were asked for.
choose_trials() {
    local name word found
    mapfile -t names < <(trials | cut -d '|' -f 1)
    if ((must_be_wrong)); then asked=("${known_wrong[@]}"); fi
    if ((all)); then asked=('*'); fi
    ((${#asked[@]} > 0)) || {
        usage >&2
        exit 2
    }
    chosen=()
    for word in "${asked[@]}"; do
        found=0
        for name in "${names[@]}"; do
            # shellcheck disable=SC2053 # a pattern
            if [[ $name == $word ]]; then
                chosen+=("$name")
                found=1
            fi
        done
        ((found)) || {
            echo "no trial called $word: see --list" >&2
            exit 2
        }
    done
}

# start_trial NAME: starts this script again for one trial.
start_trial() {
    local name=$1 options=(--one "$1" --learn "$learn_s" --quiet "$quiet_s" --watch "$watch_s" --settle "$settle_s")
    [[ -z $unused_s ]] || options+=(--unused "$unused_s")
    ((JSGUARD_KEEP == 0)) || options+=(--keep)
    spawn "trial-$name" "$here/field_lab.sh" "${options[@]}" --results "$work/row-$name.json"
    running[$spawned]=$name
}

# collect PID: prints the row of a trial that has ended.
collect() {
    local pid=$1 name=${running[$1]} status=0
    unset "running[$pid]"
    wait "$pid" || status=$?
    if [[ -s $work/row-$name.json && $status == 0 ]]; then
        print_row "$work/row-$name.json"
        cat "$work/row-$name.json" >>"$work/results.json"
    elif ((status == exit_skip)); then
        printf '%-20s skipped: %s\n' "$name" "$(grep -h '^SKIP' "$work/trial-$name.out" | head -n 1)"
    else
        fail "$name did not run"
        show_log "trial-$name.out" 30
        show_log "trial-$name.err"
    fi
}

# judge_wrong: each trial of the list must still be wrong.
judge_wrong() {
    local name
    for name in "${chosen[@]}"; do
        if [[ ! -s $work/row-$name.json ]]; then
            grep -q '^SKIP' "$work/trial-$name.out" && continue
            fail "$name has no result"
        elif jq -e '.generator != "ok"' "$work/row-$name.json" >/dev/null; then
            fail "$name: a load generator was at its end, so the result means nothing"
        elif jq -e '.verdict == "ok"' "$work/row-$name.json" >/dev/null; then
            fail "$name is right now: take it from known_wrong in field_trials.sh, and expect it to be right from now on"
        fi
    done
}

run_trials() {
    local waiting pid
    declare -gA running=()
    system_begin
    : >"$work/results.json"
    say "${#chosen[@]} trials, $jobs at a time"
    print_header
    waiting=("${chosen[@]}")
    while ((${#waiting[@]} + ${#running[@]} > 0)); do
        while ((${#waiting[@]} > 0 && ${#running[@]} < jobs)); do
            start_trial "${waiting[0]}"
            waiting=("${waiting[@]:1}")
        done
        for pid in "${!running[@]}"; do
            if gone "$pid"; then collect "$pid"; fi
        done
        sleep 0.5
    done
    if ((strict)); then
        while read -r name; do fail "$name is not as expected"; done < <(
            jq -r 'select(.verdict != "ok") | .trial' "$work/results.json"
        )
    fi
    ((must_be_wrong == 0)) || judge_wrong
    cp "$work/results.json" "$results"
    finish
}

if ((list)); then
    {
        echo "TRIAL|SERVER|VISITORS|FORM|EXPECTED|STORY"
        trials
    } | awk -F '|' '{ printf "%-20s %-11s %8s  %-8s %-8s %s\n", $1, $2, $3, $4, $5, $6 }'
    exit 0
fi
if [[ -n $one ]]; then
    run_trial
else
    choose_trials
    run_trials
fi
