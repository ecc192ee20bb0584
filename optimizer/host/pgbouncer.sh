# PgBouncer: ask its admin console through psql, as the account that runs it. Over its own socket
# that account is let in as the user pgbouncer without a password.
# A parameter is a value at `pgbouncer:USER@SOCKETDIR:PORT/NAME`, as SHOW CONFIG prints it. It
# changes through files and a reload or restart, and is never written here.

# Give the console at address $1 the command $2; the answer, with a line of column names and tabs
# between, or what went wrong, is in SAID.
pgbouncer_ask() {
    place=${1#*@}
    # The console takes no options of a session.
    SAID=$(cd / && unset PGOPTIONS && printf '%s;\n' "$2" | PGCONNECT_TIMEOUT=10 as_user "${1%%@*}" \
        psql -X -A -q -w -F "$TAB" -P footer=off -v ON_ERROR_STOP=1 \
        -U pgbouncer -d pgbouncer -h "${place%:*}" -p "${place##*:}" 2>&1)
}

# As read_value; REPLY is @down (and 1 returned) where nothing answers.
pgbouncer_read() {
    address=${1#pgbouncer:}
    parameter=${address##*/}
    pgbouncer_ask "${address%/*}" 'SHOW CONFIG' || {
        REPLY=@down
        return 1
    }
    REPLY=$(printf '%s\n' "$SAID" | awk -F '\t' -v name="$parameter" '
        $1 == name { print ($2 == "" ? "@empty" : $2); found = 1; exit } END { if (!found) print "@absent" }')
    [ "$REPLY" != @absent ]
}

# A file that its account cannot read would keep it from starting, and a reload does not say so.
check_pgbouncer() {
    ! as_user "${1%%@*}" test -r "$2" || return 0
    emit problem pgbouncer - "$2" readable "not by ${1%%@*}"
    return 1
}

# Have the PgBouncer at $1 read its files again; it answers when it has.
reload_pgbouncer() {
    pgbouncer_ask "$1" RELOAD
}
