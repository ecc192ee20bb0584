# Find the Redis and Valkey servers of the host and ask them about themselves.
# Given by the controller: REDIS parameters, REDIS_INFO fields of INFO, REDIS_HEALTH yes or no.

probe_redis() {
    [ -n "$REDIS" ] || [ "$REDIS_HEALTH" = yes ] || return 0
    [ "$REDIS_HEALTH" = no ] || REDIS="$REDIS bind protected-mode save appendonly disable-thp maxclients"
    REDIS=$(printf '%s\n' "$REDIS" | tr ' ' '\n' | sort -u)
    for pid in $(first_processes redis-server valkey-server redis-sentinel valkey-sentinel); do
        probe_server "$pid"
    done
    probe_servers_down
}

probe_server() {
    unit=$(unit_of_process "$1")
    here=$(readlink /proc/self/ns/net)
    if [ "$(readlink "/proc/$1/ns/net")" != "$here" ] && [ "$(id -u)" = 0 ]; then
        server_problem "pid $1" 'runs in a container, which is not managed from here'
        emit redis "pid $1" elsewhere yes
        return
    fi
    addresses=$(redis_addresses "$1")
    first=${addresses%%"$NEWLINE"*}
    if [ -z "$first" ]; then
        server_problem "${unit:-pid $1}" 'listens where this account cannot see it'
    elif ! has_redis_client; then
        server_problem "${first##*:}" 'needs redis-cli or valkey-cli on the host, and neither is there'
        emit redis "${first##*:}" address "$first"
    else
        probe_address "$1"
    fi
}

server_problem() {
    emit redis "${1%.service}" problem "$2"
    emit redis "${1%.service}" unit "$unit"
}

# Of several addresses the first counts at which it is really process $1 that answers.
probe_address() {
    why=
    for address in $addresses; do
        redis_ask "$address" 'INFO'
        case $SAID in
        *"process_id:$1$NEWLINE"*) describe_server "$1" "${address##*:}"; return ;;
        *WRONGPASS* | *"invalid password"* | *"without any password configured"*) why='does not accept the user and password that it was given' ;;
        *NOAUTH*) why='wants a password: redis_password in the inventory, or OPTIMIZER_REDIS_PASSWORD' ;;
        *NOPERM*) why='does not let this user ask for INFO' ;;
        *) [ -n "$why" ] || why="gives no answer to redis-cli: ${SAID%%"$NEWLINE"*}" ;;
        esac
    done
    server_problem "${first##*:}" "$why"
}

# Process $1, named $2, at $address; INFO is in SAID.
describe_server() {
    emit redis "$2" address "$address"
    emit redis "$2" unit "$unit"
    emit redis "$2" open_files "$(awk '/^Max open files/ { print $4 }' "/proc/$1/limits" 2>/dev/null)"
    printf '%s\n' "$SAID" | awk -F : -v name="$2" -v wanted="$REDIS_INFO" '
        BEGIN { count = split(wanted, field, " "); for (i = 1; i <= count; i++) known[field[i]] = 1 }
        $1 in known { value = substr($0, length($1) + 2); print "redis-info\t" name "\t" $1 "\t" value }
        /^db[0-9]+:keys=/ {
            split($2, part, ","); sub(/.*=/, "", part[1]); sub(/.*=/, "", part[2])
            keys += part[1]; expiring += part[2]
        }
        END { print "redis\t" name "\tkeys\t" keys + 0; print "redis\t" name "\texpiring\t" expiring + 0 }'
    redis_field redis_mode; mode=$REPLY
    redis_field config_file; config=$REPLY
    [ "$mode" != sentinel ] || return 0
    probe_parameters_of "$2"
    probe_fixed "$2"
    probe_open "$2"
    if [ -n "$config" ]; then probe_redis_files "$2" "$config"; fi
    if [ "$REDIS_HEALTH" = yes ]; then probe_redis_health "$2"; fi
}

# Some names are spelled with a `_` in older versions.
probe_parameters_of() {
    redis_ask "$address" "$(printf '%s\n' "$REDIS" | awk 'NF { sub(/\..*/, ""); print "CONFIG GET " $0 }
        /-cpulist/ { gsub(/-/, "_"); print "CONFIG GET " $0 }' | sort -u)"
    case $SAID in
    *NOPERM* | *"unknown command"* | *"Unknown command"*)
        emit redis "$1" problem 'does not let this user ask for CONFIG'
        ;;
    esac
    printf '%s\n' "$SAID" | awk -v name="$1" -v wanted="$REDIS" '
        BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) { sub(/\..*/, "", one[i]); known[one[i]] = 1 } }
        { plain = $0; gsub(/_/, "-", plain) }
        plain in known { param = $0; if ((getline value) <= 0) value = ""; print "redis-config\t" name "\t" param "\t" value }' |
        tee "$scratch.parameters"
}

# Two values for one parameter are refused whatever they are, and the server says why: because
# it is named twice, or, before that, because it cannot be changed while the server runs.
probe_fixed() {
    cut -f 3 "$scratch.parameters" | awk '{ print "CONFIG SET " $0 " x " $0 " x" }' >"$scratch.fixed"
    redis_ask "$address" "$(cat "$scratch.fixed")"
    printf '%s\n' "$SAID" | sed -n "s/.*argument '\(.*\)') - can't set immutable.*/\1/p" |
        while IFS= read -r parameter; do emit redis-fixed "$1" "$parameter"; done
    case $NEWLINE$REDIS$NEWLINE in *"${NEWLINE}activedefrag$NEWLINE"*) ;; *) return ;; esac
    # Several values count together or not at all, and the second is never taken.
    redis_ask "$address" 'CONFIG SET activedefrag yes maxmemory-samples 0'
    case $SAID in *"'activedefrag')"*) emit redis-unable "$1" activedefrag "${SAID#*") - "}" ;; esac
}

probe_open() {
    redis_login "$address"
    if [ -z "$REPLY" ] || [ "$(echo PING | redis_client "$address")" = PONG ]; then
        emit redis "$1" is_open yes
    fi
}

# Of the configuration only lines of the parameters asked for leave the host: others hold secrets.
probe_redis_files() {
    emit redis "$1" config_file "$2"
    include=${2%.conf}.optimizer.conf
    emit redis "$1" include "$include"
    probe_file "$include"
    emit_lined "$2" "include $include"
    redis_lines "$1" "$2" 1
    [ -n "$unit" ] && runs_systemd || return 0
    systemctl show -p ExecStart -p MemoryMax -- "$unit" >"$scratch.unit" 2>/dev/null
    emit redis "$1" memory_max "$(sed -n 's/^MemoryMax=//p' "$scratch.unit")"
    sed -n 's/.*argv\[\]=\([^;]*\);.*/\1/p' "$scratch.unit" |
        awk -v name="$1" -v wanted="$REDIS" '
            BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
            { count = split($0, argument, " --")
              for (i = 2; i <= count; i++) {
                  key = argument[i]; sub(/ .*/, "", key); value = argument[i]; sub(/^[^ ]* */, "", value); sub(/ *$/, "", value)
                  if (key in known) print "redis-argument\t" name "\t" key "\t" value
              } }'
}

# Lines of file $2 of server $1 that set what was asked for, those of included files in between.
redis_lines() {
    [ -r "$2" ] && [ "$3" -lt 10 ] || return 0
    awk -v wanted="$REDIS" '
        BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) { sub(/\..*/, "", one[i]); known[one[i]] = 1 } }
        { key = tolower($1); gsub(/_/, "-", key) }
        key == "include" || (key in known) { print FNR "\t" $0 }' "$2" |
        while IFS=$TAB read -r number line; do
            case $line in
            [Ii][Nn][Cc][Ll][Uu][Dd][Ee]*)
                emit redis-line "$1" "$2" "$number" "$line"
                included=${line#* }
                included=${included#\"}
                # It may be a pattern, which the shell expands as the server does.
                for path in ${included%\"}; do redis_lines "$1" "$path" $(($3 + 1)); done
                ;;
            *) emit redis-line "$1" "$2" "$number" "$line" ;;
            esac
        done
}

probe_redis_health() {
    redis_ask "$address" 'LATENCY DOCTOR'
    emit redis "$1" latency "$(printf '%s' "$SAID" | tr '\n\t' '  ')"
    redis_ask "$address" 'SLOWLOG LEN'
    emit redis "$1" slow "$SAID"
}

# Units that should run and do not.
probe_servers_down() {
    runs_systemd || return 0
    systemctl list-units --all --plain --no-legend 'redis*.service' 'valkey*.service' 2>/dev/null |
        while read -r unit loaded active rest; do
            [ "$loaded" = loaded ] && [ "$active" != active ] || continue
            [ "$active" = failed ] || systemctl -q is-enabled "$unit" 2>/dev/null || continue
            server_problem "$unit" "is not running: $unit is $active"
        done
}

# Where process $1 listens, one a line: TCP before sockets, low ports first.
redis_addresses() {
    sockets=$(for link in "/proc/$1/fd"/*; do readlink "$link"; done 2>/dev/null |
        sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
    cat "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null | awk -v sockets="$sockets" '
        function hex(text,  value, i) {
            for (i = 1; i <= length(text); i++) value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
            return value
        }
        function four(word) {
            return hex(substr(word, 7, 2)) "." hex(substr(word, 5, 2)) "." hex(substr(word, 3, 2)) "." hex(substr(word, 1, 2))
        }
        function six(text,  i, word, line) {
            for (i = 0; i < 4; i++) {
                word = substr(text, i * 8 + 1, 8)
                line = line (i ? ":" : "") substr(word, 7, 2) substr(word, 5, 2) ":" substr(word, 3, 2) substr(word, 1, 2)
            }
            return line
        }
        BEGIN { count = split(sockets, own, " "); for (i = 1; i <= count; i++) mine[own[i]] = 1 }
        $4 == "0A" && ($10 in mine) {
            split($2, part, ":"); port = hex(part[2])
            if (length(part[1]) == 8) { address = part[1] == "00000000" ? "127.0.0.1" : four(part[1]); rank = 1 }
            else { address = part[1] ~ /^0*$/ ? "::1" : six(part[1]); rank = 2 }
            print rank "\t" port "\t" address ":" port
        }' | sort -k 1,1n -k 2,2n | cut -f 3
    awk -v sockets="$sockets" '
        BEGIN { count = split(sockets, own, " "); for (i = 1; i <= count; i++) mine[own[i]] = 1 }
        $4 == "00010000" && ($7 in mine) && $8 ~ /^\// { print $8 }' "/proc/$1/net/unix" 2>/dev/null
}

# Parameters that a change touched are read one by one, whatever the profile asks for.
probe_parameters() {
    printf '%s\n' "$VALUES" | grep -E '^(redis|postgresql|pgbouncer|package|node):' | sort -u | while IFS= read -r path; do
        if read_value "$path"; then
            emit value "$path" writable "$REPLY" ''
            if is_object "$path" && [ "$DEPENDENTS" != @empty ]; then emit depends "$path" "$DEPENDENTS"; fi
            case $path=$REPLY in package:*=[0-9]*) probe_package_back "$path" ;; esac
        else
            emit value "$path" unreadable - ''
        fi
    done
}
