# Entry point of the program kept in each journal and snapshot as `restore`.
#   restore automatic RUN   safety timer: put the journal back, if it is still that run's
#   restore boot            at boot: put back whatever journal is there
#   restore manual DIR      a person: put the snapshot in DIR back (FORCE=yes: all of it)
MODE=${1:-manual}
case $MODE in
automatic)
    [ -d "$JOURNAL" ] && [ "$(header "$JOURNAL" run)" = "$2" ] || exit 0
    # However long a change takes, its restore waits for it.
    take_busy 100000 || exit 0
    # Meanwhile it may have been confirmed, and another change begun.
    [ "$(header "$JOURNAL" run)" = "$2" ] || { leave_busy; exit 0; }
    restore_journal
    ;;
boot)
    # Whoever held the journal is gone with the boot before.
    leave_busy
    take_busy 1 || exit 0
    restore_journal
    ;;
manual)
    if [ "$2" = "$JOURNAL" ]; then
        take_busy 120 || { emit result busy; exit 1; }
        restore_journal
    elif restore_from "$2"; then
        record "$2" emergency-restored "${2##*/}"
        : >"$2/undone"
        emit result restored
    else
        emit result incomplete
        exit 1
    fi
    ;;
esac
