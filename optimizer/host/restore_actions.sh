# Have what was put back count again: modules, units, servers, services.

# name, and whether the change loaded or unloaded it
restore_module() {
    if [ "$2" = loaded ]; then
        unload_module "$1"
    else
        modprobe "$1" 2>/dev/null </dev/null || :
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

# What this boot starts was chosen before the files were as they are now: what is gone by now is not
# started, and what is back is, when its turn comes. Nobody waits for that here, as it waits for us.
reload_at_boot() {
    [ "${MODE:-}" = boot ] && [ -n "$RELOAD" ] && runs_systemd || return 0
    systemctl daemon-reload >/dev/null 2>&1 </dev/null
    RELOAD=
}

# A link that has systemd start a unit, and what it was before: its file may have been gone alone.
start_wanted() {
    [ "${MODE:-}" = boot ] && [ "$2" != @absent ] && runs_systemd || return 0
    case $1 in /etc/systemd/system/*.wants/*) ;; *) return 0 ;; esac
    describe_link "$1"
    [ "$REPLY" = "$2" ] || return 0
    systemctl start --no-block "${1##*/}" >/dev/null 2>&1 </dev/null ||
        emit note "${1##*/} could not be started"
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
