-- What a cluster says of itself, as one line of JSON; @names@ are the settings asked for.
WITH asked AS (SELECT string_to_array('@names@', ' ') AS names)
SELECT replace(json_build_object(
    'version', current_setting('server_version_num')::int,
    'standby', pg_is_in_recovery(),
    'settings', (
        SELECT json_agg(json_build_array(
            name, reset_val, unit, vartype, context, enumvals, boot_val, pending_restart))
        FROM pg_settings, asked WHERE name = ANY (names)),
    'files', (
        SELECT json_agg(json_build_array(
            sourcefile, sourceline, name,
            CASE WHEN name = ANY (names) THEN setting END, applied, error) ORDER BY seqno)
        FROM pg_file_settings, asked WHERE name = ANY (names) OR error IS NOT NULL),
    'roles', (
        SELECT json_agg(json_build_array(
            split_part(one, '=', 1), coalesce(d.datname, 'all databases'),
            coalesce(r.rolname, 'all roles')))
        FROM pg_db_role_setting s
        LEFT JOIN pg_database d ON d.oid = s.setdatabase
        LEFT JOIN pg_roles r ON r.oid = s.setrole,
        unnest(s.setconfig) AS one, asked
        WHERE split_part(one, '=', 1) = ANY (names))
)::text, E'\n', ' ')
