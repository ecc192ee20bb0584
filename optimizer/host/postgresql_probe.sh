# Find the PostgreSQL clusters of the host and ask them about their settings.
# Given by the controller: POSTGRESQL, the names of settings, and POSTGRESQL_QUERY for them.

probe_postgresql() {
    [ -n "$POSTGRESQL$POSTGRESQL_HEALTH" ] || return 0
    found=
    for pid in $(first_processes postgres postmaster); do probe_cluster "$pid"; done
    probe_clusters_down
}

# Bytes of huge pages that process $1 has mapped; nothing where this account may not look.
mapped_huge() {
    awk '$1 == "Size:" { size = $2 } $1 == "VmFlags:" { seen = 1; if (/ ht( |$)/) whole += size }
        END { if (seen) printf "%.0f", whole * 1024 }' "/proc/$1/smaps" 2>/dev/null
}

cluster_problem() {
    emit postgresql "$1" problem "$2"
}

# Process $1 is the first one of a cluster, and works in its data directory.
probe_cluster() {
    data=$(readlink "/proc/$1/cwd")
    unit=$(unit_of_process "$1")
    if [ "$(id -u)" = 0 ] && [ ! -e "$data/postmaster.pid" ]; then
        cluster_problem "pid $1" 'runs in a container, which is not managed from here'
        emit postgresql "pid $1" elsewhere yes
        return
    fi
    port=$(sed -n 4p "$data/postmaster.pid" 2>/dev/null)
    socket=$(sed -n 5p "$data/postmaster.pid" 2>/dev/null)
    if [ -z "$port" ] || [ -z "$socket" ]; then
        cluster_problem "${port:-pid $1}" 'has no socket that this account can see'
        return
    fi
    found="$found $port"
    address=$(stat -c %U "/proc/$1")@${socket%%,*}:$port
    emit postgresql "$port" unit "$unit"
    emit postgresql "$port" data "$data"
    case $unit in
    postgresql@*-*.service) unit=${unit#postgresql@}; unit=${unit%.service}; emit postgresql "$port" cluster "${unit%%-*}/${unit#*-}" ;;
    *) emit postgresql "$port" cluster "$data" ;;
    esac
    has psql || { cluster_problem "$port" 'needs psql on the host, and there is none'; return; }
    postgresql_ask "$address" "$POSTGRESQL_QUERY" || {
        cluster_problem "$port" "gives no answer to psql: ${SAID%%"$NEWLINE"*}"
        return
    }
    emit postgresql "$port" address "$address"
    emit postgresql "$port" json "$SAID"
    emit postgresql "$port" programs "$(readlink "/proc/$1/exe")"
    emit postgresql "$port" huge "$(mapped_huge "$1")"
    probe_cluster_files "$port" "$1"
    probe_postgresql_health "$port" "$address"
    probe_postgresql_objects "$port" "$address"
}

# Of the files only lines of settings that were asked for leave the host: others hold secrets.
probe_cluster_files() {
    postgresql_ask "$address" 'SHOW config_file' || return
    config=$SAID
    folder=${config%/*}
    included=$(reads_conf_d "$config")
    if [ -n "$included" ]; then
        drop_in=$folder/conf.d/zz-optimizer.conf
        emit postgresql "$1" included_at "${included%%:*}"
    else
        drop_in=$folder/postgresql.optimizer.conf
    fi
    emit postgresql "$1" config_file "$config"
    emit postgresql "$1" drop_in "$drop_in"
    probe_file "$drop_in"
    emit_lined "$config" "include_if_exists = '$drop_in'"
    emit_lined "$data/postgresql.auto.conf" '# @none@'
    awk -v name="$1" -v wanted="$(printf '%s' "$POSTGRESQL" | tr '\n' ' ')" '
        BEGIN { count = split(wanted, one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
        { key = $0; sub(/^[ \t]*/, "", key); sub(/[ \t=].*/, "", key) }
        tolower(key) in known { print "postgresql-auto\t" name "\t" tolower(key) "\t" $0 }' "$data/postgresql.auto.conf"
    if grep -qi patroni "$config"; then emit postgresql "$1" is_patroni yes; fi
    program=$(readlink "/proc/$2/exe")
    libraries=$(for path in "${program%/bin/*}"/lib/*.so "${program%/bin/*}"/lib/postgresql/*.so; do
        path=${path##*/}
        printf '%s ' "${path%.so}"
    done)
    emit postgresql "$1" libraries "$libraries"
    emit postgresql "$1" free_wal "$(df -Pk "$data/pg_wal" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
}

# Debian knows of clusters that do not run.
probe_clusters_down() {
    has pg_lsclusters || return 0
    pg_lsclusters -h 2>/dev/null | while read -r version name port status rest; do
        case $status in online*) continue ;; esac
        case " $found " in *" $port "*) continue ;; esac
        grep -q '^auto' "/etc/postgresql/$version/$name/start.conf" 2>/dev/null || continue
        cluster_problem "$port" "is not running: cluster $version/$name is $status"
        emit postgresql "$port" cluster "$version/$name"
    done
}
