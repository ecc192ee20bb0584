# Put the change back that waits in the journal, once this process has that to itself.

# Restore the journal, which is taken, and put it away; a damaged one is left, whether taken or not.
# The answer: result restored | incomplete | gone.
restore_journal() {
    if is_journal_damaged; then leave_damaged; return 1; fi
    is_journal_whole || { end_journal; emit result gone; return 0; }
    UNDO=yes
    if restore_from "$JOURNAL"; then
        record "$JOURNAL" restored -
        if ! end_journal; then
            leave_busy
            AGAIN=yes
            emit result incomplete
            return 1
        fi
        emit result restored
    else
        AGAIN=yes
        # It is tried again and again.
        [ -z "$FAILED" ] || tail -n 1 "$STATE/history" 2>/dev/null | grep -q "${TAB}restore-failed$TAB" ||
            record "$JOURNAL" restore-failed -
        leave_busy
        [ "${MODE:-}" != boot ] || restore_after_boot
        emit result incomplete
        [ -z "$FAILED" ]
    fi
}

# Nothing is put back by a journal that is damaged: it stays, and the host as it is, until a rollback
# by the controller's copy of it.
leave_damaged() {
    why=$WHY
    emit problem journal - "$JOURNAL" whole "$why"
    if is_private "$STATE" && [ ! -h "$JOURNAL" ] && is_private "$JOURNAL"; then
        # What the manifest says is not read any more: it may be anything.
        now
        emit "$REPLY" "${RUN:-unknown}" journal-damaged - - - >>"$STATE/history"
        leave_busy
    fi
    WHY=$why
    emit result incomplete
}

# What is in a database goes back when the servers have been started, and so do packages; and what
# could not be put back at boot is tried again.
restore_after_boot() {
    # shellcheck disable=SC2086
    systemd-run --quiet --collect --no-block --unit="optimizer-restore-$(header "$JOURNAL" run)" \
        --property=After=multi-user.target $TRY_AGAIN \
        /bin/sh "$JOURNAL/restore" automatic "$(header "$JOURNAL" run)" "${KNOWN_ID:-}" 2>/dev/null ||
        FAILED=yes
}
