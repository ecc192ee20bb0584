# What systemd and the kernel have loaded, where they would not follow our files by themselves.

# systemd refuses a unit that starts more than five times in ten seconds; a change soon followed
# by its way back is no fault of the unit's.
restart_timer() {
    systemctl reset-failed "$1" >/dev/null 2>&1 </dev/null
    systemctl try-restart "$1" >/dev/null 2>&1 </dev/null
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

# Without its file a unit that is active, at work or failed would still be listed, as one that was
# not found, until the next boot.
end_unit() {
    case $1 in /etc/systemd/system/*.service | /etc/systemd/system/*.timer) ;; *) return 0 ;; esac
    runs_systemd || return 0
    case $(systemctl is-active "${1##*/}" 2>/dev/null) in inactive | unknown | '') return 0 ;; esac
    systemctl stop "${1##*/}" >/dev/null 2>&1 </dev/null
    systemctl reset-failed "${1##*/}" >/dev/null 2>&1 </dev/null
}

unload_module() {
    [ -e "/sys/module/$1/initstate" ] || return 0
    modprobe -r "$1" 2>/dev/null </dev/null || emit note "kernel module $1 is in use and stays loaded"
}
