# Ask a PostgreSQL cluster about its health, and each of its databases about tables and indexes.
# Given by the controller: POSTGRESQL_HEALTH, the query about the cluster, empty where it is not
# asked for, POSTGRESQL_DATABASES for the names of its databases, POSTGRESQL_DATABASE about one of
# them, POSTGRESQL_SESSION, how a session begins, and POSTGRESQL_SECONDS for all databases.

# Ask database $2 of the cluster at address $1 the query $3, as postgresql_ask does. PGDATABASE,
# as psql takes a name with a `=` after -d for a connection string. Warnings are no part of SAID.
health_ask() {
    place=${1#*@}
    SAID=$(cd / && printf '%s\n' "$3" | PGDATABASE=$2 PGCONNECT_TIMEOUT=10 \
        PGOPTIONS=$POSTGRESQL_SESSION as_user "${1%%@*}" psql -X -A -t -q -v ON_ERROR_STOP=1 \
        -h "${place%:*}" -p "${place##*:}" 2>"$scratch.psql") && return 0
    SAID=$(sed -n '/ERROR:\|FATAL:\|error:/ { p; q; }' "$scratch.psql")
    return 1
}

# Cluster $1 answers at address $2.
probe_postgresql_health() {
    [ -n "$POSTGRESQL_HEALTH" ] || return 0
    health_ask "$2" postgres "$POSTGRESQL_HEALTH" || { emit postgresql-unasked "$1" '' "$SAID"; return; }
    emit postgresql-health "$1" "$SAID"
    health_ask "$2" postgres "$POSTGRESQL_DATABASES" || return
    until=$(($(date +%s) + POSTGRESQL_SECONDS))
    printf '%s\n' "$SAID" | while IFS= read -r database; do
        if [ "$(date +%s)" -gt "$until" ]; then
            emit postgresql-unasked "$1" "$database" 'there was no time left'
        elif health_ask "$2" "$database" "$POSTGRESQL_DATABASE"; then
            emit postgresql-database "$1" "$SAID"
        else
            emit postgresql-unasked "$1" "$database" "$SAID"
        fi
    done
}
