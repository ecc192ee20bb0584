# The lock within the journal: at any time one process of the host works on it. What waits there for
# its confirmation is locked by being there, and nobody works on it.
#
#   $JOURNAL/busy        a link whose text is the name of the process, and what it does
#   $JOURNAL/after.NAME  who went on in place of NAME, which had died at work: likewise
#
# A name is never given twice, so no lock outlasts its holder, nor a boot.

# Take the journal for this process alone, in $1 tries a second apart. 1: somebody else who is
# alive works on it, or there is none, or there is no room for the link. It may be another change's
# than the one that was waited for.
take_busy() {
    tries=${1:-1}
    vain=0
    until claim; do
        vain=$((vain + 1))
        [ -z "$holder" ] || vain=0
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] && [ -d "$JOURNAL" ] && [ "$vain" -lt 5 ] || return 1
        sleep 1
    done
}

# Whether the journal could not be taken though nobody has it, and so why is in ERROR.
is_without_room() {
    [ "${vain:-0}" -gt 0 ] && [ -z "$holder" ] && [ -d "$JOURNAL" ] && ! no_room
}

# A link is there with the name of its maker at once, or not at all. The one of a process that died
# is never removed, as several may find it so, and one of them be at work by then: whoever is the
# first to link a name behind the dead one's has it, if a way still leads there from `busy`.
claim() {
    identify self
    me=$TASK.$REPLY
    find_holder
    [ -z "$holder" ] || return 1
    ln -s "$me" "$next" 2>/dev/null || { find_holder; return 1; }
    find_holder
    [ "$holder" = "$me" ]
}

# Say in holder who works on the journal; empty where nobody does, and next is then the link to make.
find_holder() {
    next=$JOURNAL/busy
    while holder=$(readlink "$next"); do
        ! is_alive "$holder" || return 0
        next=$JOURNAL/after.$holder
    done
}

is_alive() {
    named=${1#*.}
    identify "${named%%.*}"
    [ "$REPLY" = "$named" ]
}

# Name process $1 in REPLY by number, start time and boot, as a number alone is used again; by its
# number only when it is gone, or dead and not buried yet.
# `self` is not $$: a program is one side of a pipe, and may outlive the shell that began it.
identify() {
    REPLY=$1
    stat_line=
    { IFS= read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 0
    set -f
    # shellcheck disable=SC2086
    set -- "${stat_line%% *}" ${stat_line##*) }
    set +f
    case $2 in Z | X) REPLY=$1; return 0 ;; esac
    set -- "$1.${21:-}"
    boot_id
    REPLY=$1.$REPLY
}

# Only for who has it: the links of the dead stay, and lead nowhere.
leave_busy() {
    rm -f "$JOURNAL/busy"
}
