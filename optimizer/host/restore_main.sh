# Entry point of the program kept in each journal and snapshot as `restore`.
#   restore automatic RUN ID  safety timer: put the journal back, if it is still that run's
#   restore boot - ID         at boot: put back whatever journal is there
#   restore manual DIR        a person: put the snapshot in DIR back (FORCE=yes: all of it)
# ID: the hash that the manifest had when the change began.
MODE=${1:-manual}

# Tell who looks into the journal of systemd, where standard error goes, how it ended.
ending() {
    code=$?
    [ "$code" = 0 ] ||
        printf 'host optimizer: the unconfirmed change in %s is not put back: %s. On its controller: optimizer rollback INVENTORY\n' \
            "$JOURNAL" "${WHY:-see above}" >&2
    exit "$code"
}

# Put the journal back that nobody holds any more; $1: how long to wait for that.
restore_when_free() {
    # What others may change is not even locked.
    if [ ! -h "$JOURNAL" ] && is_private "$JOURNAL"; then
        # Whoever held it is gone with the boot before.
        [ "$MODE" != boot ] || leave_busy
        take_busy "$1" || exit 0
    fi
    # Meanwhile it may have been confirmed, and another change begun.
    if [ "$MODE" = automatic ] && is_anothers "$RUN"; then
        leave_busy
        exit 0
    fi
    restore_journal
}

case $MODE in
automatic)
    RUN=$2
    KNOWN_ID=${3:-}
    if [ ! -d "$JOURNAL" ] || is_anothers "$RUN"; then exit 0; fi
    # However long a change takes, its restore waits for it.
    trap ending EXIT
    restore_when_free 100000
    ;;
boot)
    KNOWN_ID=${3:-}
    [ -d "$JOURNAL" ] || exit 0
    trap ending EXIT
    restore_when_free 1
    ;;
manual)
    set -- manual "${2%/}"
    if [ "$2" = "$JOURNAL" ]; then
        trap ending EXIT
        take_busy 120 || { emit result busy; exit 1; }
        restore_journal
    elif ! is_whole "$2" "${2##*/}"; then
        emit failed - "$2" whole "$WHY"
        emit result incomplete
        exit 1
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
