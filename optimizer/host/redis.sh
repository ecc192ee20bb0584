# Redis and Valkey: ask a server, read a parameter, set one.
# A parameter is a value at `redis:ADDRESS/PARAMETER`; ADDRESS is host:port or a socket's path.
# Given by the controller: REDIS_LOGINS, lines of NAME, user and password between tabs; NAME is
# a port or the path of a socket, @all for every other. Commands go in on standard input: an
# argument or a variable of the environment could be seen in the list of processes.

# While a change waits, its restore has to log in too. /run is memory, and is gone after a boot,
# as are the values that would have to be put back.
LOGINS=${OPTIMIZER_LOGINS:-/run/optimizer-logins}
unset REDISCLI_AUTH

keep_logins() {
    [ -n "${REDIS_LOGINS:-}" ] || return 0
    # One that is there keeps its mode.
    rm -f "$LOGINS" && (umask 077 && printf '%s\n' "$REDIS_LOGINS" >"$LOGINS")
}

forget_logins() {
    rm -f "$LOGINS"
}

# The line that logs in at address $1, in REPLY; empty where no login is known.
redis_login() {
    REPLY=
    where=${1##*:}
    if [ -z "${REDIS_LOGINS:-}" ] && [ -r "$LOGINS" ]; then REDIS_LOGINS=$(cat "$LOGINS"); fi
    [ -n "${REDIS_LOGINS:-}" ] || return 0
    while IFS=$TAB read -r name user password; do
        [ "$name" = "$where" ] || [ "$name" = @all ] || continue
        [ "$user" = @empty ] && user=
        redis_quoted "$password"
        password=$REPLY
        if [ -n "$user" ]; then
            redis_quoted "$user"
            REPLY="AUTH \"$REPLY\" \"$password\""
        else
            REPLY="AUTH \"$password\""
        fi
        return 0
    done <<LOGINS_OF_THE_HOST
$REDIS_LOGINS
LOGINS_OF_THE_HOST
}

# $1 as the client reads it between double quotes, in REPLY.
redis_quoted() {
    REPLY=$(printf '%s' "$1" | sed 's/["\\]/\\&/g')
}

has_redis_client() {
    has redis-cli || has valkey-cli
}

# Send standard input to the server at address $1, and print what it says.
redis_client() {
    case $1 in
    /*) set -- -s "$1" ;;
    *) set -- -h "${1%:*}" -p "${1##*:}" ;;
    esac
    if has redis-cli; then set -- redis-cli "$@"; else set -- valkey-cli "$@"; fi
    if has timeout; then set -- timeout 20 "$@"; fi
    "$@" 2>&1 | tr -d '\r'
}

# Log in at address $1, give the commands $2 (one a line), and leave the answers in SAID.
redis_ask() {
    redis_login "$1"
    login=$REPLY
    SAID=$(printf '%s\n%s\n' "$login" "$2" | redis_client "$1")
    [ -z "$login" ] || SAID=${SAID#OK"$NEWLINE"}
}

# Split `redis:ADDRESS/PARAMETER` $1 into ADDRESS, PARAMETER and, behind a dot of it, CLASS.
redis_split() {
    ADDRESS=${1#redis:}
    PARAMETER=${ADDRESS##*/}
    ADDRESS=${ADDRESS%/*}
    CLASS=
    case $PARAMETER in *.*) CLASS=${PARAMETER#*.} PARAMETER=${PARAMETER%%.*} ;; esac
}

# As read_value; REPLY is @down (and 1 returned) where no server listens.
redis_read() {
    redis_split "$1"
    if ! looked "redis:$ADDRESS/$PARAMETER"; then
        redis_ask "$ADDRESS" "CONFIG GET $PARAMETER"
        case $SAID in
        "$PARAMETER$NEWLINE"*) REPLY=${SAID#*"$NEWLINE"} ;;
        "$PARAMETER") REPLY= ;;
        *"Could not connect"*) REPLY=@down; return 1 ;;
        *) REPLY=@unreadable; return 2 ;;
        esac
    fi
    [ -z "$CLASS" ] || redis_class "$CLASS" "$REPLY"
    redis_canonical "$PARAMETER" "$REPLY"
    return 0
}

# The three numbers of class $1 in client-output-buffer-limit $2; servers print the old name.
redis_class() {
    wanted=$1
    [ "$wanted" != replica ] || wanted=slave
    # shellcheck disable=SC2086
    set -- $2
    REPLY=@absent
    while [ $# -ge 4 ]; do
        if [ "$1" = "$wanted" ] || [ "$1:$wanted" = replica:slave ]; then REPLY="$2 $3 $4"; fi
        shift 4
    done
}

# An empty text is written as the configuration file has it where it means something.
redis_canonical() {
    REPLY=$2
    [ -z "$REPLY" ] || return 0
    REPLY=@empty
    [ "$1" != save ] || REPLY='""'
}

# As write_value. Persistence is never switched over a gap: what takes over is complete first.
redis_write() {
    redis_split "$1"
    text=$2
    if [ "$text" = @empty ] || [ "$text" = '""' ]; then text=; fi
    # A change that nobody confirmed left the dumps as they were.
    [ "$PARAMETER=$text" != appendonly=no ] || [ "${UNDO:-}" = yes ] || redis_save "$ADDRESS" || return 1
    if [ "$PARAMETER=$text" = appendonly=yes ]; then
        redis_ask "$ADDRESS" 'INFO persistence'
        redis_field aof_rewrites_consecutive_failures
        failures=$REPLY
    fi
    redis_quoted "${CLASS:+$CLASS }$text"
    redis_ask "$ADDRESS" "CONFIG SET $PARAMETER \"$REPLY\""
    if [ "$SAID" != OK ]; then
        SAID=${SAID%%"$NEWLINE"*}
        ERROR=${SAID#*") - "}
        return 1
    fi
    [ "$PARAMETER=$text" != appendonly=yes ] || redis_await_aof "$ADDRESS"
}

# Field $1 of INFO, as it is in SAID, in REPLY.
redis_field() {
    REPLY=$(printf '%s\n' "$SAID" | sed -n "s/^$1://p")
}

pause() {
    sleep 0.2 2>/dev/null || sleep 1
}

# The append-only file counts when its first rewrite is on the disk; then, and not before, the
# server may be restarted with it.
redis_await_aof() {
    until_when=$(($(date +%s) + ${PATIENCE:-60}))
    while :; do
        redis_ask "$1" 'INFO persistence'
        redis_field aof_rewrite_scheduled; waits=$REPLY
        redis_field aof_rewrite_in_progress; writes=$REPLY
        [ "$waits$writes" = 00 ] && break
        # Redis tries again and again by itself.
        redis_field aof_rewrites_consecutive_failures
        [ "$REPLY" = "$failures" ] || break
        [ "$(date +%s)" -lt "$until_when" ] || { ERROR='its append-only file was not written in time'; return 1; }
        pause
    done
    redis_field aof_enabled; enabled=$REPLY
    redis_field aof_last_bgrewrite_status
    [ "$enabled$REPLY" = 1ok ] && return 0
    ERROR="its append-only file could not be written"
    return 1
}

# Where the server of parameter $1 keeps its append-only file, in REPLY; empty when unknown.
redis_aof_path() {
    redis_split "$1"
    redis_ask "$ADDRESS" "CONFIG GET dir
CONFIG GET appenddirname
CONFIG GET appendfilename"
    REPLY=$(printf '%s\n' "$SAID" | awk '
        $0 == "dir" { getline; folder = $0; next }
        $0 == "appenddirname" { getline; name = $0; next }
        $0 == "appendfilename" { getline; if (name == "") name = $0 }
        END { if (folder ~ /^\// && name != "") print folder "/" name }')
}

# Before the append-only file goes, a dump takes over what it holds, where dumps are made at all.
redis_save() {
    redis_ask "$1" 'CONFIG GET save'
    [ "$SAID" != save ] || return 0
    redis_ask "$1" 'INFO persistence'
    redis_field rdb_saves; saves=$REPLY
    redis_field aof_enabled
    [ "$REPLY" = 1 ] || return 0
    redis_ask "$1" 'BGSAVE SCHEDULE'
    until_when=$(($(date +%s) + ${PATIENCE:-60}))
    while :; do
        redis_ask "$1" 'INFO persistence'
        redis_field rdb_last_bgsave_status; status=$REPLY
        redis_field rdb_bgsave_in_progress; writes=$REPLY
        redis_field rdb_saves
        [ "$writes" = 0 ] && [ "$REPLY" != "$saves" ] && [ "$status" = ok ] && return 0
        if [ "$(date +%s)" -ge "$until_when" ] || [ "$writes$status" = 0err ]; then
            ERROR='a dump could not be written, so the append-only file stays on'
            return 1
        fi
        pause
    done
}

# Addresses of the servers whose parameters manifest $1 names, one a line.
redis_servers_of() {
    awk -F '\t' '$1 == "value" && $3 ~ /^redis:/ { sub(/^redis:/, "", $3); sub(/\/[^\/]*$/, "", $3); print $3 }' "$1" |
        sort -u
}

# Every parameter of the servers that manifest $1 names, as `path<tab>text`, but for secrets,
# other spellings, and what replication changes by itself.
redis_sweep() {
    redis_servers_of "$1" |
        while IFS= read -r server; do
            redis_ask "$server" 'CONFIG GET *'
            printf '%s\n' "$SAID" | awk -v server="$server" 'NR % 2 { name = $0; next }
                name !~ /slave|pass|auth|masteruser|replicaof|acl|^commandlog-(execution-slower|slow-execution)/ { print "redis:" server "/" name "\t" $0 }'
        done
}
