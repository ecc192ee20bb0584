# Put back what a change did on the disk. What is neither as before nor as we left it is kept.

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
    ! stays_foreign "$@" || return 0
    put_file "$1" "$2" "$from/files"
    describe_file "$1"
    [ "$REPLY" = "$2" ] || fail_put "$1" "$2" "$REPLY" "${ERROR:-}"
}

# Whether REPLY, what $1 is now, is neither as before ($2) nor as we left it ($3), and is kept.
stays_foreign() {
    if [ "$REPLY" = "$3" ] || [ "${FORCE:-}" = yes ]; then return 1; fi
    keep_foreign "$1" "$2" "$3" "$REPLY"
}

# What is on the disk is not as before: no service is started with that, and there is another try.
fail_put() {
    UNPUT=yes
    FAILED=yes
    emit failed - "$@"
}

# What was to become file $1 when its writer was killed.
remove_unfinished() {
    ERROR=$(rm -f "$1.optimizer-new" 2>&1) || fail_put "$1.optimizer-new" @absent present "$ERROR"
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

# What services load and was not there before, once none of them does any more.
unload_restored() {
    may_unload "$from/manifest" 3 && restore_file "$LOADED" @absent "$(loaded_by "$from/manifest")"
    unload_directory "$from/manifest" present
}

loaded_by() {
    awk -F '\t' -v path="$LOADED" '$1 == "file" && $2 == path { print $4 }' "$1"
}

# path before after
restore_link() {
    describe_link "$1"
    [ "$REPLY" = "$2" ] && return 0
    ! stays_foreign "$@" || return 0
    put_link "$1" "$2"
    describe_link "$1"
    [ "$REPLY" = "$2" ] || fail_put "$1" "$2" "$REPLY" "${ERROR:-}"
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
    fail_put "$1" "$3" "$REPLY" "${ERROR:-}"
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
