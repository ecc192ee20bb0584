# Find every PgBouncer of the host and ask it about itself.
# Given by the controller: PGBOUNCER, the names of parameters.

probe_pgbouncer() {
    [ -n "$PGBOUNCER" ] || return 0
    poolers=
    for pid in $(first_processes pgbouncer); do probe_pooler "$pid"; done
}

pooler_problem() {
    emit pgbouncer "$1" problem "$2"
    emit pgbouncer "$1" unit "$unit"
}

probe_pooler() {
    unit=$(unit_of_process "$1")
    if [ "$(id -u)" = 0 ] && { is_in_another net "$1" || is_in_another pid "$1"; }; then
        pooler_problem "pid $1" 'runs in a container, which is not managed from here'
        emit pgbouncer "pid $1" elsewhere yes
        return
    fi
    socket=$(pooler_socket "$1")
    port=${socket##*.}
    folder=${socket%/.s.PGSQL.*}
    if [ -z "$socket" ]; then
        pooler_problem "${unit:-pid $1}" 'has no socket that this account can see'
        return
    fi
    # Several may share one port, each with a folder of its own.
    name=$port
    case " $poolers " in *" $port "*) name=$folder:$port ;; esac
    poolers="$poolers $port"
    has psql || { pooler_problem "$name" 'needs psql on the host, and there is none'; return; }
    address=$(stat -c %U "/proc/$1")@$folder:$port
    pgbouncer_ask "$address" 'SHOW CONFIG' || {
        pooler_problem "$name" "gives no answer to psql: ${SAID%%"$NEWLINE"*}"
        return
    }
    describe_pooler "$name" "$1"
}

is_in_another() {
    [ "$(readlink "/proc/$2/ns/$1")" != "$(readlink "/proc/self/ns/$1")" ]
}

# The socket on which process $1 listens for clients on this host.
pooler_socket() {
    sockets=$(for link in "/proc/$1/fd"/*; do readlink "$link"; done 2>/dev/null |
        sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
    awk -v sockets="$sockets" '
        BEGIN { count = split(sockets, own, " "); for (i = 1; i <= count; i++) mine[own[i]] = 1 }
        $4 == "00010000" && ($7 in mine) && $8 ~ /^\/.*\/\.s\.PGSQL\.[0-9]+$/ { print $8; exit }' \
        "/proc/$1/net/unix" 2>/dev/null
}

# PgBouncer $1, process $2, at $address; SHOW CONFIG is in SAID. Of its parameters only those that
# were asked for leave the host: others tell how to log in.
describe_pooler() {
    printf '%s\n' "$SAID" >"$scratch.parameters"
    emit pgbouncer "$1" address "$address"
    emit pgbouncer "$1" unit "$unit"
    emit pgbouncer "$1" open_files "$(awk '/^Max open files/ { print $4 }' "/proc/$2/limits" 2>/dev/null)"
    awk -F '\t' -v name="$1" -v wanted="$PGBOUNCER" '
        BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
        FNR > 1 && ($1 in known) { print "pgbouncer-config\t" name "\t" $1 "\t" $2 "\t" (NF > 3 ? $3 : "") "\t" $NF }' \
        "$scratch.parameters"
    for table in VERSION DATABASES POOLS STATS; do
        pgbouncer_ask "$address" "SHOW $table" || continue
        printf '%s\n' "$SAID" | sed "s/^/pgbouncer-$table$TAB$(printf '%s' "$1" | sed 's/[/&\\]/\\&/g')$TAB/"
    done
    config=$(awk -F '\t' '$1 == "conffile" { print $2 }' "$scratch.parameters")
    case $config in
    /*) ;;
    ?*) config=$(readlink "/proc/$2/cwd")/$config ;;
    *) return ;;
    esac
    probe_pooler_files "$1" "$config"
}

probe_pooler_files() {
    include=${2%/*}/optimizer.ini
    # Two in one folder have a file of ours each.
    [ "${2##*/}" = pgbouncer.ini ] || include=${2%.ini}.optimizer.ini
    emit pgbouncer "$1" config_file "$2"
    emit pgbouncer "$1" include "$include"
    probe_file "$include"
    emit_lined "$2" "%include $include"
    pooler_lines "$2" none 1 >"$scratch.lines"
    awk -F '\t' -v name="$1" -v wanted="$PGBOUNCER" '
        BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
        $3 == "@database" { line = "pgbouncer-database\t" name; for (i = 4; i <= NF; i++) line = line "\t" $i; print line }
        $3 ~ /^\[/ || ($3 in known) { print "pgbouncer-line\t" name "\t" $1 "\t" $2 "\t" $3 (($3 ~ /^\[/) ? "" : " = " $4) }' \
        "$scratch.lines"
    pooler_unloaded "$1"
}

# Headers of all sections of file $1, and the lines of [pgbouncer], as path, number, name, value.
# Lines of other sections hold passwords: of [databases] only the name and some harmless words are
# told, as name @database. $2: the section it begins in. $3: depth.
pooler_lines() {
    [ -r "$1" ] && [ "$3" -lt 10 ] || return 0
    awk -v section="$2" '
        /^[ \t]*([;#]|$)/ { next }
        { line = $0; gsub(/^[ \t]+|[ \t\r]+$/, "", line) }
        line ~ /^\[.*\]$/ { section = line; print FNR "\t" section "\t" line "\t"; next }
        line ~ /^%include[ \t]/ { sub(/^%include[ \t]+/, "", line); print FNR "\t" section "\t%include\t" line; next }
        section == "[pgbouncer]" && (cut = index(line, "=")) {
            name = substr(line, 1, cut - 1); value = substr(line, cut + 1)
            gsub(/[ \t]+$/, "", name); gsub(/^[ \t]+/, "", value); gsub(/\t/, " ", value)
            print FNR "\t" section "\t" name "\t" value
        }
        section == "[databases]" && (cut = index(line, "=")) {
            name = substr(line, 1, cut - 1); gsub(/^"|"?[ \t]*$/, "", name)
            value = " " substr(line, cut + 1)
            found = name
            count = split("host port pool_size reserve_pool reserve_pool_size max_db_connections", key, " ")
            for (i = 1; i <= count; i++)
                if (match(value, "[ \t]" key[i] "[ \t]*=[ \t]*[^ \t]*")) {
                    word = substr(value, RSTART + 1, RLENGTH - 1)
                    gsub(/[ \t\047]/, "", word)
                    found = found "\t" word
                }
            print FNR "\t" section "\t@database\t" found
        }' "$1" |
        while IFS=$TAB read -r number section name value; do
            if [ "$name" = %include ]; then
                pooler_lines "$value" "$section" $(($3 + 1))
            else
                printf '%s\t%s\t%s\t%s\n' "$1" "$number" "$name" "$value"
            fi
        done
}

# Names of what a reload would change although no file of ours has it: set over the console, or
# written and not loaded yet. Each [pgbouncer] header begins anew from the defaults.
pooler_unloaded() {
    awk -F '\t' -v name="$1" '
        function same(one, other) {
            if (one == "<empty>") one = ""
            if (one == other || tolower(one) == tolower(other)) return 1
            return one ~ /^[0-9.]+$/ && other ~ /^[0-9.]+$/ && one + 0 == other + 0
        }
        FILENAME == lines { if ($3 == "[pgbouncer]") split("", set); else if ($3 !~ /^\[/) set[$3] = $4; next }
        FNR == 1 || NF < 4 || $NF != "yes" || $1 == "conffile" || $1 == "verbose" { next }
        { wanted = ($1 in set) ? set[$1] : $3 }
        !same(wanted, $2) { print "pgbouncer-unloaded\t" name "\t" $1 }' \
        lines="$scratch.lines" "$scratch.lines" "$scratch.parameters"
}
