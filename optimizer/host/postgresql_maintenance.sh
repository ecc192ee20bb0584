# Maintenance of the PostgreSQL clusters of this host: VACUUM (ANALYZE) of the tables that need it,
# or REINDEX CONCURRENTLY of the indexes that are bloated, one at a time, the most urgent first.
# $1: vacuum or reindex. WINDOW: seconds that it may take. BLOAT: percent of an index that may
# be room for nothing before it is built again.
#
# The shell handles numbers of tables only: statements are made by the server, with names that it
# has quoted, and each is a call of its own, as neither may be part of a transaction.
set -u
umask 077
LC_ALL=C
export LC_ALL
TAB=$(printf '\t')
NEWLINE='
'
JOB=${1:-}
WINDOW=${WINDOW:-3600}
BLOAT=${BLOAT:-50}
# Seconds to wait for a lock, and those that cleaning up may take beyond the window. While REINDEX
# CONCURRENTLY waits, nobody waits for it.
VACUUM_PATIENCE=2
REINDEX_PATIENCE=60
CLEANING=60
# As gentle as autovacuum; nobody's function can stand in for one of the system's.
SESSION='-c search_path=pg_catalog -c jit=off -c client_min_messages=error'
SESSION="$SESSION -c default_transaction_read_only=off -c vacuum_cost_delay=2"
running=
STOPPED=
FAILED=
done_jobs=0
skipped=0

say() {
    printf '%s\n' "$*" | tr -c '\12\40-\176\200-\377' '?'
}

# Seconds since the start of the host, which nobody sets.
uptime() {
    read -r REPLY rest </proc/uptime
    REPLY=${REPLY%%.*}
}

# Seconds that are left, in LEFT. 1: none, or somebody wants us to stop.
time_left() {
    uptime
    LEFT=$((DEADLINE - REPLY))
    [ -z "$STOPPED" ] && [ "$LEFT" -gt 0 ]
}

# Ask database $2 of the cluster at address $1; $3 and $4: seconds for the statement and for a lock.
# SAID is the answer, or the words of what went wrong, with its SQLSTATE in CODE, `none` where
# nothing answers. PGDATABASE, as psql takes a name with a `=` after -d for a connection string.
ask() {
    place=${1#*@}
    printf '%s\n' "$5" | PGDATABASE=$2 PGCONNECT_TIMEOUT=10 PGAPPNAME=optimizer-maintenance \
        PGOPTIONS="-c statement_timeout=${3}s -c lock_timeout=${4}s $SESSION" as_user "${1%%@*}" \
        psql -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -F "$TAB" \
        -h "${place%:*}" -p "${place##*:}" >"$work/said" 2>"$work/complaint" &
    running=$1
    await $! && running= && SAID=$(cat "$work/said") && return 0
    running=
    SAID=$(sed -n '1 s/^psql:<stdin>:[0-9]*: //p; t; 1 p' "$work/complaint")
    CODE=$(printf '%s\n' "$SAID" | sed -n 's/^[^:]*:  \([0-9A-Z]\{5\}\): .*/\1/p')
    CODE=${CODE:-none}
    return 1
}

# A signal ends the `wait`, and not what is waited for.
await() {
    while :; do
        wait "$1"
        awaited=$?
        kill -0 "$1" 2>/dev/null || return "$awaited"
    done
}

# The server would go on without us, so the statement is cancelled.
stop() {
    STOPPED=yes
    [ -n "$running" ] || return 0
    place=${running#*@}
    printf '%s\n' "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'optimizer-maintenance'" |
        PGDATABASE=postgres PGCONNECT_TIMEOUT=10 PGOPTIONS='-c search_path=pg_catalog' \
            as_user "${running%%@*}" psql -X -A -t -q -h "${place%:*}" -p "${place##*:}" \
            >/dev/null 2>&1
}

# Have the server make a statement of the format $5 with the name of relation $4, and carry it
# out. $3: seconds to wait for a lock. With $6 `sizes` SAID is its size before and after, as people
# read it; after, it is found by its name, as an index that is built again has another number.
# With `invalid` nothing but an invalid index is meant. transaction_timeout (since 17) of a role
# would end it otherwise.
carry_out() {
    before=
    after=
    only=true
    case $6 in
    sizes)
        before="SELECT pg_size_pretty(pg_relation_size($4));"
        after="SELECT pg_size_pretty(pg_relation_size(format('%I.%I', :'schema', :'name')));"
        ;;
    invalid) only='EXISTS (SELECT FROM pg_index WHERE indexrelid = c.oid AND NOT indisvalid)' ;;
    esac
    ask "$1" "$2" "$LEFT" "$3" "SELECT set_config(name, '0', false) FROM pg_settings
            WHERE name = 'transaction_timeout' \\g /dev/null
        SELECT nspname AS schema, relname AS name FROM pg_class c
            JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = $4 AND $only \\gset
        $before
        SELECT format('$5', :'schema', :'name') \\gexec
        $after"
}

# Say what became of a statement that was not carried out.
given_up() {
    case $SAID in *'no rows returned'*) CODE=42P01 ;; esac
    case $CODE in
    55P03 | 40P01) REPLY='skipped: somebody else is busy with it' ;;
    42P01 | 42704 | 3F000 | 3D000) REPLY='skipped: it is gone' ;;
    none | 57P*) REPLY="skipped: no answer: $SAID" ;;
    57014)
        REPLY='stopped, as the window is over'
        [ -z "$STOPPED" ] || REPLY='stopped from outside'
        ;;
    *)
        FAILED=yes
        REPLY="failed: $SAID"
        ;;
    esac
    skipped=$((skipped + 1))
    say "$where: $REPLY"
}

# USER@SOCKETDIR:PORT of every cluster of the host.
addresses() {
    list_processes >"$work/processes"
    processes=$work/processes
    for pid in $(first_processes postgres postmaster); do
        file=/proc/$pid/cwd/postmaster.pid
        # One in a container names another process there, or is not to be seen.
        [ "$(sed -n 1p "$file" 2>/dev/null)" = "$pid" ] || continue
        socket=$(sed -n 5p "$file")
        [ -z "$socket" ] || printf '%s\n' "$(stat -c %U "/proc/$pid")@${socket%%,*}:$(sed -n 4p "$file")"
    done
}

# address TAB database, of every database of every primary that answers.
databases() {
    for server in $(addresses); do
        ask "$server" postgres 10 2 'SELECT pg_is_in_recovery()' ||
            { say "${server##*:}: skipped: no answer: $SAID" >&2; continue; }
        [ "$SAID" = f ] || { say "${server##*:}: skipped: it is a standby" >&2; continue; }
        ask "$server" postgres 10 2 "SELECT datname FROM pg_database
            WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2
                AND datname !~ '[[:cntrl:]]' ORDER BY 1" || continue
        printf '%s\n' "$SAID" | while IFS= read -r name; do printf '%s\t%s\n' "$server" "$name"; done
    done
}

# What there is to do in databases $1 by query $2, a line each: how urgent it is, address,
# database, number and name of a relation, and what about it.
jobs_of() {
    printf '%s\n' "$1" | while IFS=$TAB read -r server base; do
        [ -n "$base" ] || continue
        ask "$server" "$base" 60 2 "$2" || { say "${server##*:} $base: skipped: $SAID" >&2; continue; }
        printf '%s\n' "$SAID" | while IFS=$TAB read -r urgency relation; do
            [ -z "$relation" ] || printf '%s\t' "$urgency" "$server" "$base"
            [ -z "$relation" ] || printf '%s\n' "$relation"
        done
    done | sort -t "$TAB" -k 1,1nr
}

# Tables with dead rows, with rows that no VACUUM has seen, or without statistics.
tables_query() {
    cat <<'END'
SELECT n_dead_tup + CASE WHEN coalesce(last_analyze, last_autoanalyze) IS NULL
        THEN n_live_tup ELSE 0 END,
    relid, regexp_replace(relid::regclass::text, '[[:cntrl:]]', '?', 'g'),
    n_dead_tup || ' dead rows'
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = relid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
    AND (n_dead_tup > 0 OR n_ins_since_vacuum > 0 OR n_mod_since_analyze > 0
        OR coalesce(last_analyze, last_autoanalyze) IS NULL)
END
}

# B-tree indexes that are larger by more than @bloat@ percent than what their rows take, each
# counted with its key, without what deduplication saves: none is taken for bloated that is not.
# Pages and rows are those of the last VACUUM or ANALYZE, so that no lock is needed.
# Source: "Physical Storage: B-Tree Indexes" of the manual; nbtree.h, itup.h: a page has 24 bytes
# of head and 16 at its end, a tuple 4 bytes in the list of the page, 8 of head, 8 more with a NULL.
indexes_query() {
    cat <<'END' | sed "s/@bloat@/$1/"
WITH columns AS (
    SELECT i.indexrelid, s.starelid IS NOT NULL AS is_known, coalesce(stanullfrac, 0) AS nulls,
        a.attlen < 0 AS is_variable, (1 - coalesce(stanullfrac, 0)) * CASE
            WHEN a.attlen < 0 THEN stawidth
            WHEN a.attalign = 'd' THEN (a.attlen + 7) / 8 * 8
            WHEN a.attalign = 'i' THEN (a.attlen + 3) / 4 * 4
            WHEN a.attalign = 's' THEN (a.attlen + 1) / 2 * 2
            ELSE a.attlen END AS width
    FROM pg_index i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k.place
    LEFT JOIN pg_statistic s ON NOT s.stainherit
        AND s.starelid = CASE k.number WHEN 0 THEN i.indexrelid ELSE i.indrelid END
        AND s.staattnum = CASE k.number WHEN 0 THEN k.place ELSE k.number END
), tuples AS (
    SELECT indexrelid, 12 + CASE WHEN max(nulls) > 0 THEN 8 ELSE 0 END
        + CASE WHEN bool_or(is_variable) THEN sum(width) + 4
            ELSE ceil(sum(width) / 8) * 8 END AS bytes
    FROM columns GROUP BY indexrelid HAVING bool_and(is_known)
), indexes AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.relpages, c.reltuples, t.bytes,
        current_setting('block_size')::int AS page,
        coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'fillfactor'), 90) AS fill
    FROM tuples t
    JOIN pg_index i USING (indexrelid)
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND c.reltuples >= 0
        AND i.indisvalid AND i.indisready AND i.indislive AND NOT i.indisexclusion
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), sizes AS (
    -- A hundredth for the pages above the leaves, and two that every index has.
    SELECT *, 2 + ceil(1.01 * ceil(
        reltuples / greatest(1, floor((page - 40) * fill / 100.0 / bytes)))) AS needed
    FROM indexes
)
SELECT ((relpages - needed) * page)::bigint, oid, regexp_replace(name, '[[:cntrl:]]', '?', 'g'),
    round(100 * (1 - needed / nullif(relpages, 0))) || ' % bloat'
FROM sizes
WHERE relpages::bigint * page > 1048576 AND 100 * (1 - needed / nullif(relpages, 0)) > @bloat@
END
}

# What a REINDEX CONCURRENTLY that was cancelled left behind: an invalid index with its suffix
# beside a valid one that is the same, and which nobody is building now.
leftovers_query() {
    cat <<'END'
SELECT 0, i.indexrelid, regexp_replace(c.oid::regclass::text, '[[:cntrl:]]', '?', 'g'), 'left behind'
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid AND c.relkind = 'i' AND relname ~ '_cc(new|old)[0-9]*$'
    AND EXISTS (SELECT FROM pg_index v WHERE v.indrelid = i.indrelid AND v.indisvalid
        AND v.indkey::text = i.indkey::text AND v.indclass::text = i.indclass::text
        AND pg_get_expr(v.indexprs, v.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
        AND pg_get_expr(v.indpred, v.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid))
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = i.indexrelid)
END
}

# Why index $1 would have to wait: for a lock on its table, or for a transaction that has been open
# for a while, which the last steps of REINDEX CONCURRENTLY wait for.
busy_query() {
    cat <<'END' | sed "s/@index@/$1/"
WITH held AS (
    SELECT pid, mode FROM pg_locks l JOIN pg_index i ON i.indexrelid = @index@
        AND l.relation IN (i.indrelid, i.indexrelid)
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    WHERE pid IS DISTINCT FROM pg_backend_pid()
)
SELECT CASE WHEN EXISTS (SELECT FROM held WHERE mode NOT IN
        ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') OR pid IS NULL)
    THEN 'somebody else is busy with its table'
    WHEN EXISTS (SELECT FROM pg_stat_activity a WHERE datname = current_database()
        AND xact_start < now() - interval '10 seconds' AND pid <> pg_backend_pid()
        AND backend_type <> 'autovacuum worker'
        AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL
            OR EXISTS (SELECT FROM held WHERE held.pid = a.pid)))
    THEN 'a transaction has been open for more than 10 s' END
END
}

vacuum_one() {
    began=$LEFT
    carry_out "$address" "$database" "$VACUUM_PATIENCE" "$oid" 'VACUUM (ANALYZE) %I.%I' sizes || { given_up; return; }
    finished
}

reindex_one() {
    ask "$address" "$database" 10 2 "$(busy_query "$oid")" || { given_up; return; }
    [ -z "$SAID" ] || { skipped=$((skipped + 1)); say "$where: skipped: $SAID"; return; }
    time_left || return
    began=$LEFT
    carry_out "$address" "$database" "$REINDEX_PATIENCE" "$oid" 'REINDEX INDEX CONCURRENTLY %I.%I' sizes || {
        given_up
        clean_up "$address$TAB$database"
        return
    }
    finished
}

finished() {
    time_left || :
    done_jobs=$((done_jobs + 1))
    say "$where: $about, ${SAID%%"$NEWLINE"*} before, ${SAID#*"$NEWLINE"} after, $((began - LEFT)) s"
}

# Take away what cancelled runs left in databases $1; also beyond the window, and when stopped.
clean_up() {
    while IFS=$TAB read -r urgency server base number name about_it; do
        [ -n "$number" ] || continue
        LEFT=$CLEANING
        became=dropped
        carry_out "$server" "$base" "$CLEANING" "$number" 'DROP INDEX CONCURRENTLY %I.%I' invalid ||
            became="stays until the next run: $SAID"
        say "${server##*:} $base $name: $about_it by a REINDEX that was cancelled, $became"
    done <<END
$(jobs_of "$1" "$(leftovers_query)")
END
}

# One run at a time, whatever it does: the directory of this program is the lock.
take_lock() {
    command -v flock >/dev/null 2>&1 || { say 'flock is missing, which keeps runs apart' >&2; exit 1; }
    exec 9<"${0%/*}" || exit 1
    until flock -n 9; do
        time_left || { say 'another run was at work for the whole window: nothing done'; exit 0; }
        sleep 2
    done
}

work_off() {
    while IFS=$TAB read -r weight address database oid name about; do
        [ -n "$oid" ] || continue
        time_left || break
        where="${address##*:} $database $name"
        "${JOB}_one"
    done <<END
$1
END
}

# Every line that says what there is to do was gone through, or named as not.
summary() {
    total=$(printf '%s\n' "$1" | grep -c "$TAB")
    end=
    time_left || end=', the window is over'
    [ -z "$STOPPED" ] || end=', stopped from outside'
    say "$JOB: $done_jobs of $total done, $skipped skipped, $((total - done_jobs - skipped)) not begun$end"
}

maintenance_main() {
    case $JOB in vacuum | reindex) ;; *) say "usage: sh $0 vacuum|reindex" >&2; exit 64 ;; esac
    uptime
    DEADLINE=$((REPLY + WINDOW))
    cd / || exit 1
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap stop TERM INT HUP
    take_lock
    DATABASES=$(databases)
    if [ "$JOB" = vacuum ]; then
        found=$(jobs_of "$DATABASES" "$(tables_query)")
    else
        clean_up "$DATABASES"
        found=$(jobs_of "$DATABASES" "$(indexes_query "$BLOAT")")
    fi
    work_off "$found"
    summary "$found"
    [ -z "$FAILED" ] || exit 1
}
maintenance_main
