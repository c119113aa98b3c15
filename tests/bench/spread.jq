# SPDX-License-Identifier: BSD-2-Clause
# jq module: what repeated measurements of one thing come to, as in spread.hpp.

# Of a list that is not empty; between two values by their weighted mean.
def quantile($share):
    sort | ((length - 1) * $share) as $place | ($place | floor) as $below
    | .[$below] as $low | (.[$below + 1] // $low) as $high
    | $low + ($high - $low) * ($place - $below);
def median: quantile(0.5);
def spread: {median: median, lower_quartile: quantile(0.25), upper_quartile: quantile(0.75), measured: length};
