#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The rules, examples and dashboard of docs/fleet are valid and tested, and name only metrics that exist. Needs no root.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly repository=$here/../..
readonly fleet=$repository/docs/fleet

need promtool prometheus amtool prometheus-alertmanager jq jq
system_begin

# check NAME COMMAND...: runs the command, and prints its output if it fails.
check() {
    local name=$1
    shift
    say "$name"
    "$@" >"$work/check.out" 2>&1 && return
    fail "$name"
    show_log check.out 60
}

check "promtool check config" promtool check config "$fleet/prometheus.yml"
check "promtool check rules" promtool check rules --lint=all --lint-fatal "$fleet/recording-rules.yml" "$fleet/alert-rules.yml"
check "promtool test rules" promtool test rules "$fleet/rules-tests.yml"
check "amtool check-config" amtool check-config "$fleet/alertmanager.yml"

say "each alert rule has a test that expects it, and one that does not"
mapfile -t alerts < <(sed -n "s|^ *- alert: ||p" "$fleet/alert-rules.yml")
((${#alerts[@]} > 0)) || fail "there is no alert rule"
for alert in "${alerts[@]}"; do
    grep -qE "^ *- alertname: $alert$" "$fleet/rules-tests.yml" || fail "no test expects $alert"
    grep -qE "^ *- \{alertname: $alert, eval_time: [0-9hms]+\}" "$fleet/rules-tests.yml" ||
        fail "no test expects that there is no $alert"
done

# --- the metrics that rules and dashboard name -------------------------------------------------

# known_metrics: the metrics of jsguard, the metrics that the recording rules make, and one of node_exporter.
# shellcheck disable=SC2016
known_metrics() {
    sed -nE 's/^\| `(jsguard_[a-z_]+)` \|.*/\1/p' "$repository/docs/prometheus.md"
    sed -n 's/^ *- record: //p' "$fleet/recording-rules.yml"
    echo node_textfile_scrape_error
}

# rule_expressions FILE: each expression in one line.
rule_expressions() {
    awk '
        function indent(line) { match(line, /^ */); return RLENGTH }
        inside && indent($0) > depth { text = text " " $0; next }
        inside { print text; inside = 0 }
        /^ *expr: \|$/ { inside = 1; depth = indent($0); text = ""; next }
        sub(/^ *expr: /, "") { print }
        END { if (inside) print text }' "$1"
}

# annotation_expressions FILE: the expressions in its templates.
annotation_expressions() { grep -oE 'printf "[^"]*\{job=%q[^"]*"' "$1" | sed -E 's/^printf "//; s/"$//; s/%q/""/g'; }

dashboard_expressions() { jq -r '.panels[].targets[].expr, (.templating.list[] | select(.type == "query").query.query)' "$1"; }

# metrics_in: the metrics in the expressions on stdin, one a line. It removes functions, labels, strings, durations and
# words of the language; the names that remain are metrics. __name__=~"a|b" names several metrics.
metrics_in() {
    jq -rR 'def alternatives: capture("^(?<head>[^(]*)\\((?<middle>[^)]*)\\)(?<tail>.*)$")
                | . as $c | $c.middle | split("|")[] | $c.head + . + $c.tail;
        (capture("__name__=~\"(?<names>[^\"]*)\"")? | .names | alternatives),
        (gsub("\"[^\"]*\""; "") | gsub("\\{[^}]*\\}"; "") | gsub("\\[[^]]*\\]"; "")
            | gsub("\\b(by|without|on|ignoring|group_left|group_right)\\s*\\([^)]*\\)"; "")
            | gsub("label_values\\((?<metric>[^,]*),[^)]*\\)"; .metric)
            | gsub("offset +[0-9smhd]+"; "")
            | gsub("[A-Za-z_:][A-Za-z0-9_:]*\\s*\\("; "(")
            | scan("(?<![0-9.])[A-Za-z_:][A-Za-z0-9_:]*"))' |
        grep -vxE 'and|or|unless|bool|e' | sort -u
}

# check_metrics NAME FILE FUNCTION: the expressions that the function finds in the file name at least one metric, and only
# known ones.
check_metrics() {
    local unknown
    "$3" "$2" | metrics_in >"$work/named"
    [[ -s $work/named ]] || fail "$1 names no metric"
    unknown=$(comm -23 "$work/named" "$work/known")
    [[ -z $unknown ]] || fail "$1 names metrics that do not exist: ${unknown//$'\n'/ }"
}

say "rules and dashboard name only metrics that exist"
known_metrics | sort -u >"$work/known"
(($(grep -c '^jsguard_' "$work/known") > 40)) || fail "docs/prometheus.md has no table of the metrics"
check_metrics "recording-rules.yml" "$fleet/recording-rules.yml" rule_expressions
check_metrics "alert-rules.yml" "$fleet/alert-rules.yml" rule_expressions
check_metrics "a template of alert-rules.yml" "$fleet/alert-rules.yml" annotation_expressions
check_metrics "dashboard.json" "$fleet/dashboard.json" dashboard_expressions

# A test of the check itself.
[[ $(echo 'sum by (wrong) (jsguard_x{a="wrong"}[5m]) > 1e3 or wrong:y offset 5m' | metrics_in | tr '\n' ' ') == "jsguard_x wrong:y " ]] ||
    fail "metrics_in does not find the metrics of an expression"

# --- the dashboard -----------------------------------------------------------------------------

# dashboard_faults FILE: the faults of a dashboard, one a line.
dashboard_faults() {
    jq -r '
        def overlap($a; $b): $a.x < $b.x + $b.w and $b.x < $a.x + $a.w and $a.y < $b.y + $b.h and $b.y < $a.y + $a.h;
        (.panels | group_by(.id)[] | select(length > 1) | "panels with the id \(.[0].id)"),
        (.panels as $p | range($p | length) as $i | range($i + 1; $p | length) as $j
            | select(overlap($p[$i].gridPos; $p[$j].gridPos)) | "panels \($p[$i].id) and \($p[$j].id) overlap"),
        (.panels[] | "panel \(.id) " + (
            (select(.gridPos.x + .gridPos.w > 24) | "is out of the grid"),
            (select((.title // "") == "") | "has no title"),
            (select((.description // "") == "") | "has no description"),
            (select((.fieldConfig.defaults.unit // "") == "") | "has no unit"),
            (select((.targets // []) == []) | "asks nothing"),
            (select(any(.targets[]?; (.expr // "") == "")) | "has a target without expr"),
            (select(.targets // [] | map(.refId) | length != (unique | length)) | "has two targets of one refId"),
            (select([.datasource, .targets[]?.datasource] | any(.uid != "${datasource}")) | "has another datasource"))),
        (["datasource", "instance", "port"] - [.templating.list[].name] | .[] | "no variable \(.)"),
        (select(.schemaVersion < 36) | "schemaVersion is older than Grafana 9")' "$1"
}

say "the dashboard is sound"
faults=$(dashboard_faults "$fleet/dashboard.json")
[[ -z $faults ]] || fail "dashboard.json: $faults"
jq '.panels[1] |= (.id = 1 | .gridPos.x = 1 | .targets[0].expr = "" | .description = "")' "$fleet/dashboard.json" >"$work/bad.json"
(($(dashboard_faults "$work/bad.json" | wc -l) == 4)) || fail "a dashboard with four faults has others: $(dashboard_faults "$work/bad.json")"

finish
