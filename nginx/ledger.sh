#!/bin/sh
# Rotate the ledger's log file, at each start of nginx and when it is large.
#
#   sh ledger.sh begin             before nginx starts
#   sh ledger.sh rotate PID SIZE   if the file has SIZE bytes; PID is nginx's master
#
# Housekeeping books the lines of a rotated file, then deletes it.  The file of counted
# deliveries is never rotated: only its blocks are freed.
set -eu
mkdir -p -m 0700 {{ ledger|shell }}
cd {{ ledger|shell }}
stamp=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')

# Have nginx reopen a file that was deleted.  nginx would continue to write to the
# deleted file, which can't be booked.  While nginx has it open, its lines can be saved.
replace() {
    for open in "/proc/$1/fd"/*; do
        case $(readlink "$open") in
        */current.log\ \(deleted\)) ;;
        *) continue ;;
        esac
        exec 3<"$open"
        kill -USR1 "$1"
        # nginx first flushes its buffer to the old file.
        sleep 1
        cat <&3 >"$stamp.log"
        echo "current.log was deleted; its lines are in $stamp.log" >&2
        return
    done
}

case ${1-} in
begin)
    [ ! -s current.log ] || mv current.log "$stamp.log"
    # Requests of a previous nginx have ended with it: see conf.d/ledger.conf.
    # (!) A full disk must not keep nginx from starting.
    if printf '"~."  %s;\n' "$stamp" >run.new && mv run.new run.map; then :; else
        echo "ledger: the requests of the previous nginx count as running" >&2
    fi
    ;;
rotate)
    for kept in {{ kept.values()|join(" ") }}; do
        [ -e $kept ] && [ $(($(stat -c %b $kept) * 512)) -ge "$3" ] || continue
        # The size of the file is a number, and stays.  Without holes in files, it begins
        # again.
        fallocate --punch-hole --offset 0 --length "$(stat -c %s $kept)" $kept || : >$kept
    done
    if [ ! -e current.log ]; then
        replace "$2"
    elif [ "$(stat -c %s current.log)" -ge "$3" ]; then
        mv current.log "$stamp.log"
        # nginx flushes its buffer to the old file, then opens a new one.
        kill -USR1 "$2"
    fi
    ;;
*)
    echo "usage: ledger.sh begin | rotate PID SIZE" >&2
    exit 2
    ;;
esac
