#!/bin/sh
# Signed URLs with a POSIX shell and OpenSSL, written from docs/links.md alone.
#
#     mint.sh -i 1767225600 -e 1767830400 'reports/q3.pdf'
#
#     -i SECONDS  issued             -e SECONDS  expires, 0 = never
#     -b SECONDS  not before         -d NUMBER   folder depth
#     -n NAME     download name      -p i|a      inline or attachment
#     -r BYTES    rate, a second     -a CIDR,..  networks, written as
#                                                docs/links.md has them
#     -u ID       upload; the path is its name
#     -s          shared
#
# MINT_KEY is the key, id:secret or id?restriction:secret; MINT_BASE is the URL's base, if any.  Status
# 1 with a line on stderr for what must not be signed.
#
# (!) OpenSSL takes the secret as an argument, which other users of the same
# machine can see while it runs.
set -eu
LC_ALL=C
export LC_ALL

refuse() {
    echo "mint.sh: $1" >&2
    exit 1
}

# A number between two others; test(1) counts to 2^63 - 1, so 16 digits are safe.
number() {
    case $1 in
    0 | [1-9]*) ;;
    *) refuse "not a number: $1" ;;
    esac
    case $1 in
    *[!0-9]* | ?????????????????*) refuse "not a number: $1" ;;
    esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] || refuse "out of range: $1"
}

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

pack() {
    printf %s "$1" | base64url
}

encode() {
    printf %s "$1" | od -An -v -tx1 | tr -s ' ' '\n' | while read -r byte; do
        case $byte in
        '') ;;
        # letters, digits, - . / _ ~
        2d | 2e | 2f | 3[0-9] | 4[1-9a-f] | 5[0-9af] | 6[1-9a-f] | 7[0-9ae])
            # shellcheck disable=SC2059  # the format is the character
            printf "\\$(printf %o "0x$byte")"
            ;;
        *) printf '%%%s' "$(printf %s "$byte" | tr a-f A-F)" ;;
        esac
    done
}

networks='' not_before='' depth='' expires='' issued='' name='' has_name=''
presentation='' rate='' shared='' upload='' has_upload=''
while getopts a:b:d:e:i:n:p:r:su: option; do
    case $option in
    a) networks=$OPTARG ;;
    b) not_before=$OPTARG ;;
    d) depth=$OPTARG ;;
    e) expires=$OPTARG ;;
    i) issued=$OPTARG ;;
    n) name=$OPTARG has_name=1 ;;
    p) presentation=$OPTARG ;;
    r) rate=$OPTARG ;;
    s) shared=1 ;;
    u) upload=$OPTARG has_upload=1 ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
path=$1
last_second=253402300799
largest=9007199254740991

number "$issued" 1 $last_second
number "$expires" 0 $last_second
[ "$expires" -eq 0 ] || [ "$expires" -gt "$issued" ] || refuse "over when it is issued"
if [ -n "$not_before" ]; then
    number "$not_before" 1 $last_second
    [ "$expires" -eq 0 ] || [ "$not_before" -lt "$expires" ] || refuse "over when it begins"
fi
[ -z "$rate" ] || number "$rate" 1 $largest
[ -z "$shared" ] || [ -z "$networks" ] || refuse "a shared cache does not know networks"
if [ -n "$has_name" ]; then
    [ -z "$depth" ] || refuse "a name fits one file"
    [ ${#name} -ge 1 ] && [ ${#name} -le 255 ] || refuse "a name has 1 to 255 bytes"
    # In UTF-8, U+0080 to U+009F begin with C2, U+2028 and U+2029 with E2 80.
    printf ' %s' "$(printf %s "$name" | od -An -v -tx1 | tr -d '\n')" |
        grep -Eq ' ([01][0-9a-f]|2f|7f|c2 [89][0-9a-f]|e2 80 a[89])' &&
        refuse "not a name"
fi

if [ -n "$has_upload" ]; then
    [ -z "$depth" ] || refuse "an upload is one file"
    [ ${#upload} -eq 26 ] || refuse "not an upload"
    case $upload in *[!a-z2-7]*) refuse "not an upload" ;; esac
    case $path in */*) refuse "an upload's path is its name" ;; esac
fi

case $presentation in
'' | i | a) ;;
*) refuse "not a presentation" ;;
esac

inner=$path
if [ -n "$depth" ]; then
    number "$depth" 0 $largest
    inner=${path%/}
    slashes=$(printf %s "$path" | tr -cd / | wc -c)
    [ "$slashes" -ge "$depth" ] || refuse "the path is above its folder"
fi
case $depth:$path in
0:) ;;
*)
    case /$inner/ in
    *//* | */./* | */../*) refuse "not a plain path" ;;
    esac
    ;;
esac

covered=$path
if [ -n "$depth" ]; then
    covered='' rest=$path count=0
    while [ "$count" -lt "$depth" ]; do
        covered=$covered${rest%%/*}/
        rest=${rest#*/}
        count=$((count + 1))
    done
fi

# The key's restriction; its prefixes are encoded as paths are.
key_id=${MINT_KEY%%:*} restriction='' may_share=1
case $key_id in *\?*) restriction=${key_id#*\?} may_share='' ;; esac
key_id=${key_id%%\?*}
has_prefix='' is_inside='' encoded=$(encode "$covered")
while [ -n "$restriction" ]; do
    field=${restriction%%&*}
    restriction=${restriction#"$field"}
    restriction=${restriction#&}
    case $field in
    prefix=*)
        has_prefix=1
        case $encoded in "${field#prefix=}"*) is_inside=1 ;; esac
        ;;
    max-life=*)
        number "${field#*=}" 1 $largest
        [ "$expires" -ne 0 ] && [ $((expires - issued)) -le "${field#*=}" ] ||
            refuse "a life beyond the key's"
        ;;
    only=files) [ -z "$has_upload" ] || refuse "the key signs files alone" ;;
    only=uploads) [ -n "$has_upload" ] || refuse "the key signs uploads alone" ;;
    shared=yes) may_share=1 ;;
    *) refuse "a restriction that is not known" ;;
    esac
done
[ -z "$shared" ] || [ -n "$may_share" ] || refuse "the key signs nothing shared"
[ -z "$has_upload" ] || is_inside=''
[ -z "$has_prefix" ] || [ -n "$is_inside" ] || refuse "not in the key's folders"

claims=k$key_id
[ -z "$networks" ] || claims=$claims.a$(pack "$networks")
[ -z "$not_before" ] || claims=$claims.b$not_before
[ -z "$depth" ] || claims=$claims.d$depth
claims=$claims.e$expires.i$issued
[ -z "$has_name" ] || claims=$claims.n$(pack "$name")
[ -z "$presentation" ] || claims=$claims.p$presentation
[ -z "$rate" ] || claims=$claims.r$rate
[ -z "$shared" ] || claims=$claims.s1
[ -z "$has_upload" ] || claims=$claims.u$upload
[ ${#claims} -le 1024 ] || refuse "the claims are too long"

derived=$(printf %s accel-gateway.signed-url.1 |
    openssl dgst -sha256 -mac HMAC -macopt "key:${MINT_KEY#*:}" -hex | sed 's/.* //')
mac=$(printf %s "$claims/$covered" |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$derived" -binary |
    dd bs=1 count=16 2>/dev/null | base64url)
printf '%s/s/%s.%s/%s\n' "${MINT_BASE-}" "$claims" "$mac" "$(encode "$path")"
