# Entry point of the program kept in each journal and snapshot as `restore`.
#   restore automatic RUN   safety timer: put the journal back, if it is still that run's
#   restore boot            at boot: put back whatever journal is there
#   restore manual DIR      a person: put the snapshot in DIR back (FORCE=yes: all of it)
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
        : >"$1/undone"
        emit result restored
        end_journal
    else
        emit result incomplete
        end_journal
        return 1
    fi
}

MODE=${1:-manual}
case $MODE in
automatic)
    [ "$(header "$JOURNAL" run)" = "$2" ] || exit 0
    # However long a change takes, its restore waits for it.
    take_busy 100000 || exit 0
    # Meanwhile it may have been confirmed, and another change begun.
    [ "$(header "$JOURNAL" run)" = "$2" ] || { leave_busy; exit 0; }
    restore_journal
    ;;
boot)
    # The unit can be started at any time; in the boot of the change the timer sees to it.
    ! is_of_this_boot || exit 0
    take_busy || exit 0
    restore_journal
    ;;
manual)
    if [ "$2" = "$JOURNAL" ]; then
        take_busy 120 || { tell_pending waiting; emit result busy; exit 1; }
        restore_journal
    else
        restore_snapshot "$2" || exit 1
    fi
    ;;
esac
