# Put back what a journal or snapshot has from before: values, files, links, directories.
# A state that is neither the one before nor the one we left is somebody else's: kept, named.

# Restore from directory $1, whose manifest is whole. FORCE=yes takes back foreign changes too.
# 1: not all is back.
restore_from() {
    from=$1
    FAILED=
    if ! check_progress "$from"; then
        FAILED=yes
        emit failed - "$from/progress" whole "was changed: what was begun and not finished is not known for sure"
    fi
    FOREIGN=$NEWLINE
    PATIENCE=120
    await_servers
    RELOAD=
    LATER=
    REMAKE=
    UNPUT=
    [ "$from" != "$JOURNAL" ] || find_cut_off
    restore_collateral look
    reverse "$STATE/.reversed" || reverse /run/optimizer-reversed || { FAILED=yes; return 1; }
    # After a boot most of the values are there already.
    look "$from/manifest"
    while IFS=$TAB read -r step first second third fourth fifth sixth seventh eighth; do
        # What services load goes when they have been started without it.
        case $step=$second in
        file=@absent | directory=present) ! goes_last "$first" || continue ;;
        esac
        case $step in
        value) comes_later "$fifth" || restore_value "$first" "$second" "$third" "$fourth" "$sixth" ;;
        file) restore_file "$first" "$second" "$third" ;;
        link) restore_link "$first" "$second" "$third" ;;
        line) restore_line "$first" "$second" "$third" "$fourth" "$fifth" "$sixth" "$seventh" ;;
        move) restore_move "$first" "$second" ;;
        directory) restore_directory "$first" "$second" ;;
        esac
    done <"$REVERSED"
    LOOKED=
    restore_menu
    restore_collateral put
    settle
    restore_collateral put
    restore_collateral check
    remove_made
    while IFS=$TAB read -r step first second third fourth fifth sixth seventh eighth; do
        case $step in
        module) restore_module "$first" "$second" ;;
        action) restore_action "$first" "$second" ;;
        esac
    done <"$REVERSED"
    while IFS=$TAB read -r step first second third fourth fifth sixth seventh eighth; do
        [ "$step=$fifth" = value=last ] && restore_object "$first" "$second" "$third" "$fourth"
    done <"$REVERSED"
    rm -f "$REVERSED"
    find_unrestored
    unload_restored
    [ -z "$FAILED$LATER" ]
}

# Have the steps in REVERSED, the last one first. A full disk is no reason to leave them: there is
# memory.
reverse() {
    REVERSED=$1
    { awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$from/manifest" >"$1"; } 2>/dev/null &&
        [ "$(wc -l <"$from/manifest")" = "$(wc -l <"$1")" ] && return 0
    rm -f "$1"
    return 1
}

# What came with files of a change that is being undone has to be back once the old ones count
# again. At boot no server runs yet, and each begins with them.
find_unrestored() {
    [ "${UNDO:-}" = yes ] && [ "${MODE:-}" != boot ] || return 0
    while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
        [ "$step=$write" = value=file ] || continue
        read_value "$path" || :
        # What the old files had waiting came with the restart back.
        case $REPLY in "$before" | "$waited") continue ;; esac
        # One that was not restarted for the change is down for another reason, and has its old files.
        if [ "$REPLY" = @down ] && ! grep -qs "^restarted$TAB" "$from/progress"; then
            emit note "$tunable: the server is down, and starts with what its own files say"
            continue
        fi
        FAILED=yes
        emit failed "$tunable" "$path" "$before" "$REPLY"
    done <"$from/manifest"
}

is_foreign() {
    case $FOREIGN in *"$NEWLINE$1$NEWLINE"*) return 0 ;; esac
    return 1
}

keep_foreign() {
    FOREIGN=$FOREIGN$1$NEWLINE
    emit foreign "$1" "$2" "$3" "$4"
}

# A server that was killed comes back, and reads its data first. At boot none runs yet.
await_servers() {
    [ "${MODE:-}" != boot ] || return 0
    redis_servers_of "$from/manifest" |
        while IFS= read -r server; do
            for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
                redis_ask "$server" PING
                case $SAID in *"Could not connect"* | *LOADING*) sleep 1 ;; *) break ;; esac
            done
        done
}

# tunable path before after restore
restore_value() {
    read_value "$2" || :
    [ "$REPLY" = "$3" ] && return 0
    if [ "$REPLY" = @down ]; then
        FOREIGN=$FOREIGN$2$NEWLINE
        emit note "$1: the server is down, and starts with what its own files say"
        return 0
    fi
    # A server that lets nobody in any more may hold anything.
    case $2=$REPLY in redis:*=@unreadable)
        FAILED=yes
        FOREIGN=$FOREIGN$2$NEWLINE
        emit failed "$1" "$2" "$3" "$REPLY" "${SAID%%"$NEWLINE"*}"
        return 0
        ;;
    esac
    # What came with a device, an interface, goes with it, and is nobody's then.
    case $2=$REPLY=$4 in
    /*=@absent=@absent) ;;
    /*=@absent=*)
        FOREIGN=$FOREIGN$2$NEWLINE
        emit note "$1 is gone, and with it what there was to put back"
        return 0
        ;;
    esac
    if [ "$REPLY" != "$4" ] && [ "${FORCE:-}" != yes ] && ! was_left_by_us "$2" "$REPLY"; then
        keep_foreign "$2" "$3" "$4" "$REPLY"
        return 0
    fi
    [ "$5" = skip ] && return 0
    LOOKED=
    write_value "$2" "$3" || :
}

# tunable path before after, of an object in a database: after the files, when its server has
# been started with them; or of a package. A change that never came as far as this one has nothing to take back.
restore_object() {
    if [ "${UNDO:-}" = yes ]; then was_begun "$2" || return 0; fi
    # At boot no server runs yet, and none can be started or stopped by the scripts of a package.
    if [ "${MODE:-}" = boot ]; then
        LATER=yes
        return 0
    fi
    package_await "$2"
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        read_value "$2" || :
        [ "$REPLY" = @down ] || break
        sleep 1
    done
    [ "$REPLY" = "$3" ] && return 0
    if [ "$REPLY" != "$4" ] && [ "$REPLY" != @down ] && [ "${FORCE:-}" != yes ] &&
        ! is_half_package "$2" "$REPLY"; then
        keep_foreign "$2" "$3" "$4" "$REPLY"
        return 0
    fi
    ERROR=
    [ "$REPLY" = @down ] || write_value "$2" "$3" || :
    why=$ERROR
    read_value "$2" || :
    [ "$REPLY" = "$3" ] && return 0
    FAILED=yes
    emit failed "$1" "$2" "$3" "$REPLY" "$why"
}

was_begun() {
    grep -qxF "intent$TAB$1" "$from/progress" 2>/dev/null
}

# What services load and was not there before, once none of them does any more.
unload_restored() {
    may_unload "$from/manifest" 3 && restore_file "$LOADED" @absent "$(loaded_by "$from/manifest")"
    unload_directory "$from/manifest" present
}

loaded_by() {
    awk -F '\t' -v path="$LOADED" '$1 == "file" && $2 == path { print $4 }' "$1"
}

# A value that the kernel clamped, that moved when another one was written, or that we were writing
# when we were killed, is ours.
was_left_by_us() {
    [ -r "$from/progress" ] || return 1
    awk -F '\t' -v path="$1" -v value="$2" '
        $1 == "intent" && $2 == path { ours = 1 }
        ($1 == "wrote" || $1 == "moved") && $2 == path { ours = ($3 == value) }
        END { exit !ours }' "$from/progress"
}

# What changed along with what was written, beyond the plan. $1: look (before anything is put back,
# whether somebody else has changed it since), put, or check.
restore_collateral() {
    [ -r "$from/progress" ] || return 0
    awk -F '\t' '$1 == "collateral" { line[$2] = $0 } END { for (path in line) print line[path] }' \
        "$from/progress" | sort >"$STATE/.collateral"
    while IFS= read -r line; do
        is_sealed "$line" || { [ "$1" != look ] || fail_line "$line"; continue; }
        IFS=$TAB read -r word path before after seal <<COLLATERAL
$line
COLLATERAL
        ! is_foreign "$path" || continue
        read_value "$path" || continue
        [ "$REPLY" != "$before" ] || continue
        case $1 in
        look) [ "$REPLY" = "$after" ] || [ "${FORCE:-}" = yes ] || keep_foreign "$path" "$before" "$after" "$REPLY" ;;
        put) write_value "$path" "$before" || : ;;
        check)
            FAILED=yes
            emit failed - "$path" "$before" "$REPLY" "${ERROR:-}"
            ;;
        esac
    done <"$STATE/.collateral"
    rm -f "$STATE/.collateral"
}

# A line of the progress that was changed names what nothing else does, so nothing is done by it.
fail_line() {
    FAILED=yes
    emit failed - "$from/progress" whole "a line was changed: $1"
}

# Write again what a later write reset, then read everything back.
settle() {
    for round in 1 2 3; do
        unsettled=
        look "$from/manifest"
        while IFS=$TAB read -r step tunable path before after write restore patience needs waited; do
            [ "$step" = value ] || continue
            ! comes_later "$write" || continue
            is_foreign "$path" && continue
            read_value "$path" || :
            [ "$REPLY" = "$before" ] && continue
            unsettled=yes
            if [ "$round" = 3 ]; then
                FAILED=yes
                emit failed "$tunable" "$path" "$before" "$REPLY" "${ERROR:-}"
            elif [ "$restore" = set ]; then
                LOOKED=
                write_value "$path" "$before" || :
            fi
        done <"$from/manifest"
        LOOKED=
        [ -n "$unsettled" ] || return 0
    done
}

# What only a change that is being undone made: no bytes of anybody else's are in it.
remove_made() {
    [ "${UNDO:-}" = yes ] && [ -r "$from/progress" ] && [ -z "$FAILED" ] || return 0
    while IFS= read -r line; do
        case $line in made"$TAB"/*/?*) ;; *) continue ;; esac
        is_sealed "$line" || { fail_line "$line"; continue; }
        path=${line#*"$TAB"}
        rm -rf "${path%%"$TAB"*}"
    done <"$from/progress"
}

# What was to become file $1 when its writer was killed.
remove_unfinished() {
    ERROR=$(rm -f "$1.optimizer-new" 2>&1) && return 0
    UNPUT=yes
    FAILED=yes
    emit failed - "$1.optimizer-new" @absent present "$ERROR"
}

# path before after, each `sha256 mode uid:gid` or @absent
restore_file() {
    remove_unfinished "$1"
    describe_file "$1"
    [ "$REPLY" = "$2" ] && return 0
    # Its old bytes would not have the kernels that came since.
    if [ "$REPLY" != "$3" ] && [ "$1" = "$GRUB_CONFIG" ]; then
        REMAKE=yes
        return 0
    fi
    if [ "$REPLY" != "$3" ] && [ "${FORCE:-}" != yes ]; then
        keep_foreign "$1" "$2" "$3" "$REPLY"
        return 0
    fi
    put_file "$1" "$2" "$from/files"
    describe_file "$1"
    [ "$REPLY" = "$2" ] && return 0
    UNPUT=yes
    FAILED=yes
    emit failed - "$1" "$2" "$REPLY" "${ERROR:-}"
}

# Once the files are back that the menu of GRUB is made of.
restore_menu() {
    [ -n "$REMAKE" ] || return 0
    if remake_menu "$from"; then
        emit note "$GRUB_CONFIG was made anew since, and was made once more"
    else
        FAILED=yes
        emit failed - "$GRUB_CONFIG" made other "$ERROR"
    fi
}

# Make path $1 the file $2 (`sha256 mode uid:gid` or @absent) with the bytes from folder $3.
put_file() {
    ERROR=
    case $1 in /etc/systemd/system/*) RELOAD=yes ;; esac
    if [ "$2" = @absent ]; then
        end_unit "$1"
        ERROR=$(rm -f "$1" 2>&1) || return 1
        flush "${1%/*}"
        return 0
    fi
    sha=${2%% *}
    rights=${2#* }
    ERROR=$({ cp "$3/$sha" "$1.optimizer-new" && is_named_by "$1.optimizer-new" "$sha" && chown "${rights#* }" "$1.optimizer-new" &&
        chmod "${rights%% *}" "$1.optimizer-new" && flush "$1.optimizer-new" &&
        mv -f "$1.optimizer-new" "$1"; } 2>&1) || {
        rm -f "$1.optimizer-new"
        return 1
    }
    flush "${1%/*}"
}

# Whether the bytes of $1 are those with the hash $2: what was damaged is not put anywhere.
is_named_by() {
    sha256_of "$1"
    [ "$REPLY" = "$2" ] && return 0
    printf '%s\n' "its bytes were changed where they are kept" >&2
    return 1
}

# Without its file a unit that is active, at work or failed would still be listed, as one that was
# not found, until the next boot.
end_unit() {
    case $1 in /etc/systemd/system/*.service | /etc/systemd/system/*.timer) ;; *) return 0 ;; esac
    runs_systemd || return 0
    case $(systemctl is-active "${1##*/}" 2>/dev/null) in inactive | unknown | '') return 0 ;; esac
    systemctl stop "${1##*/}" >/dev/null 2>&1 </dev/null
    systemctl reset-failed "${1##*/}" >/dev/null 2>&1 </dev/null
}

# path before after
restore_link() {
    describe_link "$1"
    [ "$REPLY" = "$2" ] && return 0
    if [ "$REPLY" != "$3" ] && [ "${FORCE:-}" != yes ]; then
        keep_foreign "$1" "$2" "$3" "$REPLY"
        return 0
    fi
    put_link "$1" "$2"
    describe_link "$1"
    [ "$REPLY" = "$2" ] && return 0
    UNPUT=yes
    FAILED=yes
    emit failed - "$1" "$2" "$REPLY" "${ERROR:-}"
}

put_link() {
    case $1 in /etc/systemd/system/*) RELOAD=yes ;; esac
    if [ "$2" = @absent ]; then
        ERROR=$(rm -f "$1" 2>&1)
    else
        ERROR=$(ln -sfn "$2" "$1" 2>&1)
    fi
}

# path present|absent before original size line replaces
restore_line() {
    remove_unfinished "$1"
    if [ "$2" = present ]; then
        grep -qxF -- "$6" "$1" 2>/dev/null || return 0
        put_line "$1" absent "$3" "$5" "$6" "$7"
        describe_file "$1"
        [ "$REPLY" = "$3" ] || keep_foreign "$1" "$3" - "$REPLY"
        ! grep -qxF -- "$6" "$1" 2>/dev/null && return 0
    else
        grep -qxF -- "$6" "$1" 2>/dev/null && return 0
        put_line "$1" present - 0 "$6" "$7"
        grep -qxF -- "$6" "$1" 2>/dev/null && return 0
    fi
    UNPUT=yes
    FAILED=yes
    emit failed - "$1" "$3" "$REPLY" "${ERROR:-}"
}

# Make $5 the last line of file $1 (present), or take it out (absent): down to the first $4
# bytes where those are the file $3, else only the line. Where it stands in for another line $6,
# it takes that one's place, and gives it back. Owner and mode stay.
put_line() {
    new=$1.optimizer-new
    ERROR=$({ cp -p "$1" "$new" && put_line_into "$@" && flush "$new" && mv -f "$new" "$1"; } 2>&1) || {
        rm -f "$new"
        return 1
    }
    flush "${1%/*}"
}

put_line_into() {
    if [ "${6:-@empty}" != @empty ]; then
        if [ "$2" = present ]; then put_in_place "$1" "$6" "$5"; else put_in_place "$1" "$5" "$6"; fi
        return
    fi
    if [ "$2" = present ]; then
        [ -z "$(tail -c 1 "$1")" ] || printf '\n' >>"$new"
        printf '%s\n' "$5" >>"$new"
        return
    fi
    head -c "$4" "$1" >"$new"
    sha256_of "$new"
    # What somebody added behind our line is theirs.
    rest=$(tail -c "+$(($4 + 1))" "$1"; printf x)
    rest=${rest#"$NEWLINE"}
    { [ "$REPLY" = "${3%% *}" ] && [ "$rest" = "$5${NEWLINE}x" ]; } || grep -vxF -- "$5" "$1" >"$new" || [ ! -s "$new" ]
}

# The last line of file $1 that is $2 becomes $3, byte for byte what else there is.
put_in_place() {
    old=$2 new_line=$3 awk '{ line[NR] = $0; if ($0 == ENVIRON["old"]) last = NR }
        END { if (!last) exit 1
              for (i = 1; i <= NR; i++) print (i == last ? ENVIRON["new_line"] : line[i]) }' "$1" >"$new"
}

# path, and what it was set aside as
restore_move() {
    [ -e "$2" ] || return 0
    if [ -e "$1" ]; then
        emit note "$1 is there again; what was set aside stays as $2"
    else
        ERROR=$(mv "$2" "$1" 2>&1) && return 0
        FAILED=yes
        emit failed - "$1" present @absent "$ERROR"
    fi
}

# name, and whether the change loaded or unloaded it
restore_module() {
    if [ "$2" = loaded ]; then
        unload_module "$1"
    else
        modprobe "$1" 2>/dev/null </dev/null || :
    fi
}

unload_module() {
    [ -e "/sys/module/$1/initstate" ] || return 0
    modprobe -r "$1" 2>/dev/null </dev/null || emit note "kernel module $1 is in use and stays loaded"
}

# Remove directory $1, unless somebody else has put a file into it. 1: it cannot be, and why is in ERROR.
drop_directory() {
    [ -d "$1" ] || return 0
    ERROR=$(rmdir "$1" 2>&1) || [ -n "$(ls -A "$1")" ]
}

# path, and whether the change made it (present) or took it away (absent)
restore_directory() {
    if [ "$2" = present ]; then
        drop_directory "$1" && return 0
        FAILED=yes
        emit failed - "$1" @absent present "$ERROR"
    else
        [ -d "$1" ] || { mkdir "$1" && chmod 755 "$1"; }
    fi
}

# action argument: files count again only after systemd and its timers read them.
restore_action() {
    if [ "$1" = reload-postgresql ]; then
        if reload_postgresql "$2"; then
            [ "${UNDO:-}" != yes ] || unmark_postgresql "$2"
        else
            emit note "the cluster at $2 could not read its files again"
        fi
        return
    fi
    if [ "$1" = reload-pgbouncer ]; then
        reload_pgbouncer "$2" || emit note "the PgBouncer at $2 could not read its files again"
        return
    fi
    runs_systemd || return 0
    case $1 in
    daemon-reload) ! needs_reload || systemctl daemon-reload >/dev/null 2>&1 </dev/null ;;
    restart-timer) restart_timer "$2" ;;
    start-timer) start_timer "$2" || emit note "$2 could not be started again" ;;
    restart-unit) restart_back "$2" ;;
    restart-postgresql) restart_back "${2%% *}" && await_postgresql "${2#* }" ;;
    restart-node)
        restart_back "$2" && await_first "$2"
        forget_sockets "$2"
        ;;
    esac
}

# Whether systemd has not read the files of units as they are now: an earlier try of this restore may
# have been killed behind them.
needs_reload() {
    [ -z "$RELOAD" ] || return 0
    units=$(awk -F '\t' '$1 == "file" && sub(/^\/etc\/systemd\/system\//, "", $2) { sub(/(\.d)?\/.*/, "", $2); print $2 }' \
        "$from/manifest" | sort -u)
    # shellcheck disable=SC2086
    [ -n "$units" ] && systemctl show -p NeedDaemonReload -- $units 2>/dev/null | grep -qx NeedDaemonReload=yes
}

# 1: unit $1 was not restarted for the change, or is not now.
restart_back() {
    grep -qxF "restarted$TAB$1" "$from/progress" 2>/dev/null || return 1
    case ${MODE:-} in
    manual)
        emit note "$1 runs with the changed settings until it is restarted"
        return 1
        ;;
    boot) return 1 ;; # it starts later, with the old settings
    esac
    # Where not all files are back, there is another try.
    if systemctl --quiet is-active "$1" && { [ -n "$UNPUT" ] || is_back "$1"; }; then return 1; fi
    # It ran before the change, so it has to run again, also when the change made it fail; with
    # its old settings, which systemd has to have read by then.
    ! needs_reload || systemctl daemon-reload >/dev/null 2>&1 </dev/null
    systemctl reset-failed "$1" >/dev/null 2>&1 </dev/null
    systemctl restart "$1" >/dev/null 2>&1 </dev/null || {
        FAILED=yes
        emit failed - "$1" active failed
    }
}

# Whether unit $1 was started since the timer fired: an earlier try of this restore did that.
is_back() {
    fired=$(systemctl show -P LastTriggerUSecMonotonic -- "optimizer-restore-$(header "$from" run).timer" 2>/dev/null)
    started=$(systemctl show -P ActiveEnterTimestampMonotonic -- "$1" 2>/dev/null)
    case $fired$started in *[!0-9]*) return 1 ;; esac
    [ "${fired:-0}" -gt 0 ] && [ "${started:-0}" -gt "$fired" ]
}

# systemd refuses a unit that starts more than five times in ten seconds; a change soon followed
# by its way back is no fault of the unit's.
restart_timer() {
    systemctl reset-failed "$1" >/dev/null 2>&1 </dev/null
    systemctl try-restart "$1" >/dev/null 2>&1 </dev/null
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

# A timer of ours, which end_unit has stopped where its file is gone; systemd reads the file first.
# At boot the timer waits for us, and so we do not wait for it.
start_timer() {
    [ -e "/etc/systemd/system/$1" ] || return 0
    wait=
    [ "${MODE:-}" != boot ] || wait=--no-block
    systemctl daemon-reload >/dev/null 2>&1 </dev/null
    systemctl reset-failed "$1" >/dev/null 2>&1 </dev/null
    systemctl restart $wait "$1" >/dev/null 2>&1 </dev/null
}

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
