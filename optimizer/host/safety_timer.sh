# The safety timer, by which a host puts everything back unless the change is confirmed, and what
# does that at the next boot.
# For systemd-run: a restore that is killed, or could not put everything back (75), is tried again.
TRY_AGAIN="--property=Restart=on-abnormal --property=RestartForceExitStatus=75 --property=RestartSec=30"

# Have a timer that in $1 seconds undoes what there is of this run by then, before there is anything.
# Into armed, how: by systemd, or by the process watcher.
arm_timer() {
    armed=
    watcher=
    read -r uptime _ </proc/uptime
    what_is_left
    watch="$unmade && $(restore_guarded automatic "'$RUN' $EXPECTED_ID" "$clear && ( ! $listed || systemctl daemon-reload )")"
    if runs_systemd && has systemd-run && start_timer_unit "$1" "$watch"; then
        armed=systemd
        return 0
    fi
    # A session of its own outlives the connection that started it.
    detach sh -c "sleep '$1'; $watch" || return 1
    armed=process
}

start_timer_unit() {
    # shellcheck disable=SC2086
    systemd-run --quiet --collect --unit="optimizer-restore-$RUN" --on-active="${1}s" \
        --description='Restore an unconfirmed change of the host optimizer' \
        --timer-property=AccuracySec=100ms $TRY_AGAIN \
        /bin/sh -c "$2" 2>/dev/null && systemctl --quiet is-active "optimizer-restore-$RUN.timer"
}

# What takes away a journal that is being made, into unmade: it has nothing to put back, and an empty
# one has no maker. What takes away all that watches over a change, into clear, and whether systemd
# has read the twin, and so lists it also without its file, into listed. All for a shell.
what_is_left() {
    wants=${TWIN_LINK%/*}
    unmade="( [ ! -f '$JOURNAL/of.$RUN' ] || rm -rf '$JOURNAL' ) && ( rmdir '$JOURNAL' 2>/dev/null || true )"
    clear="rm -rf '$STATE'/.ended.* $LOGINS"
    listed=false
    runs_systemd || return 0
    clear="$clear $TWIN_LINK $TWIN"
    [ -d "$wants" ] || clear="$clear && ( [ ! -d $wants ] || rmdir $wants || true )"
    listed="systemctl list-units --all --plain --no-legend ${TWIN##*/} 2>/dev/null | grep -q ."
}

# The journal is whole, and what restores it may count on it: by the timer, whose seconds are $1, and
# at the next boot. It is not being made any more, and no power cut may make it look so.
arm() {
    rm "$JOURNAL/of.$RUN" || return 1
    keep_logins || return 1
    [ -z "$watcher" ] || printf '%s\n' "$watcher" >"$JOURNAL/waiter" || return 1
    identify 1
    note armed "$armed" "$1" "$uptime" "$REPLY" || return 1
    flush "$JOURNAL/progress" "$JOURNAL"
}

# The command that runs the journal's own program with the words $1 and $2, or says that it was
# damaged. Where nothing waits any more, who put it away was killed before all of it was gone: the
# command $3 removes the rest, and is tried again where it cannot. systemd would expand `$` and `%`,
# and systemd 252 cannot read a `;` back from a transient unit when it reads its units again, so
# there is none of them.
restore_guarded() {
    sum=$(printf '%s' "$RESTORE_PROGRAM" | sha256sum)
    said="host optimizer: $JOURNAL/restore is damaged, so the unconfirmed change of run $RUN was not put back."
    printf '%s' "[ ! -e '$JOURNAL' ] && ( $3 || exit 75 ) && exit 0 || [ -e '$JOURNAL' ] || exit 75" \
        " && ! ( [ -f '$JOURNAL/restore' ] && sha256sum <'$JOURNAL/restore' | grep -q '^${sum%% *}' )" \
        " && ( echo '$said On its controller: optimizer rollback INVENTORY' >&2 || true ) && exit 1" \
        " || exec /bin/sh '$JOURNAL/restore' $1 $2"
}

detach() {
    has setsid || return 1
    setsid "$@" </dev/null >/dev/null 2>&1 &
    watcher=$!
}

# There before anything is in the journal, so that the next boot takes that away as well. A power cut
# may leave the unit behind, where the journal is put away already, as may who put away the change
# before this one: then the next boot takes away what the cut has kept from being taken away.
write_twin() {
    what_is_left
    [ -d "$wants" ] || { true >"$JOURNAL/made-wants" && mkdir "$wants" && chmod 755 "$wants"; } || return 1
    {
        printf '%s\n' '[Unit]' \
            'Description=Restore an unconfirmed change of the host optimizer' \
            'DefaultDependencies=no' \
            "RequiresMountsFor=$STATE" \
            'After=local-fs.target' \
            'Before=systemd-sysctl.service systemd-modules-load.service sysinit.target' \
            '' '[Service]' 'Type=oneshot' \
            "ExecStart=/bin/sh -c \"$unmade && $(restore_guarded boot "- $EXPECTED_ID" "$clear && systemctl daemon-reload")\""
    } >"$TWIN" || return 1
    chmod 644 "$TWIN"
    ln -sfn "$TWIN" "$TWIN_LINK" || return 1
    flush "$TWIN" "$wants"
}

is_twin_ours() {
    [ -h "$TWIN_LINK" ] && grep -qs "of\.$RUN'" "$TWIN"
}

# Take away what watched over a change, whose journal is $1 now and waits no more, and the paths $2..
# What would do the rest at the next boot goes behind those, and the safety timer last.
disarm() {
    run=$(header "$1" run)
    # Where its manifest was not written yet, it is our own.
    run=${run:-${own:-}}
    waiter=
    { IFS= read -r waiter <"$1/waiter"; } 2>/dev/null
    [ -n "$waiter" ] || [ "$run" != "${own:-}" ] || waiter=${watcher:-}
    made_wants=
    [ ! -e "$1/made-wants" ] || made_wants=${TWIN_LINK%/*}
    shift
    rm -rf "$@"
    # The next change may have begun by now, and has these for its own. Where /etc cannot be written
    # the timer tries again: nobody may stop it.
    [ -d "$JOURNAL" ] || { forget_logins; remove_twin || { armed=; return 0; }; }
    ! runs_systemd || forget_twin
    stop_timer
}

remove_twin() {
    [ -e "$TWIN" ] || [ -h "$TWIN_LINK" ] || return 0
    rm -f "$TWIN_LINK" "$TWIN" 2>/dev/null || return 1
    [ -z "$made_wants" ] || rmdir "$made_wants" 2>/dev/null || :
}

# The timer of run $run, or the process $waiter that stands in for it.
stop_timer() {
    if runs_systemd; then
        [ -z "$run" ] || systemctl stop "optimizer-restore-$run.timer" >/dev/null 2>&1
    fi
    [ -n "$waiter" ] || return 0
    # Only a waiter of ours is stopped, never a process that took over its number, nor the
    # waiter that is putting the journal back itself.
    identify self
    if [ "${REPLY%%.*}" != "$waiter" ] && { tr '\0' ' ' <"/proc/$waiter/cmdline"; } 2>/dev/null | grep -q "$JOURNAL/restore"; then
        kill -- "-$waiter" 2>/dev/null || kill "$waiter" 2>/dev/null
    fi
}

# A reload of systemd since then has read the twin too, and it would stay listed without its file.
forget_twin() {
    # One that could put nothing back at boot has failed, and is listed for that as well.
    systemctl reset-failed "${TWIN##*/}" >/dev/null 2>&1
    [ -n "$(systemctl list-units --all --plain --no-legend "${TWIN##*/}" 2>/dev/null)" ] || return 0
    systemctl daemon-reload >/dev/null 2>&1 </dev/null
}
