# The processes of a host, found in one walk over /proc that all parts of a probe share.

# Print every process: its number and, as far as it goes on one line, its name.
list_processes() {
    # More of them than fit on one command line are no trouble for printf, which is the shell's own.
    printf '%s\n' /proc/[0-9]*/comm | xargs grep -sH '' |
        awk '{ cut = index($0, ":"); path = substr($0, 1, cut - 1); split(path, part, "/") }
            !(path in seen) { seen[path]; print part[3] "\t" substr($0, cut + 1) }'
}

# Print the numbers of the processes with one of the names $@, from the list at $processes. One
# whose parent has such a name as well is a child that works for it, and is left out.
first_processes() {
    awk -F '\t' -v names="$*" '
        BEGIN { count = split(names, name, " "); for (i = 1; i <= count; i++) wanted[name[i]] }
        $2 in wanted { known[$1]; order[++found] = $1 }
        END {
            for (i = 1; i <= found; i++) {
                status = "/proc/" order[i] "/status"; parent = ""
                while ((getline line <status) > 0)
                    if (line ~ /^PPid:/) { parent = substr(line, 6) + 0; break }
                close(status)
                if (parent != "" && !(parent in known)) print order[i]
            }
        }' "$processes"
}

# Print the systemd unit whose main process is $1; nothing where it is none. A process that a person
# began from a shell is in the unit of whatever that runs in, sshd for one, which is not its own.
unit_of_process() {
    unit=$(sed -n 's/.*\/\([^/]*\.service\)$/\1/p' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
    case $(systemctl show -p MainPID -- "${unit:--}" 2>/dev/null) in
    "MainPID=$1") printf '%s\n' "$unit" ;;
    esac
}
