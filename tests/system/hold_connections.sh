#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# hold_connections.sh HOST PORT NUMBER: opens NUMBER connections, sends half a request on each, and holds them until the
# script is ended.
set -euo pipefail

fds=()
for ((i = 0; i < $3; i++)); do
    exec {fd}<>"/dev/tcp/$1/$2"
    printf 'GET / HTTP/1.1\r\n' >&"$fd"
    fds+=("$fd")
done
echo "${#fds[@]} connections held"
exec sleep infinity
