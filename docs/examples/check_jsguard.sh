#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A plug-in of Nagios, Icinga and their like: the status of jsguard as one line and an exit code.
# Arguments go to jsguard status: --port, --pin-dir.
said=$(jsguard status "$@" 2>&1)
case $? in
0) echo "OK - no alert is up" ;;
10)
    echo "CRITICAL - $(grep ^ALERT <<<"$said")"
    exit 2
    ;;
*)
    echo "UNKNOWN - $said"
    exit 3
    ;;
esac
