# Put the journal back now, on the controller's word. Given by the controller: RUN, and with
# MANIFEST, EXPECTED_ID, RESTORE_PROGRAM and put_blobs its own copy of the change.
TASK=restoring

# A journal that is damaged here is mended by the controller's copy; what was written so far, only
# the host knows.
mend_journal() {
    if [ -z "${MANIFEST:-}" ] || ! is_armed || ! is_this_change; then return 0; fi
    if is_journal_whole && are_bytes_whole "$JOURNAL"; then return 0; fi
    why=$WHY
    if [ -h "$JOURNAL/files" ] || [ ! -d "$JOURNAL/files" ]; then
        rm -rf "$JOURNAL/files"
        mkdir "$JOURNAL/files"
    fi
    for path in "$JOURNAL/manifest" "$JOURNAL/id" "$JOURNAL/restore" "$JOURNAL"/files/*; do make_plain "$path"; done
    put_journal && flush "$JOURNAL" && emit note "the journal was damaged, and was mended by the controller's copy: $why"
}

# What is to be written is a file of root's, or nothing.
make_plain() {
    if [ -h "$1" ] || [ ! -f "$1" ]; then rm -rf "$1"; else chown 0:0 "$1" && chmod 600 "$1"; fi
}

# `id` is what the journal names as its own, where that can be read.
is_this_change() {
    [ "$id" = "$EXPECTED_ID" ] || grep -qsF -e "$EXPECTED_ID" "$TWIN" ||
        { [ -f "$JOURNAL/manifest" ] && [ "$(header "$JOURNAL" run)" = "$RUN" ]; }
}

cancel_main() {
    trap '' HUP PIPE
    KNOWN_ID=${EXPECTED_ID:-}
    is_waiting || { tell_ended; return; }
    is_lockable || { restore_journal; return; }
    take_busy 120 || { if is_waiting; then tell_busy; else tell_ended; fi; return; }
    is_waiting || { leave_busy; tell_ended; return; }
    mend_journal
    restore_journal
}
cancel_main
