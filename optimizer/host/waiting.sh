# What can be told of the change that waits, or of one that does not wait any more.

# Whether the change of run $RUN waits for its confirmation. A damaged one may be that.
is_waiting() {
    is_journal_whole || { is_journal_damaged; return; }
    [ -n "$RUN" ] && [ "$(header "$JOURNAL" run)" = "$RUN" ]
}

# A change waits, and what is kept of it cannot be believed; WHY. One that somebody is at work on may
# be half written, or half mended.
is_journal_broken() {
    is_journal_damaged || return 1
    why=$WHY
    if is_lockable; then
        find_holder
        [ -z "$holder" ] || [ "$holder" = "${me:-}" ] || return 1
    fi
    WHY=$why
}

# The change of run $RUN does not wait; without a name, none does. Tell what became of it, and when,
# by the host's own history, and who else's change waits.
tell_ended() {
    ! is_journal_whole || tell_pending waiting
    [ ! -r "$STATE/history" ] || awk -F '\t' -v run="$RUN" '
        (run == "" || $2 == run) && $3 ~ /^(confirmed|restored)$/ { last = $2 "\t" $3 "\t" $1 }
        END { if (last) print "ended\t" last }' "$STATE/history"
    emit result gone
}

# Tell who changes the host, in line $1: run, profile, by whom, since when; what is done about it at
# the moment, and the seconds until the host restores itself, each @empty where it is nothing. Where
# that cannot be believed, tell why.
tell_pending() {
    if is_journal_broken; then
        emit problem journal - "$JOURNAL" whole "$WHY"
        return
    fi
    find_holder
    # Whoever wants to begin another change has it for a moment, to look at this one, which is applied.
    case $holder in applying.*) ! grep -qsx complete "$JOURNAL/progress" || holder= ;; esac
    [ -n "$holder" ] || holder=@empty
    time_left
    emit "$1" "$(header "$JOURNAL" run)" "$(header "$JOURNAL" profile)" "$(header "$JOURNAL" by)" \
        "$(header "$JOURNAL" created)" "${holder%%.*}" "${REPLY:-@empty}"
}

# The journal could not be taken: tell who has it, or that nobody can.
tell_busy() {
    if is_without_room; then emit problem room - "$JOURNAL" taken "$ERROR"; fi
    tell_pending waiting
    emit result busy
}

# Seconds until the safety timer fires into REPLY, which is empty when there is none in this boot.
# The clock of the day may jump, this one does not.
time_left() {
    is_of_this_boot || { REPLY=; return 0; }
    read -r uptime _ </proc/uptime
    REPLY=$(awk -F '\t' -v now="$uptime" '$1 == "armed" { printf "%d", $3 + $4 - now }' "$JOURNAL/progress")
}

# Whether the safety timer was armed since the host was booted. Containers may share the boot of
# their host, but not the first process.
is_of_this_boot() {
    identify 1
    grep -qs "^armed$TAB.*$TAB$REPLY\$" "$JOURNAL/progress"
}
