# The confirmation, over a new connection: check that the live values held, make them
# permanent, and only then take the safety timer away.
# Given by the controller: RUN (empty: whatever waits), EXPECTED_ID of its snapshot.

fail_back() {
    emit problem "$@"
    restore_journal
}

# $1: `now` leaves out what waits for files or is made last, `all` looks at every value. What waits
# for somebody's restart is no matter of this change.
held() {
    look "$JOURNAL/manifest"
    while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
        [ "$step" = value ] || continue
        case $1=$write in *=hold | *=pend | now=file | now=last) continue ;; esac
        read_value "$path" || :
        [ "$REPLY" = "$after" ] && continue
        emit problem held "$tunable" "$path" "$after" "$REPLY"
        LOOKED=
        return 1
    done <"$JOURNAL/manifest"
    LOOKED=
}

# Units that failed since the change began speak against it.
services_answer() {
    failed_units
    for unit in $REPLY; do
        grep -qx "$unit" "$JOURNAL/failed-units" && continue
        emit problem unit - "$unit" active failed
        return 1
    done
}

write_files() {
    while IFS=$TAB read -r step path before after original size line replaces; do
        case $step in
        module) [ "$before" = loaded ] || unload_module "$path" ;;
        directory)
            if [ "$before" = present ]; then
                [ -d "$path" ] || ERROR=$({ mkdir "$path" && chmod 755 "$path"; } 2>&1)
            else
                goes_last "$path" || drop_directory "$path"
            fi || { emit problem directory - "$path" "$before" "$ERROR"; return 1; }
            ;;
        file)
            describe_file "$path"
            [ "$REPLY" = "$after" ] && continue
            # What services load goes when they have been started without it.
            if [ "$after" = @absent ] && goes_last "$path"; then continue; fi
            # It comes after the files that it is made of, and has to be what they make.
            if [ "$path" = "$GRUB_CONFIG" ] && ! menu_is_made "$JOURNAL/files/${after%% *}"; then
                emit problem menu - "$path" planned "$ERROR"
                return 1
            fi
            put_file "$path" "$after" "$JOURNAL/files"
            describe_file "$path"
            [ "$REPLY" = "$after" ] || { emit problem file - "$path" "$after" "${ERROR:-$REPLY}"; return 1; }
            ;;
        line)
            put_line "$path" "$before" "$original" "$size" "$line" "$replaces"
            case $before in
            present) grep -qxF -- "$line" "$path" ;;
            *) ! grep -qxF -- "$line" "$path" ;;
            esac || { emit problem line - "$path" "$before" "${ERROR:-}"; return 1; }
            ;;
        move) set_aside "$path" "$before" || return 1 ;;
        link)
            put_link "$path" "$after"
            describe_link "$path"
            [ "$REPLY" = "$after" ] || { emit problem link - "$path" "$after" "${ERROR:-$REPLY}"; return 1; }
            ;;
        esac
    done <"$JOURNAL/manifest"
}

set_aside() {
    [ -e "$1" ] || return 0
    if [ -e "$2" ]; then
        emit note "$2 is there again; what was set aside stays as $1"
        return 0
    fi
    said=$(mv "$1" "$2" 2>&1) && flush "${1%/*}" && return 0
    emit problem move - "$1" "$2" "$said"
    return 1
}

make_count() {
    while IFS=$TAB read -r step action argument needs; do
        [ "$step" = action ] || continue
        case $action in
        daemon-reload) ! runs_systemd || systemctl daemon-reload >/dev/null 2>&1 </dev/null ;;
        restart-timer) ! runs_systemd || restart_timer "$argument" ;;
        start-timer) ! runs_systemd || start_timer "$argument" ;;
        restart-unit) restart_unit "$argument" ;;
        restart-postgresql) check_postgresql "${argument#* }" && restart_unit "${argument%% *}" && await_postgresql "${argument#* }" ;;
        restart-later) : ;;
        restart-node) restart_node "$argument" || return 1 ;;
        check-logrotate) check_logrotate "$argument" || return 1 ;;
        check-node) check_node "$argument" || return 1 ;;
        check-postgresql) check_postgresql "$argument" || return 1 ;;
        reload-postgresql) reload_postgresql "$argument" && unmark_of_rollback "$argument" ;;
        check-pgbouncer) check_pgbouncer "${argument%% *}" "${argument#* }" || return 1 ;;
        reload-pgbouncer) reload_pgbouncer "$argument" ;;
        check-redis) check_redis "${argument%% *}" "${argument#* }" || return 1 ;;
        esac || { emit problem "$action" - "$argument" finished failed; return 1; }
    done <"$JOURNAL/manifest"
}

# Objects in a database outlast a reboot, as files do, and so does a package. They come last, so that a server that does
# not come back from its restart has none of them to be rid of.
make_objects() {
    while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
        [ "$step" = value ] && [ "$write" = last ] || continue
        ERROR=
        note intent "$path" && flush "$JOURNAL/progress" &&
            { [ "$after" = off ] || ! is_object "$path" || is_library_loaded "$path"; } &&
            write_value "$path" "$after" && continue
        why=$ERROR
        read_value "$path" || :
        [ "$REPLY" = "$after" ] && continue
        emit problem write "$tunable" "$path" "$after" "$why"
        return 1
    done <"$JOURNAL/manifest"
}

unmark_of_rollback() {
    [ "$(header "$JOURNAL" kind)" != rollback ] || unmark_postgresql "$1"
}

# What services load, once none of them does any more.
unload_probe() {
    if may_unload "$JOURNAL/manifest" 4 && ! put_file "$LOADED" @absent -; then
        emit problem file - "$LOADED" @absent "$ERROR"
        return 1
    fi
    unload_directory "$JOURNAL/manifest" absent
}

# A Node service is back when it also listens where it did.
restart_node() {
    systemctl --quiet is-active "$1" || return 0
    listened=$(node_listeners "$1")
    if restart_unit "$1"; then
        forget_sockets "$1"
        await_node "$1" "$listened"
    else
        not_well "$1"
    fi
}

# A unit is back when it stays active for a while: one that ends at once is active first.
restart_unit() {
    systemctl --quiet is-active "$1" || return 0
    ! grep -qxF "restarted$TAB$1" "$JOURNAL/progress" || return 0
    note restarted "$1" || return 1
    systemctl restart "$1" >/dev/null 2>&1 </dev/null || return 1
    for second in 1 2 3; do
        sleep 1
        systemctl --quiet is-active "$1" || return 1
    done
    # One that systemd starts again and again is active most of the time.
    ! is_restarted "$1"
}

is_restarted() {
    case $(systemctl show -p NRestarts -- "$1" 2>/dev/null) in NRestarts=0 | '') return 1 ;; esac
}

# The server's own program $1 reads our file $2, and ends as it has nowhere to listen. A line
# that it does not know would keep the server from starting.
check_redis() {
    said=$("$1" "$2" --port 0 --unixsocket '' --appendonly no --save '' --logfile '' --daemonize no 2>&1 </dev/null)
    case $said in *FATAL*) ;; *) return 0 ;; esac
    said=${said#*>>> }
    emit problem redis - "$2" valid "$(printf '%s' "$said" | tr '\n' ' ')"
    return 1
}

# The whole configuration is read, as one log set may collide with another file's.
check_logrotate() {
    said=$(logrotate --debug /etc/logrotate.conf 2>&1 </dev/null)
    case $said in
    *"error: ${1##*/}:"*) said=${said##*"error: ${1##*/}:"} ;;
    *"error:"*"$1"*) said=${said#*error:} ;;
    *) is_taken_from_another "$1" || return 0 ;;
    esac
    said=${said%%"$NEWLINE"*}
    emit problem logrotate - "$1" valid "$said"
    return 1
}

# Of two files that name the same log, logrotate skips the one that it reads later, which may
# be the one that was there first.
is_taken_from_another() {
    patterns=$(sed -n 's/ {$//p' "$1")
    logs=$(printf '%s\n' "$said" | sed -n 's/.*error: .* duplicate log entry for //p')
    set -f
    for log in $logs; do
        for pattern in $patterns; do
            # shellcheck disable=SC2254
            case $log in $pattern)
                set +f
                said="another file names $log too, and would be skipped"
                return 0
                ;;
            esac
        done
    done
    set +f
    return 1
}

keep() {
    sha256_of "$JOURNAL/manifest"
    id=$REPLY
    # The journal stays taken until it is put away: a restore that waits for it must not begin.
    rm -f "$JOURNAL/failed-units"
    flush "$JOURNAL/progress"
    if [ -e "$SNAPSHOTS/$id" ]; then rm -rf "${SNAPSHOTS:?}/$id"; fi
    # Before others can find the journal gone; should it stay, the way back is recorded after this.
    record "$JOURNAL" confirmed "$id"
    mv "$JOURNAL" "$SNAPSHOTS/$id" || return 1
    flush "$SNAPSHOTS" "$STATE"
    set -- "$SNAPSHOTS/$id"
    disarm "$1" "$1/waiter" "$1/made-wants" "$1/busy" "$1"/after.*
    emit snapshot "$id"
    emit result confirmed
}

# A change that is damaged can neither be kept nor taken back by what is here.
say_damaged() {
    emit problem journal - "$JOURNAL" whole "$WHY"
    emit result damaged
}

# It does not wait any more: it was confirmed before (the answer was lost), or it was put back.
already() {
    if [ -n "$EXPECTED_ID" ] && [ -e "$SNAPSHOTS/$EXPECTED_ID/manifest" ]; then
        emit snapshot "$EXPECTED_ID"
        emit result confirmed
    else
        tell_ended
    fi
}

confirm_main() {
    trap '' HUP PIPE
    TASK=confirming
    KNOWN_ID=$EXPECTED_ID
    if [ -z "$RUN" ] && is_journal_whole; then RUN=$(header "$JOURNAL" run); fi
    is_waiting || { already; return; }
    is_lockable || { say_damaged; return; }
    [ -z "$RUN" ] || emit run "$RUN"
    take_busy 30 || { if is_waiting; then tell_busy; else already; fi; return; }
    is_waiting || { leave_busy; already; return; }
    if ! is_journal_whole || ! are_bytes_whole "$JOURNAL"; then
        leave_busy
        say_damaged
        return
    fi
    grep -qsx complete "$JOURNAL/progress" || { fail_back unfinished; return; }
    is_of_this_boot || { fail_back rebooted; return; }
    held now || { restore_journal; return; }
    services_answer || { restore_journal; return; }
    write_files || { restore_journal; return; }
    make_count || { restore_journal; return; }
    make_objects || { restore_journal; return; }
    unload_probe || { restore_journal; return; }
    held all || { restore_journal; return; }
    services_answer || { restore_journal; return; }
    keep || fail_back keep - "$SNAPSHOTS" kept "cannot be written"
}
confirm_main
