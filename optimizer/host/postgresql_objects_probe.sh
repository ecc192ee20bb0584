# Ask the databases of a PostgreSQL cluster about objects in them: an extension, views of ours.
# Given by the controller: POSTGRESQL_OBJECTS, yes where they matter, and POSTGRESQL_SECONDS for
# all databases of a cluster.

# As many are asked as for health.
OBJECT_DATABASES=20

# Cluster $1 answers at address $2. The first databases by name are asked.
probe_postgresql_objects() {
    [ "$POSTGRESQL_OBJECTS" = yes ] || return 0
    object_ask "$2" postgres "$(databases_query)" || {
        emit postgresql-object "$1" '' @unasked "$ERROR"
        return
    }
    number=0
    until=$(($(date +%s) + POSTGRESQL_SECONDS))
    printf '%s\n' "$SAID" | grep "^%" | while IFS=$TAB read -r key is_odd; do
        number=$((number + 1))
        decode_name "$key"
        if [ "$is_odd" = t ]; then
            emit postgresql-object "$1" "$key" @left 'its name has a control character'
        elif [ "$number" -gt "$OBJECT_DATABASES" ]; then
            emit postgresql-object "$1" "$key" @left "of a cluster the first $OBJECT_DATABASES databases are looked at"
        elif [ "$(date +%s)" -gt "$until" ]; then
            emit postgresql-object "$1" "$key" @unasked 'there was no time left'
        elif object_ask "$2" "$REPLY" "$(objects_query)"; then
            printf '%s\n' "$SAID" | grep '^[a-z]*/[a-z_]*'"$TAB" |
                while IFS= read -r row; do printf 'postgresql-object\t%s\t%s\t%s\n' "$1" "$key" "$row"; done
        else
            emit postgresql-object "$1" "$key" @unasked "$ERROR"
        fi
    done
}
