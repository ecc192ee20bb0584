#!/bin/sh
# Bring this host back without Python and without network, for a person on its console.
#
#   sh emergency.sh              an unconfirmed change, or else the newest snapshot
#   sh emergency.sh list         the snapshots, newest first
#   sh emergency.sh ID           the snapshot whose id begins like that
#   FORCE=yes sh emergency.sh    also take back what somebody else changed since
#
# Each snapshot holds the program that restores it; this only finds a good one and runs it.
set -u
LC_ALL=C
export LC_ALL
STATE=${OPTIMIZER_STATE:-/var/lib/optimizer}

fail() {
    printf 'emergency: %s\n' "$1" >&2
    exit 1
}

# One header line $2 of the manifest in directory $1.
header() {
    awk -F '\t' -v key="$2" '$1 == key { print $2; exit }' "$1/manifest"
}

# What the change of snapshot $1 was; a rollback says it in its profile line.
what() {
    case $(header "$1" kind) in
    apply) printf 'apply of %s' "$(header "$1" profile)" ;;
    *) header "$1" profile ;;
    esac
}

# `created id` of the snapshots, newest first: all of them, or those of changes in effect.
newest_first() {
    for snapshot in "$STATE"/snapshots/*; do
        is_file "$snapshot/manifest" || continue
        [ "$1" = all ] || is_in_effect "$snapshot" || continue
        printf '%s %s\n' "$(header "$snapshot" created)" "${snapshot##*/}"
    done | sort -r
}

# An apply that neither a rollback nor this program has taken back.
is_in_effect() {
    [ "$(header "$1" kind)" = apply ] && [ ! -e "$1/undone" ] || return 1
    for other in "$STATE"/snapshots/*; do
        [ ! -e "$other/undone" ] || continue
        case " $(header "$other" undoes) " in *" ${1##*/} "*) return 1 ;; esac
    done
}

list() {
    newest_first all | while read -r created id; do
        directory=$STATE/snapshots/$id
        printf '%.12s  %.19s  before %s by %s%s\n' "$id" "$created" "$(what "$directory")" \
            "$(header "$directory" by)" "$(is_whole "$directory" || printf '  DAMAGED')"
    done
}

# The id of a snapshot is the hash of its manifest; files are named by their hashes.
is_whole() {
    is_named_by "$1/manifest" "${1##*/}" && is_program_whole "$1/restore" || return 1
    for blob in "$1"/files/*; do
        [ ! -e "$blob" ] || is_named_by "$blob" "${blob##*/}" || return 1
    done
}

# A regular file of root's whose hash is $2; nothing else is opened.
is_named_by() {
    is_file "$1" || return 1
    hash=$(sha256sum <"$1")
    [ "${hash%% *}" = "$2" ]
}

# The first line of the program names the hash of the rest.
is_program_whole() {
    is_file "$1" || return 1
    hash=$(sed 1d "$1" | sha256sum)
    [ "$(head -n 1 "$1")" = "# sha256 ${hash%% *}" ]
}

# A change is under way whose timer was armed, so that something may have been written.
is_unconfirmed() {
    [ -e "$STATE/journal/restore" ] || [ -e "$STATE/journal/waiter" ] || grep -qs '^armed' "$STATE/journal/progress"
}

is_file() {
    [ -f "$1" ] && [ ! -h "$1" ] || return 1
    case $(stat -c '%u %A' "$1") in '0 -'????-??-*) return 0 ;; esac
    return 1
}

choose() {
    if [ -n "$1" ]; then which=all; else which=effective; fi
    newest_first "$which" | while read -r _ id; do
        case $id in "$1"*) ;; *) continue ;; esac
        if is_whole "$STATE/snapshots/$id"; then
            printf '%s\n' "$id"
            break
        fi
        printf 'emergency: snapshot %.12s is damaged and is passed over\n' "$id" >&2
    done
}

[ "$(id -u)" = 0 ] || fail "this needs root"
[ -d "$STATE" ] || fail "there is no $STATE: the optimizer has changed nothing here"
if [ "${1:-}" = list ]; then
    list
    exit 0
fi
if is_unconfirmed; then
    is_program_whole "$STATE/journal/restore" ||
        fail "$STATE/journal/restore is missing or damaged: only a controller that has a copy can take this change back"
    is_file "$STATE/journal/manifest" || fail "$STATE/journal/manifest is damaged"
    [ -z "${1:-}" ] || fail "the change of run $(header "$STATE/journal" run) is not confirmed: put that back first, with sh $0"
    printf 'Putting back the unconfirmed change of run %s.\n' "$(header "$STATE/journal" run)"
    exec sh "$STATE/journal/restore" manual "$STATE/journal"
fi
id=$(choose "${1:-}")
if [ -z "$id" ]; then
    [ -z "${1:-}" ] || fail "there is no good snapshot that begins with $1; see: sh $0 list"
    printf 'Nothing that the optimizer changed is in effect here; see: sh %s list\n' "$0"
    exit 0
fi
printf 'Going back to before %s (%s), snapshot %.12s.\n' "$(header "$STATE/snapshots/$id" profile)" \
    "$(header "$STATE/snapshots/$id" created)" "$id"
exec sh "$STATE/snapshots/$id/restore" manual "$STATE/snapshots/$id"
