# The journal: what the host keeps while a change is under way.
#
#   $JOURNAL/manifest   header and steps, tab-separated; its SHA-256 is the snapshot's id
#   $JOURNAL/id         that id
#   $JOURNAL/files/     bytes of the files before and after, named by SHA-256
#   $JOURNAL/restore    the program that puts everything back, complete in itself
#   $JOURNAL/progress   what was written so far: intent, wrote, made, collateral, restarted
#   $JOURNAL/busy       who works on the journal now, see lock.sh

# What puts it back at the next boot, see safety_timer.sh.
TWIN=/etc/systemd/system/optimizer-restore.service
TWIN_LINK=/etc/systemd/system/sysinit.target.wants/optimizer-restore.service

# Make the directory of our state, for root alone. 1: it cannot be, or others may write there; WHY.
make_state() {
    for folder in "$STATE" "$SNAPSHOTS"; do
        WHY=$({ [ -d "$folder" ] || mkdir -p "$folder"; } 2>&1) || return 1
        is_private "$folder" || return 1
        WHY=$(chmod 700 "$folder" 2>&1) || return 1
    done
}

# Write what the controller gave for a change into the journal.
put_journal() {
    printf '%s' "$MANIFEST" >"$JOURNAL/manifest" &&
        printf '%s\n' "$EXPECTED_ID" >"$JOURNAL/id" &&
        printf '%s' "$RESTORE_PROGRAM" >"$JOURNAL/restore" &&
        put_blobs
}

# Keep the bytes $2 (with \0ooo escapes) in the journal under their hash $1.
put_blob() {
    printf '%b' "$2" >"$JOURNAL/files/$1"
}

# First value of header line $2 in the manifest of directory $1.
header() {
    awk -F '\t' -v key="$2" '$1 == key { print $2; exit }' "$1/manifest" 2>/dev/null
}

# Put the journal away. Nobody may take hold of a half of it, so it goes in one step.
end_journal() {
    ended=$STATE/.ended.$me
    mv "$JOURNAL" "$ended" || return 1
    disarm "$ended" "$ended"
}

# Add a line to the progress of the change. 1: there is no room for it, and what it would tell of must
# not be done.
note() {
    emit "$@" >>"$JOURNAL/progress" && return 0
    no_room
} 2>/dev/null

# As note, with a seal.
note_sealed() {
    emit_sealed "$@" >>"$JOURNAL/progress" && return 0
    no_room
} 2>/dev/null

no_room() {
    ERROR="the journal cannot be written, with $(free_space) kB free below $STATE"
    return 1
}

# The shell's own words for a full disk may be no more than "I/O error".
free_space() {
    df -Pk "$STATE" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

# Add one line to the host's own history: time, run, event, snapshot, profile, by.
record() {
    now
    emit "$REPLY" "$(header "$1" run)" "$2" "$3" "$(header "$1" profile)" "$(header "$1" by)" \
        >>"$STATE/history"
}

failed_units() {
    REPLY=
    runs_systemd || return 0
    REPLY=$(systemctl list-units --failed --plain --no-legend 2>/dev/null | awk '{ print $1 }' | sort)
}
