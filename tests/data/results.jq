# SPDX-License-Identifier: BSD-2-Clause
# jq program: the tables of docs/detection.md, of the recordings beside it, in Markdown.
#
# $sets: index.json, each set with what the replay found: {windows, alerts: [{event, signal, after_s, js_bits}]},
# where after_s counts from the attack's begin. $analyses: what jsguard analyze --json says, one class for each
# set with an attack, and of what is normal.

def fixed($digits):
    if . == null then "-"
    else
        pow(10; $digits) as $scale
        | (. * $scale | round) as $whole
        | (if $whole < 0 then "-" else "" end) as $sign
        | ($whole | fabs | floor) as $whole
        | ($scale | floor) as $scale
        | "\($sign)\($whole / $scale | floor).\($whole % $scale + $scale | tostring[1:])"
    end;
def row: "| \(join(" | ")) |";
def median: sort | if length == 0 then null else (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2 end;
def percent: . * 100 | "\(fixed(1)) %";

def distribution($name): $analyses[0].analyses[] | select(.distribution == $name);
def class($name): .classes[] | select(.name == $name);
def js_median($set): class($set).values | map(.js) | median;
# Of the normal ones, the windows of one recording.
def normal_maximum($file): class("normal").values | map(select(.sample | startswith($file + " ")).js) | max;

def measures: ["js", "kl", "reverse_kl", "hellinger", "total_variation", "entropy_difference"];
def measure_names: ["JS", "KL", "reverse KL", "Hellinger", "total variation", "entropy difference"];

def raised($signal):
    [.alerts[] | select(.event == "raise" and .signal == $signal)
        | "\(.after_s | fixed(1)) (\(.js_bits | fixed(3)))"]
    | if . == [] then "-" else join(", ") end;

def sets_table:
    (["set", "windows", "attack", "transitions raised, s (bits)", "occupancy raised, s (bits)",
      "JS of transitions", "JS of occupancy"] | row),
    (["---", "---", "---", "---", "---", "---", "---"] | row),
    ($sets[] | . as $set
        | [.set, (.windows | tostring),
           (if .attack then "\(.attack.begin_s | floor) to \(.attack.end_s | floor) s" else "-" end),
           raised("transitions"), raised("occupancy"),
           (("transitions", "occupancy") as $name | distribution($name)
            | if $set.attack then js_median($set.set) else normal_maximum($set.file) end | fixed(3))]
        | row);

def separation_cell: "\(.auc | fixed(3)) (\(.best.threshold | fixed(3)))";
def separations_table($name):
    ([$name] + measure_names | row),
    ([range(7) | "---"] | row),
    (distribution($name) as $all
        | (($sets[] | select(.attack) | .set) as $set | [$set, ($all | class($set) | .separation)]),
          ["all", $all.separation]
        | . as [$set, $found]
        | [$set] + [measures[] | if $found then $found[.] | separation_cell else "-" end]
        | row);

def rates_table:
    (["of all attacks", "AUC", "best threshold", "detected", "false positives"] | row),
    (["---", "---", "---", "---", "---"] | row),
    (("transitions", "occupancy") as $name | distribution($name) as $all
        | range(6) as $i
        | $all.separation[measures[$i]]
        | ["\($name), \(measure_names[$i])", (.auc | fixed(3)), (.best.threshold | fixed(3)),
           (.best.detection_rate | percent), (.best.false_positive_rate | percent)]
        | row);

sets_table, "", separations_table("transitions"), "", separations_table("occupancy"), "", rates_table
