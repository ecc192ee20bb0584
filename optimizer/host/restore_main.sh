# Entry point of the program kept in each journal and snapshot as `restore`.
#   restore automatic RUN ID  safety timer: put the journal back, if it is still that run's
#   restore boot - ID         at boot: put back whatever journal is there
#   restore manual DIR        a person: put the snapshot in DIR back (FORCE=yes: all of it)
# ID: the hash that the manifest had when the change began.
TASK=restoring

# An empty journal keeps others out meanwhile.
restore_snapshot() {
    if ! { ERROR=$(mkdir "$JOURNAL" 2>&1) && take_busy; }; then
        if [ -d "$JOURNAL" ]; then tell_pending waiting; else emit failed - "$JOURNAL" present @absent "$ERROR"; fi
        emit result busy
        return 1
    fi
    if restore_from "$1"; then
        record "$1" emergency-restored "${1##*/}"
        true >"$1/undone"
        emit result restored
        end_journal
    else
        emit result incomplete
        end_journal
        return 1
    fi
}

MODE=${1:-manual}

# Tell who looks into the journal of systemd, where standard error goes, how it ended.
ending() {
    code=$?
    # The timer tries again: there may be room on the disk by then.
    [ "$code" = 0 ] || [ -z "${AGAIN:-}" ] || code=75
    [ "$code" = 0 ] ||
        printf 'host optimizer: the unconfirmed change in %s is not put back: %s. On its controller: optimizer rollback INVENTORY\n' \
            "$JOURNAL" "${WHY:-see above}" >&2
    exit "$code"
}

# Put the journal back that nobody holds any more; $1: how long to wait for that.
restore_when_free() {
    if is_lockable; then
        until take_busy "$1"; do
            is_without_room || exit 0
            # At boot nobody else can be at work.
            [ "$MODE" != boot ] || break
            # Who armed the timer tries again.
            ! runs_systemd || { AGAIN=yes WHY=$ERROR; exit 1; }
        done
        # Meanwhile it may have been confirmed, and another change begun.
        [ "$MODE" = boot ] || is_waiting || { leave_busy; exit 0; }
    fi
    restore_journal
}

case $MODE in
automatic)
    RUN=$2
    KNOWN_ID=${3:-}
    is_waiting || exit 0
    # However long a change takes, its restore waits for it.
    trap ending EXIT
    restore_when_free 100000
    ;;
boot)
    KNOWN_ID=${3:-}
    [ -d "$JOURNAL" ] || [ -h "$JOURNAL" ] || exit 0
    # The unit can be started at any time; in the boot of the change the timer sees to it.
    ! is_journal_whole || ! is_of_this_boot || exit 0
    trap ending EXIT
    restore_when_free 1
    ;;
manual)
    set -- manual "${2%/}"
    if [ "$2" = "$JOURNAL" ]; then
        trap ending EXIT
        if is_lockable && ! take_busy 120; then
            tell_pending waiting
            emit result busy
            exit 1
        fi
        restore_journal
    elif ! is_whole "$2" "${2##*/}"; then
        emit failed - "$2" whole "$WHY"
        emit result incomplete
        exit 1
    else
        restore_snapshot "$2" || exit 1
    fi
    ;;
esac
