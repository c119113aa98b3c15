# SPDX-License-Identifier: BSD-2-Clause
# jq program: the results of field_lab.sh as a table in Markdown: jq -rs -f field_table.jq RESULTS
# A repeated trial counts once, with its last result whose load generators kept up.

def cells: "| " + (map(tostring) | join(" | ")) + " |";
def story: .story | sub("^client6 "; "IPv6: ") | sub("^(client|tls|act) "; "") | gsub("_"; "-");

["trial", "server", "visitors a second", "story", "baseline", "alert after, s", "bits", "expected", "result"] as $head
| ($head | cells), ($head | map("---") | cells),
  ([.[].trial] as $order | group_by(.trial) | sort_by(.[0].trial as $name | $order | index($name)) | .[]
   | (map(select(.generator == "ok")) | last) // last
   | [.trial, .server, .visitors_per_s, story,
      (if .baseline == "JSG_STILL_LEARNING" then "generic" else "own" end),
      (if .delay_s then .delay_s * 10 | round / 10 else "-" end),
      (if .js_bits then .js_bits * 100 | round / 100 else "-" end),
      .expected,
      (.verdict | if . == "ok" then . else "**" + . + "**" end)
      + (if .generator == "ok" then "" else ", load generator at its end" end)] | cells)
