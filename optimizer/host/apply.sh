# The guarded change: compare, journal, arm, write, read back. Files that only count at the
# next boot or reload wait for the confirmation.
# Given by the controller: RUN TIMEOUT MANIFEST MACHINE BOOT RESTORE_PROGRAM, put_blobs.

refuse() {
    stop_own
    emit refused "$@"
    emit result refused
    exit 0
}

check_host() {
    [ "$(id -u)" = 0 ] || refuse root "this account has no root rights"
    for tool in awk sha256sum stat cp mv mkdir; do
        has "$tool" || refuse tool "the command $tool is missing"
    done
    identity=
    { IFS= read -r identity </etc/machine-id; } 2>/dev/null
    # Before the boot is compared, as another host is in another boot as well.
    [ "$identity" = "$MACHINE" ] || refuse machine "the plan was made for another host"
    boot_id
    [ "$REPLY" = "$BOOT" ] || refuse rebooted "the host was rebooted since the plan was made"
}

# The journal is the lock: one change at a time on a host, until it is confirmed or put back. Who
# works on it is told by the lock within.
begin() {
    TASK=applying
    make_state || refuse state "$WHY"
    rm -rf "$STATE"/.ended.*
    # The timer is there first, so that whatever is left by a death from now on is taken away.
    seconds=$((TIMEOUT + $(patience_of_all)))
    arm_timer "$seconds" || refuse timer "no safety timer could be armed: neither systemd-run nor setsid works"
    for try in 1 2 3 4; do
        [ "$try" = 1 ] || sleep 1
        if ! made=$({ mkdir "$JOURNAL" && : >"$JOURNAL/of.$RUN"; } 2>&1); then
            case $made in *"File exists"*) ;; *) leave_unbegun; refuse state "$made" ;; esac
        fi
        # Somebody who waited for an earlier journal may have this one, for a moment.
        if ! is_lockable || take_busy; then
            make_way && own=$RUN && return
        elif is_journal_whole; then
            keep_out
        fi
    done
    if is_without_room; then
        leave_unbegun
        refuse state "$ERROR"
    fi
    refuse busy "another change has just begun: try again in a minute"
}

# The journal was made, and cannot be taken; unless somebody else has made it his meanwhile.
leave_unbegun() {
    rm -f "$JOURNAL/of.$RUN"
    rmdir "$JOURNAL" 2>/dev/null
}

# The timer of a change that has not begun has nothing to do.
stop_own() {
    [ -n "${armed:-}" ] || return 0
    run=$RUN waiter=$watcher armed=
    stop_timer
}

keep_out() {
    stop_own
    tell_pending waiting
    emit result refused
    exit 0
}

# The journal is taken: leave it where it waits for its confirmation, else make it one of ours.
make_way() {
    if is_fresh; then
        [ -f "$JOURNAL/of.$RUN" ] || { true >"$JOURNAL/of.$RUN"; } 2>/dev/null || { leave_busy; no_room; refuse state "$ERROR"; }
        for other in "$JOURNAL"/of.*; do [ "$other" = "$JOURNAL/of.$RUN" ] || rm -f "$other"; done
        return
    fi
    if is_journal_damaged; then
        replace_damaged
    elif is_journal_whole && is_armed; then
        is_forgotten || { leave_busy; keep_out; }
        restore_journal || { stop_own; exit 0; }
        refuse forgotten "a change that nobody confirmed had lost its safety timer, and was put back just now: make a new plan"
    else
        # One that died before its timer was armed has written nothing.
        end_journal
        emit note "cleared an abandoned change that had written nothing"
    fi
    mkdir "$JOURNAL" && true >"$JOURNAL/of.$RUN" && take_busy
}

is_fresh() {
    is_lockable || return 1
    for path in "$JOURNAL"/*; do
        case ${path##*/} in busy | after.* | of.*) ;; *) return 1 ;; esac
    done
}

# What is damaged cannot go back by itself; a rollback was planned with what there is now. Nothing
# that it says is read, not even which timer is its own: that one finds another change, or none.
replace_damaged() {
    why=$WHY
    if ! is_rollback; then
        ! is_lockable || leave_busy
        refuse busy "a change was not confirmed, and what it left is damaged: $why"
    fi
    emit note "gave up the damaged journal of a change that was not confirmed: $why"
    mv "$JOURNAL" "$STATE/.ended.damaged" || refuse state "$JOURNAL cannot be moved away"
    rm -rf "$STATE/.ended.damaged"
}

is_rollback() {
    case $MANIFEST in *"${NEWLINE}kind${TAB}rollback$NEWLINE"*) return 0 ;; esac
    return 1
}

# No timer is late by more than a minute, and one of an earlier boot is gone.
is_forgotten() {
    time_left
    [ "${REPLY:--61}" -lt -60 ]
}

# Where not even the journal can go, the timer sees to it.
give_up() {
    end_journal || armed=
    refuse "$@"
}

keep_twin() {
    ! runs_systemd || is_twin_ours || write_twin || give_up timer "the safety timer has no twin for the next boot"
}

# Every before-value of the plan has to be what is here now. Nothing is read between the writes, so
# this is done once more when all is ready for them.
compare() {
    stale=
    look "$JOURNAL/manifest"
    while IFS=$TAB read -r step first second third fourth fifth sixth seventh; do
        case $step in
        value) read_value "$second" || :; was=$third; name=$first; where=$second ;;
        file) describe_file "$first"; was=$second; name=-; where=$first ;;
        link) describe_link "$first"; was=$second; name=-; where=$first ;;
        line) describe_file "$first"; was=$third; name=-; where=$first ;;
        *) continue ;;
        esac
        [ "$REPLY" = "$was" ] && continue
        stale=yes
        emit stale "$name" "$where" "$was" "$REPLY"
    done <"$JOURNAL/manifest"
    LOOKED=
    [ -z "$stale" ] && return 0
    end_journal
    emit result stale
    exit 0
}

# Write the journal and read it back before anything else is written.
write_journal() {
    why=$({
        mkdir "$JOURNAL/files" && put_journal && : >"$JOURNAL/progress"
    } 2>&1) || { no_room; give_up state "$ERROR: $why"; }
}

# The bytes from before are taken from the host itself, and those that a snapshot has too.
keep_files() {
    while IFS=$TAB read -r step path before after; do
        [ "$step" = file ] || continue
        if [ "$before" != @absent ]; then
            cp "$path" "$JOURNAL/files/${before%% *}" || give_up state "$path cannot be kept in the journal"
        fi
        blob=${after%% *}
        [ "$after" = @absent ] || [ -e "$JOURNAL/files/$blob" ] || find_blob "$blob" ||
            give_up snapshot "no snapshot has the bytes that $path had"
    done <"$JOURNAL/manifest"
    are_bytes_whole "$JOURNAL" || give_up state "the journal reads back wrong: $WHY"
    is_whole "$JOURNAL" "$EXPECTED_ID" || give_up state "the journal reads back wrong: $WHY"
    is_program_whole "$JOURNAL/restore" || give_up state "the journal reads back wrong: restore"
    flush "$JOURNAL/manifest" "$JOURNAL/id" "$JOURNAL/restore" "$JOURNAL/progress" "$JOURNAL/files" "$JOURNAL" "$STATE" ||
        give_up state "the journal cannot be flushed to the disk"
}

find_blob() {
    for snapshot in "$SNAPSHOTS"/*; do
        [ -f "$snapshot/files/$1" ] && [ ! -h "$snapshot/files/$1" ] && cp "$snapshot/files/$1" "$JOURNAL/files/$1" && return 0
    done
    return 1
}

# Seconds that some of the writes may take, and the safety timer has to grant on top.
patience_of_all() {
    printf '%s' "$MANIFEST" | awk -F '\t' '$1 == "value" { seconds += $8 } END { print seconds + 0 }'
}

load_modules() {
    while IFS=$TAB read -r step name wanted; do
        [ "$step" = module ] && [ "$wanted" = loaded ] || continue
        ERROR=$(modprobe "$name" 2>&1 </dev/null) || problem module - "$name" loaded "${ERROR##*: }"
    done <"$JOURNAL/manifest"
}

# No value of the plan is read in between: before Linux 6.8 reading one switch of the watchdog,
# while the common one is off, also turned it off.
write_values() {
    while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
        [ "$step" = value ] && [ "$write" = set ] || continue
        PATIENCE=$patience
        if ! { note_made "$path" "$after" && guarded_write "$path" "$after"; }; then
            problem write "$tunable" "$path" "$after" "$ERROR"
            return 1
        fi
    done <"$JOURNAL/manifest"
}

# An append-only file that a server begins now goes with the change, should that be undone.
note_made() {
    case $1=$2 in redis:*/appendonly=yes) ;; *) return 0 ;; esac
    redis_aof_path "$1"
    [ -z "$REPLY" ] || [ -e "$REPLY" ] || note_sealed made "$REPLY"
}

# Values that a later write reset are written once more, and what that resets as well.
write_again() {
    for round in 1 2 3; do
        again=
        look "$JOURNAL/manifest"
        while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
            case $step=$write in value=set | value=hold) ;; *) continue ;; esac
            read_value "$path" || :
            [ "$REPLY" != "$after" ] || continue
            again=yes
            guarded_write "$path" "$after" || :
        done <"$JOURNAL/manifest"
        [ -n "$again" ] || return 0
    done
}

read_back() {
    write_again
    while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
        [ "$step" = value ] || continue
        ! comes_later "$write" || continue
        read_value "$path" || :
        # Without this line, what was begun is ours whatever it is now.
        [ "$write" = follow ] || note wrote "$path" "$REPLY" || :
        [ "$REPLY" = "$after" ] && continue
        # What came with a value that was clamped is as much ours as that one.
        [ "$write" != follow ] || note wrote "$path" "$REPLY" || write_value "$path" "$before" || :
        # A value that could only be held is not what the plan was made for.
        if [ "$write" = hold ]; then
            # The way back has to know whose value that is.
            note unheld "$path" "$REPLY" || :
            emit unheld "$tunable" "$path" "$after" "$REPLY"
        else
            problem read-back "$tunable" "$path" "$after" "$REPLY"
        fi
    done <"$JOURNAL/manifest"
    LOOKED=
}

# What the kernel changed beyond the plan, also far from what was written. A plan that missed it
# is not carried out.
find_collateral() {
    unguard
    { sweep "$JOURNAL/after" && changed "$JOURNAL/before" "$JOURNAL/after" | seal_collateral >>"$JOURNAL/progress"; } ||
        problem room - "$JOURNAL" written "the look at all other values found no room"
    rm -f "$JOURNAL/before" "$JOURNAL/after"
    awk -F '\t' '$1 == "collateral" { was[$2] = $3; now[$2] = $4 }
        END { for (path in was) print path "\t" was[path] "\t" now[path] }' "$JOURNAL/progress" |
        sort >"$JOURNAL/collateral" ||
        problem room - "$JOURNAL" written "the values beyond the plan found no room"
    while IFS=$TAB read -r path before after; do
        problem collateral - "$path" "$before" "$after"
    done <"$JOURNAL/collateral"
    rm -f "$JOURNAL/collateral"
}

problem() {
    PROBLEMS=yes
    emit problem "$@"
}

# What a plan does beyond kernel values is compared, kept and written when it is confirmed.
apply_main() {
    # A connection that breaks must not stop a change halfway; the safety timer decides.
    trap '' HUP PIPE
    PROBLEMS=
    KNOWN_ID=$EXPECTED_ID
    check_host
    begin
    keep_twin
    write_journal
    compare
    keep_files
    ! has_menu "$JOURNAL" || menu_is_current || give_up menu "$ERROR"
    failed_units
    printf '%s' "$REPLY" >"$JOURNAL/failed-units"
    # Who put the change before this one away may have taken the unit for that one's.
    keep_twin
    arm "$seconds" || { no_room; give_up timer "$ERROR"; }
    sweep "$JOURNAL/before" || { no_room; give_up state "$ERROR"; }
    compare
    load_modules
    [ -n "$PROBLEMS" ] || write_values
    [ -n "$PROBLEMS" ] || read_back
    find_collateral
    emit snapshot "$EXPECTED_ID"
    if [ -n "$PROBLEMS" ]; then
        restore_journal
    else
        note complete || :
        record "$JOURNAL" applied "$EXPECTED_ID"
        leave_busy
        emit result applied
    fi
}
apply_main
