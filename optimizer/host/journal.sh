# The journal: what the host keeps while a change is under way, and the safety timer that
# puts everything back unless the change is confirmed.
#
#   $JOURNAL/manifest   header and steps, tab-separated; its SHA-256 is the snapshot's id
#   $JOURNAL/id         that id
#   $JOURNAL/files/     bytes of the files before and after, named by SHA-256
#   $JOURNAL/restore    the program that puts everything back, complete in itself
#   $JOURNAL/progress   what was written so far: intent, wrote, made, collateral, restarted
#   $JOURNAL/busy/pid   the process that works on the journal now

TWIN=/etc/systemd/system/optimizer-restore.service
TWIN_LINK=/etc/systemd/system/sysinit.target.wants/optimizer-restore.service

# Take the journal for this process alone. 1: another process is alive and holds it.
take_busy() {
    tries=${1:-1}
    nameless=0
    until mkdir "$JOURNAL/busy" 2>/dev/null; do
        [ -d "$JOURNAL" ] || return 1
        holder=
        { IFS= read -r holder <"$JOURNAL/busy/pid"; } 2>/dev/null
        if [ -n "$holder" ]; then
            # The holder names its start time too, so that a reused number is not trusted.
            identify "${holder%% *}"
            [ "$REPLY" = "$holder" ] || { rm -rf "$JOURNAL/busy"; continue; }
        else
            # Killed before it could write its name down.
            nameless=$((nameless + 1))
            [ "$nameless" -lt 3 ] || { rm -rf "$JOURNAL/busy"; continue; }
        fi
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 1
    done
    identify self
    printf '%s\n' "$REPLY" >"$JOURNAL/busy/pid"
}

# Name process $1 in REPLY by boot, number and start time; only the number when it is gone.
# `self` is not $$: a program is one side of a pipe, and may outlive the shell that began it.
identify() {
    REPLY=$1
    stat_line=
    { IFS= read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 0
    set -f
    # shellcheck disable=SC2086
    set -- "${stat_line%% *}" ${stat_line##*) }
    set +f
    REPLY="$1 ${21:-}"
    number=$REPLY
    boot_id
    REPLY="$number $REPLY"
}

leave_busy() {
    rm -rf "$JOURNAL/busy"
}

# Make the directory of our state, for root alone. 1: it cannot be, or others may write there; WHY.
make_state() {
    for folder in "$STATE" "$SNAPSHOTS"; do
        WHY=$({ [ -d "$folder" ] || mkdir -p "$folder"; } 2>&1) || return 1
        is_private "$folder" || return 1
        WHY=$(chmod 700 "$folder" 2>&1) || return 1
    done
    rm -rf "$STATE/.gone"
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

# Arm the restore: after $1 seconds by a timer, and at the next boot by a unit of ours.
arm() {
    armed=
    keep_logins || return 1
    if runs_systemd; then
        write_twin || return 1
        if has systemd-run && systemd-run --quiet --collect \
            --unit="optimizer-restore-$RUN" --on-active="$1s" \
            --timer-property=AccuracySec=100ms \
            /bin/sh -c "$(restore_guarded automatic "'$RUN' $ID")" \
            2>/dev/null && systemctl --quiet is-active "optimizer-restore-$RUN.timer"; then
            armed=systemd
        fi
    fi
    if [ -z "$armed" ]; then
        # A session of its own outlives the connection that started it.
        detach sh -c "sleep '$1'; $(restore_guarded automatic "'$RUN' $ID")" || return 1
        armed=process
    fi
    emit armed "$armed" "$1" >>"$JOURNAL/progress"
    flush "$JOURNAL/progress"
}

# The command that runs the journal's own program with the words $1 and $2, or says that it was
# damaged. It has no `$` and no `%`, which systemd would expand.
restore_guarded() {
    sha256_of "$JOURNAL/restore"
    said="host optimizer: $JOURNAL/restore is damaged, so the unconfirmed change of run $RUN was not put back."
    printf '%s' "[ ! -d '$JOURNAL' ] || { " \
        "[ -f '$JOURNAL/restore' ] && sha256sum <'$JOURNAL/restore' | grep -q '^$REPLY' && " \
        "exec /bin/sh '$JOURNAL/restore' $1 $2; " \
        "echo '$said On its controller: optimizer rollback INVENTORY' >&2; exit 1; }"
}

detach() {
    has setsid || return 1
    setsid "$@" </dev/null >/dev/null 2>&1 &
    printf '%s\n' "$!" >"$JOURNAL/waiter"
}

write_twin() {
    {
        printf '%s\n' '[Unit]' \
            'Description=Restore an unconfirmed change of the host optimizer' \
            'DefaultDependencies=no' \
            "ConditionPathExists=$JOURNAL" \
            "RequiresMountsFor=$STATE" \
            'After=local-fs.target' \
            'Before=systemd-sysctl.service systemd-modules-load.service sysinit.target' \
            '' '[Service]' 'Type=oneshot' \
            "ExecStart=/bin/sh -c \"$(restore_guarded boot "- $ID")\""
    } >"$TWIN" || return 1
    chmod 644 "$TWIN"
    [ -d "${TWIN_LINK%/*}" ] || { mkdir "${TWIN_LINK%/*}" && chmod 755 "${TWIN_LINK%/*}" && : >"$JOURNAL/made-wants"; }
    ln -sfn "$TWIN" "$TWIN_LINK" || return 1
    flush "$TWIN" "${TWIN_LINK%/*}"
}

# Take the safety timer and its twin at boot away. $1: where the journal is now.
disarm() {
    run=$(header "$1" run)
    forget_logins
    if [ -e "$TWIN" ]; then
        rm -f "$TWIN_LINK" "$TWIN"
        [ ! -e "$1/made-wants" ] || rmdir "${TWIN_LINK%/*}" 2>/dev/null
    fi
    if runs_systemd; then
        systemctl stop "optimizer-restore-$run.timer" >/dev/null 2>&1
        forget_twin
    fi
    if [ -r "$1/waiter" ]; then
        IFS= read -r waiter <"$1/waiter"
        # Only a waiter of ours is stopped, never a process that took over its number, nor the
        # waiter that is putting the journal back itself.
        identify self
        if [ "${REPLY%% *}" != "$waiter" ] && { tr '\0' ' ' <"/proc/$waiter/cmdline"; } 2>/dev/null | grep -q "$JOURNAL/restore"; then
            kill -- "-$waiter" 2>/dev/null || kill "$waiter" 2>/dev/null
        fi
    fi
    rm -rf "$1/waiter" "$1/made-wants" "$1/busy"
}

# A reload of systemd since then has read the twin too, and it would stay listed without its file.
forget_twin() {
    # One that could put nothing back at boot has failed, and is listed for that as well.
    systemctl reset-failed "${TWIN##*/}" >/dev/null 2>&1
    [ -n "$(systemctl list-units --all --plain --no-legend "${TWIN##*/}" 2>/dev/null)" ] || return 0
    systemctl daemon-reload >/dev/null 2>&1 </dev/null
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
