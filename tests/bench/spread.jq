# SPDX-License-Identifier: BSD-2-Clause
# jq module: the summary of repeated measurements, as in spread.hpp.

# The quantile of a list that is not empty. Between two values it is their weighted mean.
def quantile($share):
    sort | ((length - 1) * $share) as $position | ($position | floor) as $below
    | .[$below] as $low | (.[$below + 1] // $low) as $high
    | $low + ($high - $low) * ($position - $below);
def median: quantile(0.5);
def spread: {median: median, lower_quartile: quantile(0.25), upper_quartile: quantile(0.75), measured: length};
