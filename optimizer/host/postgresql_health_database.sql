-- The tables and indexes of one database as one line of JSON, for PostgreSQL 13 to 18 alike.
-- Sizes are those of the last VACUUM or ANALYZE: asking for them now would wait for locks.
-- It runs as a superuser: only pg_catalog and the extension's own schema are looked into, so that
-- nobody's function or view of a well-known name runs with its rights.
WITH extension AS (
    SELECT format('%I.pg_stat_statements', nspname) AS view
    FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
    WHERE extname = 'pg_stat_statements'
), tables AS (
    SELECT relid, schemaname || '.' || relname AS name, seq_scan,
        n_live_tup AS live, n_dead_tup AS dead,
        extract(epoch FROM now() - greatest(last_vacuum, last_autovacuum)) AS vacuumed
    FROM pg_stat_user_tables
), indexes AS (
    SELECT i.*, n.nspname || '.' || c.relname AS name, c.relam,
        c.relpages::bigint * current_setting('block_size')::int AS bytes,
        coalesce(s.idx_scan, 0) AS scans,
        to_jsonb(i) ->> 'indnullsnotdistinct' AS nulls,
        EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) AS is_constraint
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
    JOIN pg_namespace n ON n.oid = c.relnamespace
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
), alike AS (
    SELECT name, bytes, is_constraint OR indisreplident AS is_needed,
        row_number() OVER same AS place, first_value(name) OVER same AS kept
    FROM indexes WHERE indisvalid
    WINDOW same AS (
        PARTITION BY indrelid, relam, indnkeyatts, indkey::text, indclass::text,
            indcollation::text, indoption::text, pg_get_expr(indexprs, indrelid),
            pg_get_expr(indpred, indrelid), coalesce(indisunique AND nulls = 'true', false)
        ORDER BY indisprimary DESC, is_constraint DESC, indisunique DESC, indexrelid)
), found AS (
    SELECT 'unused' AS kind, name, bytes AS weight, '' AS other, NULL::numeric AS age
    FROM indexes
    WHERE scans = 0 AND bytes > 1048576 AND indisvalid
        AND NOT (indisunique OR indisexclusion OR indisreplident OR is_constraint)
    UNION ALL
    SELECT 'duplicate', name, bytes, kept, NULL FROM alike WHERE place > 1 AND NOT is_needed
    UNION ALL
    SELECT 'invalid', name, bytes, '', NULL FROM indexes
    WHERE NOT indisvalid
        AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)
    UNION ALL
    SELECT 'unindexed', name, live, '', NULL FROM tables
    WHERE live > 10000 AND seq_scan > 100
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = relid AND indisvalid)
    UNION ALL
    SELECT 'dead', name, 100 * dead / (live + dead), '', vacuumed FROM tables
    WHERE dead > 10000 AND dead > 0.2 * (live + dead)
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY kind ORDER BY weight DESC, name) AS place FROM found
), named AS (
    SELECT kind, count(*) AS number, sum(weight) AS total,
        json_agg(json_build_array(name, weight, other, age) ORDER BY place)
            FILTER (WHERE place <= 3) AS worst
    FROM ranked GROUP BY kind
)
SELECT replace(json_build_object(
    'database', current_database(),
    'found', (SELECT json_object_agg(kind, json_build_array(number, total, worst)) FROM named),
    'has_view', EXISTS (SELECT FROM extension),
    -- Without its library the view only gives an error.
    'statements', CASE WHEN EXISTS (SELECT FROM extension)
            AND current_setting('shared_preload_libraries') ~ '\mpg_stat_statements\M'
        THEN (SELECT substring(query_to_xml(
            'SELECT jsonb_agg(jsonb_build_array(queryid, calls, mean_exec_time, total_exec_time))'
            || ' AS said FROM (SELECT queryid, sum(calls) AS calls,'
            || ' sum(total_exec_time) / nullif(sum(calls), 0) AS mean_exec_time,'
            || ' sum(total_exec_time) AS total_exec_time FROM ' || view || ' s'
            || ' JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()'
            || ' WHERE queryid IS NOT NULL GROUP BY queryid ORDER BY 4 DESC LIMIT 3) AS worst',
            false, true, '')::text FROM '<said>(.*)</said>')::jsonb FROM extension) END
)::text, E'\n', ' ')
