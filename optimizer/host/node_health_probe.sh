# Ask the Node processes of the host about their health: what the kernel and systemd know of each,
# and what its probe says where it has one. Given by the controller: NODE_HEALTH yes or no;
# NODE_CLIENT, the program that asks.

# That many processes of a host are looked at.
NODE_MOST=200
# Of what one program answers for the processes of a user that much is read, in blocks of 512 bytes.
NODE_ANSWER=2048

probe_node_health() {
    [ "$NODE_HEALTH" = yes ] || return 0
    node_health_processes | head -n "$NODE_MOST" >"$scratch.node-health"
    while IFS=$TAB read -r name pid parent path; do
        node_health_process
    done <"$scratch.node-health" >"$scratch.node-sockets" 3>"$scratch.node-facts"
    cat "$scratch.node-facts"
    node_health_units
    cut -f 1-3 "$scratch.node-sockets" | sort -u >"$scratch.node-users"
    while IFS=$TAB read -r uid gid path; do node_health_ask; done <"$scratch.node-users"
}

# Every Node process outside of containers, one a line: its unit or `pid N`, its number, its
# parent, its program.
node_health_processes() {
    here=$(readlink /proc/self/ns/pid)
    node_programs | while IFS=$TAB read -r found program; do
        [ "$(readlink "/proc/$found/ns/pid")" = "$here" ] || continue
        emit "$(node_owner "$found")" "$found" "$(parent_of "$found")" "$program"
    done
}

# Print the unit of process $1, or `pid N`.
node_owner() {
    REPLY=$(sed -n 's/^[^:]*:[^:]*:\(.*\.service\).*/\1/p' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
    case $REPLY in
    '' | */docker* | */libpod* | */kubepods* | */machine.slice/* | */user@*) printf 'pid %s' "$1" ;;
    *) printf '%s' "${REPLY##*/}" ;;
    esac
}

# What the kernel knows of process $pid goes to file 3; the socket of its probe to standard output.
# Its path is that of a socket that the process has open, so that nobody can lay one for it.
node_health_process() {
    ls -ln "/proc/$pid/fd" 2>/dev/null >"$scratch.fds"
    emit node-process "$name" "$pid" "$parent" \
        "$(awk '/^VmRSS/ { printf "%.0f", $2 * 1024 }' "/proc/$pid/status" 2>/dev/null)" \
        "$(grep -c ' -> ' "$scratch.fds")" \
        "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits" 2>/dev/null)" >&3
    socket=$(awk -v fds="$scratch.fds" '
        FILENAME == fds { if (match($0, / -> socket:\[[0-9]+\]$/)) mine[substr($0, RSTART + 12, RLENGTH - 13)]; next }
        ($7 in mine) && $4 == "00010000" && /\/optimizer-node-[0-9]+\.sock$/ { sub(/^[^\/]*/, ""); print; exit }' \
        "$scratch.fds" "/proc/$pid/net/unix" 2>/dev/null)
    [ -n "$socket" ] || return 0
    if [ "$(readlink "/proc/$pid/root")" != / ]; then
        emit node-said "$pid" '@it has a root directory of its own' >&3
        return
    fi
    ids=$(awk '/^Uid:/ { uid = $3 } /^Gid:/ { print uid "\t" $3 }' "/proc/$pid/status" 2>/dev/null)
    emit "$ids" "$path" "$pid" "$socket"
}

node_health_units() {
    runs_systemd || return 0
    for drop_in in /etc/systemd/system/*.service.d/zz-optimizer-node.conf; do
        [ -e "$drop_in" ] || continue
        drop_in=${drop_in%.d/*}
        printf '%s\t\n' "${drop_in##*/}"
    done | cut -f 1 - "$scratch.node-health" | grep '\.service$' | sort -u >"$scratch.node-units"
    while IFS= read -r unit; do
        systemctl show --no-pager -p ActiveState -p NRestarts -p ActiveEnterTimestampMonotonic -p MemoryMax -- "$unit" |
            awk -F = -v unit="$unit" '{ print "node-unit\t" unit "\t" $1 "\t" $2 }'
    done <"$scratch.node-units"
}

# Ask the probes of user $uid, group $gid whose program is $path. It may be the user's own to
# write, so it has no more rights here than there, little time, and no room for a long answer;
# and it is believed only about processes that are its own.
node_health_ask() {
    key=$uid$TAB$gid$TAB$path awk -F '\t' '$1 "\t" $2 "\t" $3 == ENVIRON["key"] { print $4 "\t" $5 }' \
        "$scratch.node-sockets" >"$scratch.node-own"
    set --
    while IFS=$TAB read -r pid socket; do set -- "$@" "$pid" "$socket"; done <"$scratch.node-own"
    why=
    [ -x "$path" ] || why="@$path is gone: restart the service"
    [ "$uid" != 0 ] || is_roots "$path" || why="@$path is run by root and can be changed by others"
    [ -n "$why" ] || (
        ulimit -f "$NODE_ANSWER"
        cd / && node_health_run env -i "$path" -e "$NODE_CLIENT" "$@"
    ) </dev/null >"$scratch.node-said" 2>/dev/null
    while IFS=$TAB read -r pid socket; do
        said=$why
        [ -n "$why" ] || said=$(sed -n "s/^$pid$TAB//p" "$scratch.node-said" | head -n 1)
        emit node-said "$pid" "${said:-@$path gave no answer}"
    done <"$scratch.node-own"
}

# Run a command as user $uid, who may exist only while a service runs. It is timed from outside of
# that user's reach.
node_health_run() {
    if [ "$(id -u)" = "$uid" ]; then
        :
    elif setpriv --reuid=0 true 2>/dev/null; then
        set -- setpriv --reuid="$uid" --regid="$gid" --clear-groups --no-new-privs -- "$@"
    else
        # shellcheck disable=SC2016
        set -- su "$(id -nu "$uid")" -s /bin/sh -c '"$0" "$@"' -- "$@"
    fi
    timeout -k 1 10 "$@"
}
