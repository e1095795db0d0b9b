#!/bin/sh
# The ledger's file: each start of nginx begins a new one, and so does a long one.
#
#   sh ledger.sh begin             just before nginx starts
#   sh ledger.sh rotate PID SIZE   PID is nginx's master; nothing is done below SIZE bytes
#
# Housekeeping books what stands in a file that was set aside, and deletes it.
set -eu
cd {{ ledger|shell }}
stamp=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')

case ${1-} in
begin)
    [ ! -s current.log ] || mv current.log "$stamp.log"
    # What an earlier nginx was working on has ended with it: conf.d/ledger.conf.
    # (!) A disk that is full must not keep nginx from starting.
    if printf '"~."  %s;\n' "$stamp" >run.new && mv run.new run.map; then :; else
        echo "ledger: what an earlier nginx has begun counts as running" >&2
    fi
    ;;
rotate)
    [ "$(stat -c %s current.log)" -ge "$3" ] || exit 0
    mv current.log "$stamp.log"
    # nginx writes what it holds back to the old file, and opens the new one.
    kill -USR1 "$2"
    ;;
*)
    echo "usage: ledger.sh begin | rotate PID SIZE" >&2
    exit 2
    ;;
esac
