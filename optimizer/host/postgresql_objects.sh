# Objects in the databases of a cluster: an extension, and views of ours in the schema public.
# One is a value at `postgresql:USER@SOCKETDIR:PORT/extension/DATABASE/NAME`, or `…/view/…`; in
# DATABASE every byte that is not plain is written as %XX. Its text: off; on, or the version of an
# extension; changed for a view of ours that somebody changed; other for what is not ours.
# Everything runs as a superuser in databases of others, so nothing but pg_catalog is looked
# into, and no setting that the owner of a database can make changes what a statement means.

OBJECT_OPTIONS='-c search_path=pg_catalog -c role=none -c statement_timeout=30s -c lock_timeout=5s -c jit=off'
OBJECT_OPTIONS="$OBJECT_OPTIONS -c client_min_messages=error -c lc_messages=C -c quote_all_identifiers=off"
OBJECT_OPTIONS="$OBJECT_OPTIONS -c standard_conforming_strings=on -c default_transaction_read_only=off"

# What tells whether view c is as it was made: its query, its options and its owner.
FINGERPRINT="encode(sha256(textsend(concat_ws(' ', pg_get_viewdef(c.oid), c.reloptions::text,
    pg_get_userbyid(c.relowner)))), 'hex')"
MARK='Made by the host optimizer, '

# Ask database $2 of the cluster at address $1 the query $3, with :'wanted' for $4. PGDATABASE, as
# psql takes a name with a `=` after -d for a connection string. What went wrong is in ERROR.
object_ask() {
    ERROR=
    place=${1#*@}
    SAID=$(cd / && printf '%s\n' "$3" | PGDATABASE=$2 PGCONNECT_TIMEOUT=10 \
        PGCLIENTENCODING=SQL_ASCII PGOPTIONS=$OBJECT_OPTIONS as_user "${1%%@*}" \
        psql -X -A -t -q -F "$TAB" -v ON_ERROR_STOP=1 -v "wanted=${4:-}" \
        -h "${place%:*}" -p "${place##*:}" 2>&1) && return 0
    ERROR=$(printf '%s\n' "$SAID" | sed -n '/ERROR:\|FATAL:\|error:/,$ { /^HINT/d; s/^.*\(ERROR\|FATAL\|error\): *//; p; }' |
        tr '\n\t' '  ')
    return 1
}

# The databases of a cluster that can have objects of ours, `postgres` first; no row on a standby.
# A limit of -2 is that of one whose removal was interrupted.
databases_query() {
    cat <<'SQL'
SELECT regexp_replace(hex, '(..)', '%\1', 'g'), hex ~ '^(..)*(0.|1.|7f)'
FROM (SELECT datname, encode(textsend(datname::text), 'hex') AS hex FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 AND NOT pg_is_in_recovery()) d
ORDER BY datname <> 'postgres', hex COLLATE "C";
SQL
}

# One row for each object that we know: what it is, its text, the version on offer, why it cannot
# be made here, and what of somebody else's depends on it.
objects_query() {
    cat <<SQL
WITH place AS (SELECT oid FROM pg_namespace WHERE nspname = 'public'),
extension AS (
    SELECT e.oid, e.extversion, EXISTS (
        SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = e.oid AND d.deptype = 'e' AND a.attname = 'total_exec_time') AS is_new
    FROM pg_extension e WHERE e.extname = 'pg_stat_statements'
), views AS (
    SELECT name, c.oid, mark, CASE
        WHEN c.oid IS NULL AND t.oid IS NULL THEN 'off'
        WHEN c.relkind <> 'v' OR mark IS NULL THEN 'other'
        WHEN mark = $FINGERPRINT THEN 'on'
        ELSE 'changed' END AS text
    FROM (VALUES ('performance_summary'), ('slow_queries')) known (name)
    LEFT JOIN pg_class c ON c.relname = name AND c.relnamespace = (SELECT oid FROM place)
    LEFT JOIN pg_type t ON t.typname = name AND t.typnamespace = (SELECT oid FROM place)
    CROSS JOIN LATERAL (SELECT substring(obj_description(c.oid, 'pg_class')
        FROM '^$MARK([0-9a-f]{64})\$') AS mark) marked
), roots AS (
    SELECT 'extension/pg_stat_statements' AS key, d.classid, d.objid
    FROM pg_depend d JOIN extension e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    UNION ALL
    SELECT 'view/' || name, 'pg_class'::regclass::oid, oid FROM views WHERE oid IS NOT NULL
), users AS (
    -- A view depends by way of its rule.
    SELECT DISTINCT r.key, coalesce(w.ev_class, d.objid) AS objid,
        CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS classid
    FROM roots r
    JOIN pg_depend d ON d.refclassid = r.classid AND d.refobjid = r.objid AND d.deptype = 'n'
    LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
), theirs AS (
    SELECT key, string_agg(pg_describe_object(classid, objid, 0), ', '
        ORDER BY pg_describe_object(classid, objid, 0)) AS names
    FROM users u
    WHERE NOT EXISTS (SELECT FROM roots r WHERE r.key = u.key
            AND r.classid = u.classid AND r.objid = u.objid)
        AND NOT EXISTS (SELECT FROM views v WHERE v.oid = u.objid AND v.text = 'on')
    GROUP BY key
), rows AS (
    SELECT 'extension/pg_stat_statements' AS key,
        coalesce((SELECT extversion FROM extension), 'off') AS text,
        (SELECT default_version FROM pg_available_extensions
            WHERE name = 'pg_stat_statements') AS offered,
        CASE
        WHEN EXISTS (SELECT FROM extension) THEN ''
        WHEN NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')
            THEN 'pg_stat_statements is not installed for this cluster'
        WHEN NOT EXISTS (SELECT FROM place) THEN 'the database has no schema public'
        WHEN EXISTS (SELECT FROM pg_class WHERE relname ~ '^pg_stat_statements'
                AND relnamespace = (SELECT oid FROM place))
            OR EXISTS (SELECT FROM pg_proc WHERE proname ~ '^pg_stat_statements'
                AND pronamespace = (SELECT oid FROM place))
            THEN 'its schema public has something named pg_stat_statements already'
        END AS problem
    UNION ALL
    SELECT 'view/' || name, text, '', CASE
        WHEN NOT EXISTS (SELECT FROM place) THEN 'the database has no schema public'
        WHEN text = 'other' THEN 'public.' || name || ' is there already, and is not ours'
        WHEN name = 'slow_queries' AND NOT (SELECT is_new FROM extension)
            THEN 'its pg_stat_statements is version ' || (SELECT extversion FROM extension)
                || ': ALTER EXTENSION pg_stat_statements UPDATE' END
    FROM views
)
SELECT key, text, coalesce(nullif(offered, ''), '@empty'), coalesce(nullif(problem, ''), '@empty'),
    coalesce(left(regexp_replace(names, '[[:cntrl:]]', '?', 'g'), 500), '@empty')
FROM rows LEFT JOIN theirs USING (key);
SQL
}

# Take the path of an object apart: ADDRESS, DATABASE as it is, OBJECT (kind/name).
split_object() {
    ADDRESS=${1#postgresql:}
    rest=${ADDRESS##*:}
    OBJECT=${rest#*/}
    ADDRESS=${ADDRESS%"/$OBJECT"}
    DATABASE=${OBJECT#*/}
    OBJECT=${OBJECT%%/*}/${DATABASE##*/}
    KEY=${DATABASE%/*}
    decode_name "$KEY"
    DATABASE=$REPLY
}

# Whether the path $1 is that of an object; a setting has no slash behind the port.
is_object() {
    case $1 in postgresql:*) ;; *) return 1 ;; esac
    case ${1##*:} in */*/*/*) return 0 ;; esac
    return 1
}

# Write the bytes %XX of $1 out, in REPLY. The last byte is no line break, as names with control
# characters are left out.
decode_name() {
    REPLY=
    undone=$1
    while :; do
        case $undone in *%??*) ;; *) break ;; esac
        REPLY=$REPLY${undone%%"%"*}
        undone=${undone#*"%"}
        byte=$(printf '%03o' "0x${undone%"${undone#??}"}")
        REPLY=$REPLY$(printf '%b' "\\0$byte")
        undone=${undone#??}
    done
    REPLY=$REPLY$undone
}

# As read_value; what of somebody else's depends on the object is in DEPENDENTS. A database that is
# gone has no objects.
postgresql_object_read() {
    DEPENDENTS=@empty
    split_object "$1"
    if object_ask "$ADDRESS" "$DATABASE" "$(objects_query)"; then
        row=$(printf '%s\n' "$SAID" | grep "^$OBJECT$TAB") || { REPLY=@unreadable; return 2; }
        DEPENDENTS=${row##*"$TAB"}
        REPLY=${row#*"$TAB"}
        REPLY=${REPLY%%"$TAB"*}
        return 0
    fi
    if is_database_gone; then REPLY=off; return 0; fi
    REPLY=@down
    return 1
}

is_database_gone() {
    hex=$(printf '%s' "$DATABASE" | od -An -v -tx1 | tr -d ' \n')
    object_ask "$ADDRESS" postgres "SELECT 'gone' WHERE NOT EXISTS (SELECT FROM pg_database
        WHERE encode(textsend(datname::text), 'hex') = '$hex');" || return 1
    case $SAID in *gone) return 0 ;; esac
    return 1
}

# As write_value. What is not ours, or no longer as we made it, is not dropped: nothing could
# bring it back. CASCADE is never said.
postgresql_object_write() {
    split_object "$1"
    case $2=$OBJECT in
    off=extension/*) statement="DROP EXTENSION ${OBJECT#*/};" ;;
    off=view/*)
        postgresql_object_read "$1" && [ "$REPLY" = on ] || { ERROR="it is $REPLY"; return 1; }
        statement="DROP VIEW public.${OBJECT#*/};"
        ;;
    on=view/*) statement=$(view_statements "${OBJECT#*/}") ;;
    [0-9]*=extension/*) statement="CREATE EXTENSION ${OBJECT#*/} WITH SCHEMA public VERSION :'wanted';" ;;
    *) ERROR="nothing can make it $2"; return 1 ;;
    esac
    object_ask "$ADDRESS" "$DATABASE" "$statement" "$2"
}

# Whoever asks the view needs the right to what is below it (since 15), so that it shows nobody
# more than before. Nobody but its owner may read it until somebody grants that.
view_statements() {
    cat <<SQL
BEGIN;
SELECT format('CREATE VIEW public.$1%s AS %s',
    CASE WHEN current_setting('server_version_num')::int >= 150000
        THEN ' WITH (security_invoker = true)' END,
$(view_query "$1")
) \\gexec
SELECT format('COMMENT ON VIEW public.$1 IS %L', '$MARK' || $FINGERPRINT)
FROM pg_class c WHERE c.oid = 'public.$1'::regclass \\gexec
COMMIT;
SQL
}

view_query() {
    case $1 in
    performance_summary)
        cat <<'SQL'
    'SELECT schemaname, relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins,
        n_tup_upd, n_tup_del, n_live_tup, n_dead_tup, last_vacuum, last_autovacuum, last_analyze,
        last_autoanalyze
    FROM pg_catalog.pg_stat_user_tables'
SQL
        ;;
    slow_queries)
        cat <<'SQL'
    (SELECT format('SELECT query, calls, total_exec_time, mean_exec_time, rows,
        100.0 * shared_blks_hit / nullif(shared_blks_hit + shared_blks_read, 0) AS hit_percent
    FROM %I.pg_stat_statements WHERE calls > 100 ORDER BY mean_exec_time DESC', nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements')
SQL
        ;;
    esac
}

# Without its library an extension can be made all the same, and its view then only fails.
LOADED=
is_library_loaded() {
    split_object "$1"
    [ "$OBJECT" != view/performance_summary ] && [ "$LOADED" != "$ADDRESS" ] || return 0
    object_ask "$ADDRESS" postgres "SELECT 'loaded'
        WHERE current_setting('shared_preload_libraries') ~ '\\mpg_stat_statements\\M';" || return 1
    case $SAID in *loaded) LOADED=$ADDRESS; return 0 ;; esac
    ERROR='the library pg_stat_statements is not loaded, which takes a restart'
    return 1
}
