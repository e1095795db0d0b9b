#!/bin/sh
# The ledger's file: each start of nginx begins a new one, and so does a long one.
#
#   sh ledger.sh begin             just before nginx starts
#   sh ledger.sh rotate PID SIZE   PID is nginx's master; nothing is done below SIZE bytes
#
# Housekeeping books what stands in a file that was set aside, and deletes it.
set -eu
mkdir -p -m 0700 {{ ledger|shell }}
cd {{ ledger|shell }}
stamp=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')

# Have nginx begin another file: it goes on writing to one that was deleted, which nobody
# would book.  As long as nginx has that one open, its lines can be read.
replace() {
    for open in "/proc/$1/fd"/*; do
        case $(readlink "$open") in
        */current.log\ \(deleted\)) ;;
        *) continue ;;
        esac
        exec 3<"$open"
        kill -USR1 "$1"
        # nginx writes what it holds back to the old file first.
        sleep 1
        cat <&3 >"$stamp.log"
        echo "current.log was deleted; its lines are in $stamp.log" >&2
        return
    done
}

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
    if [ ! -e current.log ]; then
        replace "$2"
    elif [ "$(stat -c %s current.log)" -ge "$3" ]; then
        mv current.log "$stamp.log"
        # nginx writes what it holds back to the old file, and opens the new one.
        kill -USR1 "$2"
    fi
    ;;
*)
    echo "usage: ledger.sh begin | rotate PID SIZE" >&2
    exit 2
    ;;
esac
