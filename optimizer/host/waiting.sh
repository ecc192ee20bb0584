# What can be told of the change that waits, or of one that does not wait any more.

# Whether the change of run $RUN waits for its confirmation.
is_waiting() {
    [ -n "$RUN" ] && [ "$(header "$JOURNAL" run)" = "$RUN" ]
}

# The change of run $RUN does not wait; without a name, none does. Tell what became of it, and when,
# by the host's own history, and who else's change waits.
tell_ended() {
    [ -z "$(header "$JOURNAL" run)" ] || tell_pending waiting
    [ ! -r "$STATE/history" ] || awk -F '\t' -v run="$RUN" '
        (run == "" || $2 == run) && $3 ~ /^(confirmed|restored)$/ { last = $2 "\t" $3 "\t" $1 }
        END { if (last) print "ended\t" last }' "$STATE/history"
    emit result gone
}

# Tell who changes the host, in line $1: run, profile, by whom, since when; what is done about it at
# the moment, and the seconds until the host restores itself, each @empty where it is nothing.
tell_pending() {
    find_holder
    [ -n "$holder" ] || holder=@empty
    time_left
    emit "$1" "$(header "$JOURNAL" run)" "$(header "$JOURNAL" profile)" "$(header "$JOURNAL" by)" \
        "$(header "$JOURNAL" created)" "${holder%%.*}" "${REPLY:-@empty}"
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
