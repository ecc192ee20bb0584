# PostgreSQL: ask a cluster through psql, as the account that owns it, without a password.
# A setting is a value at `postgresql:USER@SOCKETDIR:PORT/NAME`: a size in bytes, anything else as
# pg_settings has it. What a session begins with counts (reset_val): in a session over a socket
# `setting` is 0 for keepalives, whatever the files say. It changes through files and a reload or
# restart, and is never written here.

# Ask the cluster at address $1 the query $2; the answer, or what went wrong, is in SAID. Nobody's
# function can stand in for one of the system's, as the account may do anything.
postgresql_ask() {
    place=${1#*@}
    SAID=$(cd / && printf "SET statement_timeout = '30s';\n%s\n" "$2" | PGCONNECT_TIMEOUT=10 \
        PGOPTIONS='-c search_path=pg_catalog' as_user "${1%%@*}" \
        psql -X -A -t -q -v ON_ERROR_STOP=1 -d postgres -h "${place%:*}" -p "${place##*:}" 2>&1)
    asked=$?
    # A warning at the connection, of collations for one, is no part of the answer.
    SAID=$(printf '%s\n' "$SAID" | sed '/^\(WARNING\|DETAIL\|HINT\): /d')
    return "$asked"
}

# As read_value; REPLY is @down (and 1 returned) where the cluster does not answer.
postgresql_read() {
    address=${1#postgresql:}
    setting=${address##*/}
    address=${address%/*}
    postgresql_ask "$address" "SELECT CASE WHEN unit ~ 'B\$' AND reset_val ~ '^[1-9][0-9]*\$'
        THEN (reset_val::numeric * pg_size_bytes(regexp_replace(unit, '^([^0-9])', '1\\1')))::text
        ELSE reset_val END FROM pg_settings WHERE name = '$setting'" || {
        REPLY=@down
        return 1
    }
    REPLY=${SAID:-@empty}
    return 0
}

# Where the cluster at $1 has its files and its program: DATA, CONFIG and PROGRAM.
postgresql_files() {
    postgresql_ask "$1" "SELECT current_setting('data_directory') UNION ALL SELECT current_setting('config_file')" || return 1
    DATA=${SAID%%"$NEWLINE"*}
    CONFIG=${SAID#*"$NEWLINE"}
    { IFS= read -r pid <"$DATA/postmaster.pid"; } 2>/dev/null || return 1
    PROGRAM=$(readlink "/proc/$pid/exe") || return 1
}

# The server's own program reads all files as a start would; what it refuses would keep it from
# starting. A library that is not there would as well, and is looked for.
check_postgresql() {
    postgresql_files "$1" || { emit problem postgresql - "$1" answers "$SAID"; return 1; }
    said=$(cd / && as_user "${1%%@*}" "$PROGRAM" -D "$DATA" -c "config_file=$CONFIG" -C shared_preload_libraries 2>&1) || {
        emit problem postgresql - "$CONFIG" valid "$(printf '%s' "$said" | tr '\n' ' ')"
        return 1
    }
    folder=${PROGRAM%/bin/*}/lib
    for library in $(printf '%s' "$said" | tr ',"' '  '); do
        for path in "$folder/${library##*/}.so" "$folder/postgresql/${library##*/}.so" "$library.so"; do
            [ ! -e "$path" ] || continue 2
        done
        emit problem postgresql - "$library" installed 'no such library'
        return 1
    done
}

# Print the line of configuration $1 that reads conf.d, behind its number.
reads_conf_d() {
    grep -nE "^[[:space:]]*include_dir[[:space:]]*=?[[:space:]]*'(\./)?conf\.d/?'" "$1" | tail -n 1
}

# Wait until the cluster at $1 answers: after a start it may have to read its log first.
await_postgresql() {
    tries=60
    until postgresql_ask "$1" 'SELECT 1'; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 1
    done
}

# Have the cluster at $1 read its files again, and wait until it has.
reload_postgresql() {
    postgresql_ask "$1" 'SELECT pg_conf_load_time()' || return 1
    loaded=$SAID
    postgresql_ask "$1" 'SELECT pg_reload_conf()' || return 1
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        pause
        postgresql_ask "$1" 'SELECT pg_conf_load_time()' && [ "$SAID" != "$loaded" ] && return 0
    done
    return 1
}
