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
    reload_at_boot
    while IFS=$TAB read -r step first second third fourth fifth sixth seventh eighth; do
        case $step in
        module) restore_module "$first" "$second" ;;
        link) start_wanted "$first" "$second" ;;
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
