# Node services: their processes, what those were started with, and whether a service is well.
# A variable of its environment and a directive of its unit are values at `node:UNIT/NAME`: what the
# first Node process of the unit has. They change through a drop-in and a restart, and are never
# written here.

# What running services load. It is taken away, with its directory, when none of them does any more.
LIBRARY=/usr/local/lib/optimizer
LOADED=$LIBRARY/node-probe.cjs

# All processes of unit $1, but not of a user's unit of the same name.
processes_of_unit() {
    printf '%s\n' /proc/[0-9]*/cgroup | xargs grep -sHF "/$1" | unit=$1 awk '
        { path = $0; sub(/^[^:]*:[^:]*:[^:]*:/, "", path); at = index(path, "/" ENVIRON["unit"])
          rest = substr(path, at + length(ENVIRON["unit"]) + 1)
          if (path ~ /\/user@/ || (rest != "" && rest !~ /^\//)) next
          pid = $0; sub(/^\/proc\//, "", pid); sub(/\/.*/, "", pid); if (!seen[pid]++) print pid }'
}

# Whether process $1 is Node: by its program, as a program may give itself any name.
is_node() {
    program=$(node_program "$1")
}

# Print the program of process $1 if it is Node, without what an upgrade has appended to it.
node_program() {
    REPLY=$(readlink "/proc/$1/exe") || return 1
    REPLY=${REPLY%' (deleted)'}
    case $REPLY in *"$TAB"* | *"$NEWLINE"*) return 1 ;; esac
    case ${REPLY##*/} in
    node | nodejs | node[0-9]* | node-v[0-9]* | node-[0-9]*) printf '%s' "$REPLY" ;;
    *) return 1 ;;
    esac
}

# `number<tab>program` of every Node process, one a line. A program may lie in a folder whose name
# looks like two lines of the list: the first look, one process for all of them, only finds numbers.
node_programs() {
    printf '%s\n' /proc/[0-9]*/exe | xargs ls -ln 2>/dev/null |
        sed -n 's|.* /proc/\([0-9]*\)/exe -> .*/node[^/]*$|\1|p' |
        while IFS= read -r number; do
            path=$(node_program "$number") && emit "$number" "$path"
        done
}

parent_of() {
    sed -n 's/^PPid:[^0-9]*//p' "/proc/$1/status" 2>/dev/null
}

# The first Node process of unit $1, in REPLY; empty when none runs. `npm start` is Node as well,
# and what it starts through a shell is the younger of the two.
node_first() {
    REPLY=
    for pid in $(processes_of_unit "$1"); do
        is_node "$pid" || continue
        is_node "$(parent_of "$pid")" || [ "${REPLY:-0}" -gt "$pid" ] || REPLY=$pid
    done
}

# Variable $2 of process $1. A line break within a value is none between variables.
node_variable() {
    { tr '\n\0' ' \n' <"/proc/$1/environ"; } 2>/dev/null | sed -n "s/^$2=//p" | head -n 1
}

# Directive $2 of its unit as the kernel holds it for process $1, in REPLY. 1: it does not tell.
node_directive() {
    case $2 in
    LimitNOFILE) REPLY=$(awk '/^Max open files/ { print $4 == $5 ? $4 : $4 ":" $5 }' "/proc/$1/limits") ;;
    OOMScoreAdjust) REPLY=$(cat "/proc/$1/oom_score_adj") ;;
    Nice) REPLY=$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 17) ;;
    CPUAffinity) REPLY=$(sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "/proc/$1/status") ;;
    MemoryMax) REPLY=$(cat "/sys/fs/cgroup$(sed -n 's/^0::\(.*\.service\).*/\1/p' "/proc/$1/cgroup")/memory.max") ;;
    *) REPLY= ;;
    esac 2>/dev/null
    case $REPLY in unlimited | max) REPLY=infinity ;; esac
    [ -n "$REPLY" ]
}

# As read_value; REPLY is @down (and 1 returned) where no Node process of the unit runs.
node_read() {
    variable=${1##*/}
    node_first "$(node_unit "$1")"
    [ -n "$REPLY" ] || { REPLY=@down; return 1; }
    case $variable in *[a-z]*)
        node_directive "$REPLY" "$variable" && return 0
        REPLY=@unreadable
        return 2 ;;
    esac
    [ -r "/proc/$REPLY/environ" ] || { REPLY=@unreadable; return 2; }
    squeeze "$(node_variable "$REPLY" "$variable")"
    [ -n "$REPLY" ] || REPLY=@empty
}

# The unit in `node:UNIT/NAME`.
node_unit() {
    set -- "${1#node:}"
    printf '%s' "${1%/*}"
}

# Run command $2.. as user $1, with nothing in its environment; a user that exists only while its
# service runs is nobody.
as_node_user() {
    who=$1
    shift
    id "$who" >/dev/null 2>&1 || who=nobody
    set -- env -i PATH="$PATH" HOME=/ "$@"
    if has timeout; then set -- timeout 30 "$@"; fi
    as_user "$who" "$@" </dev/null
}

# Whether program $2 may be run as user $1: one that others can change never has root's rights.
may_run() {
    [ "$(id -u "$1" 2>/dev/null)" != 0 ] || is_roots "$2"
}

# Program $2 starts with NODE_OPTIONS $3 as user $1, in the directory $4; else its words are in SAID.
node_starts() {
    SAID=$(cd "$4" && as_node_user "$1" NODE_OPTIONS="$3" "$2" -e 0 2>&1)
}

# The very program of unit $1 tries what our drop-in has for it, before systemd reads that file.
check_node() {
    options=$(sed -n 's/^Environment="NODE_OPTIONS=\(.*\)"$/\1/p' "/etc/systemd/system/$1.d/zz-optimizer-node.conf" |
        sed 's/\\\(.\)/\1/g; s/%%/%/g')
    node_first "$1"
    [ -n "$REPLY" ] && [ -n "$options" ] || return 0
    pid=$REPLY
    is_node "$pid"
    user=$(stat -c %U "/proc/$pid")
    if ! may_run "$user" "$program"; then
        emit problem node - "$1" "runs what only root can change" "$program can be changed by others"
        return 1
    fi
    # A unit may see other directories than the host does.
    case $options in *"$LOADED"*)
        if [ ! -e "/proc/$pid/root$LOADED" ]; then
            emit problem node - "$1" "sees $LOADED" 'does not, as its unit hides it'
            return 1
        fi ;;
    esac
    place=$(readlink "/proc/$pid/cwd")
    [ -d "$place" ] || place=/
    node_starts "$user" "$program" "$options" "$place" && return 0
    why=$(printf '%s\n' "$SAID" | awk 'NF { if (!first) first = $0 } /[Ee]rror: / { print; found = 1; exit } END { if (!found) print first }')
    # What it cannot do as it is now says nothing of the change.
    if ! node_starts "$user" "$program" "$(node_variable "$pid" NODE_OPTIONS)" "$place"; then
        emit note "$1: its options could not be tried, as $program does not start with those it has: $why"
        return 0
    fi
    emit problem node - "$1" starts "$why"
    return 1
}

# The inodes of the sockets that process $1 has open, in one line.
sockets_of() {
    for link in "/proc/$1/fd"/*; do readlink "$link"; done 2>/dev/null |
        sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' '
}

# Where unit $1 listens for TCP, one a line as the kernel prints it. Ports that the kernel chooses
# differ from start to start.
node_listeners() {
    lowest=32768
    { read -r lowest rest </proc/sys/net/ipv4/ip_local_port_range; } 2>/dev/null
    pids=$(processes_of_unit "$1")
    [ -n "$pids" ] || return 0
    sockets=$(for pid in $pids; do sockets_of "$pid"; done)
    pid=${pids%%"$NEWLINE"*}
    cat "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null | awk -v sockets="$sockets" -v lowest="$lowest" '
        function hex(text,  value, i) {
            for (i = 1; i <= length(text); i++) value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
            return value
        }
        BEGIN { count = split(sockets, own, " "); for (i = 1; i <= count; i++) mine[own[i]] = 1 }
        $4 == "0A" && ($10 in mine) && hex(substr($2, index($2, ":") + 1)) < lowest { print $2 }' | sort -u
}

# Say how unit $1 fares instead of being active. 1: always.
not_well() {
    fares=$(systemctl show -p ActiveState -p Result -p NRestarts -- "$1" | tr '\n' ' ')
    emit problem restart-node - "$1" active "${fares% }"
    return 1
}

# Unit $1 stays active, and listens again where it did before ($2).
await_node() {
    for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        if ! systemctl --quiet is-active "$1" || is_restarted "$1"; then
            not_well "$1"
            return
        fi
        missing=$(node_listeners "$1" | old=$2 awk '{ now[$0] }
            END { count = split(ENVIRON["old"], line, "\n")
                  for (i = 1; i <= count; i++) if (!(line[i] in now)) print line[i] }')
        [ -n "$missing" ] || probe_answers "$1" && return 0
        sleep 1
    done
    if [ -n "$missing" ]; then
        emit problem node - "$1" "listens on port $((0x${missing##*:}))" 'does not after its restart'
    else
        emit problem node - "$1" 'answers through the probe' 'does not after its restart'
    fi
    return 1
}

# A Node process of unit $1 runs again; what it is handed at its start can be read then.
await_first() {
    for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        node_first "$1"
        [ -z "$REPLY" ] || return 0
        sleep 1
    done
}

# The directory of the sockets of unit $1 goes when nothing has it made any more: systemd stops a service
# by what its files say by then, and has forgotten it.
forget_sockets() {
    sockets=/run/optimizer-node-${1%.service}
    [ -d "$sockets" ] && ! grep -qs "^RuntimeDirectory=optimizer-node-" "/etc/systemd/system/$1.d/zz-optimizer-node.conf" || return 0
    # The old process may not have been restarted.
    grep -qF "$sockets/" /proc/net/unix || rm -rf "$sockets"
}

# Where the probe is part of what unit $1 was started with, it answers on its socket.
probe_answers() {
    node_first "$1"
    [ -n "$REPLY" ] || return 1
    pid=$REPLY
    node_variable "$pid" NODE_OPTIONS | grep -qF "$LOADED" || return 0
    sockets=$(sockets_of "$pid")
    socket=$(awk -v sockets="$sockets" '
        BEGIN { count = split(sockets, own, " "); for (i = 1; i <= count; i++) mine[own[i]] = 1 }
        ($7 in mine) && $8 ~ /\/optimizer-node-[0-9]+\.sock$/ { print $8; exit }' "/proc/$pid/net/unix")
    [ -n "$socket" ] && is_node "$pid" && may_run "$(stat -c %U "/proc/$pid")" "$program" || return 1
    # shellcheck disable=SC2016
    as_node_user "$(stat -c %U "/proc/$pid")" "$program" -e '
        require("http").get({ socketPath: process.argv[1], timeout: 5000 }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1))
            .on("timeout", () => process.exit(1))' -- "$socket" >/dev/null 2>&1
}

# Print the processes that were started with our file, by number.
loading_processes() {
    printf '%s\n' /proc/[0-9]*/environ | xargs grep -lsF "$LOADED" | cut -d / -f 3
}

# Whether path $1 goes only after the services have been restarted.
goes_last() {
    case $1 in "$LIBRARY" | "$LOADED") return 0 ;; esac
    return 1
}

# Whether our file may go, as manifest $1 has it: in field $2 it is absent.
may_unload() {
    awk -F '\t' -v path="$LOADED" -v field="$2" '$1 == "file" && $2 == path && $field == "@absent" { gone = 1 }
        END { exit !gone }' "$1" || return 1
    [ -n "$(loading_processes)" ] || return 0
    emit note "$LOADED stays, as services still run that load it: they have to be restarted first"
    return 1
}

# Whether its directory goes too, in manifest $1 by the word $2; it stays while anything is in it.
unload_directory() {
    ! grep -qx "directory$TAB$LIBRARY$TAB$2" "$1" || rmdir "$LIBRARY" 2>/dev/null || :
}
