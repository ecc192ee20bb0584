-- The health of a cluster as one line of JSON, from the views of PostgreSQL 13 to 18 alike.
-- Ages are in seconds, sizes in bytes. No text of a statement is read: it may hold data.
-- A view that only newer versions have is asked through query_to_xml, which parses it last.
WITH clients AS (
    SELECT state, xact_start, query_start, state_change
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
), counters AS (
    SELECT sum(blks_hit) AS hits, sum(blks_read) AS reads, sum(deadlocks) AS deadlocks,
        sum(temp_bytes) AS temp_bytes, sum(conflicts) AS conflicts,
        sum(checksum_failures) AS checksum_failures,
        coalesce(min(stats_reset), pg_postmaster_start_time()) AS since
    FROM pg_stat_database
), place AS (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_lsn() END AS lsn
), asleep AS (
    SELECT pg_wal_lsn_diff(place.lsn, restart_lsn) AS kept
    FROM pg_replication_slots, place WHERE NOT active AND restart_lsn IS NOT NULL
), oldest AS (
    SELECT datname, age(datfrozenxid) AS age FROM pg_database ORDER BY 2 DESC LIMIT 1
)
SELECT replace(json_build_object(
    'numbers', (
        SELECT json_build_object(
            'uptime', extract(epoch FROM now() - pg_postmaster_start_time()),
            'stats_age', extract(epoch FROM now() - since),
            'hits', hits, 'reads', reads, 'deadlocks', deadlocks, 'temp_bytes', temp_bytes,
            'conflicts', conflicts, 'checksum_failures', checksum_failures,
            'max_connections', current_setting('max_connections')::int,
            'reserved', current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true)::int, 0),
            'databases', (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate),
            'wraparound_age', (SELECT age FROM oldest),
            'oldest_transaction', (SELECT extract(epoch FROM now() - min(start)) FROM (
                SELECT xact_start AS start FROM clients
                UNION ALL SELECT prepared FROM pg_prepared_xacts) AS open),
            'oldest_idle', (SELECT extract(epoch FROM now() - min(state_change)) FROM clients
                WHERE state LIKE 'idle in transaction%'),
            'longest_statement', (SELECT extract(epoch FROM now() - min(query_start)) FROM clients
                WHERE state = 'active'),
            'inactive_slots', (SELECT count(*) FROM asleep),
            'slots_keep', (SELECT coalesce(max(kept), 0) FROM asleep))
        FROM counters),
    'connections', (SELECT json_object_agg(state, number) FROM (
        SELECT coalesce(state, 'unknown') AS state, count(*) AS number FROM clients GROUP BY 1
        ) AS states),
    'wraparound_database', (SELECT datname FROM oldest),
    'checkpoints', CASE WHEN to_regclass('pg_catalog.pg_stat_checkpointer') IS NULL
        THEN (SELECT to_jsonb(b) FROM pg_stat_bgwriter b)
        ELSE substring(query_to_xml(
            'SELECT to_jsonb(c) AS said FROM pg_stat_checkpointer c', false, true, ''
            )::text FROM '<said>(.*)</said>')::jsonb END,
    'replicas', (
        SELECT json_agg(json_build_array(application_name, state,
            extract(epoch FROM replay_lag), pg_wal_lsn_diff(place.lsn, replay_lsn)))
        FROM pg_stat_replication, place WHERE state IN ('streaming', 'catchup')),
    'standby', CASE WHEN pg_is_in_recovery() THEN (
        SELECT json_build_object(
            'follows', current_setting('primary_conninfo') <> '',
            'streams', EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),
            -- Of an idle primary a few bytes may be on their way, long after its last commit.
            'lag', CASE WHEN NOT pg_is_wal_replay_paused() AND pg_wal_lsn_diff(
                    pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) < 65536 THEN 0
                ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END)) END,
    'archiver', CASE WHEN current_setting('archive_mode') <> 'off' THEN (
        SELECT json_build_object('failures', failed_count,
            'fails', last_failed_time > coalesce(last_archived_time, '-infinity'))
        FROM pg_stat_archiver) END,
    'huge_pages', current_setting('huge_pages'),
    'huge_pages_status', current_setting('huge_pages_status', true),
    'shared_buffers', pg_size_bytes(current_setting('shared_buffers')),
    'counts_statements',
        current_setting('shared_preload_libraries') ~ '\mpg_stat_statements\M'
)::text, E'\n', ' ')
