# A setting that was in no file, came into one, and is out of it again stays marked as waiting for
# a restart: PostgreSQL takes the mark away only when it reads the value in force from a file.

# What is marked at the cluster at $1 though a restart would leave it as it is, into SAID: as lines
# of a file. A value that was no default at the start really waits, for the default.
postgresql_marked() {
    postgresql_ask "$1" "SELECT name || ' = ''' || replace(current_setting(name), '''', '''''') || ''''
        FROM pg_settings s WHERE pending_restart AND source = 'default'
            AND current_setting(name) !~ '[[:cntrl:]\\\\]'
            AND NOT EXISTS (SELECT FROM pg_file_settings f WHERE lower(f.name) = s.name)"
}

# Have the cluster at $1 read what is in force from a file of ours, once, and forget its marks.
unmark_postgresql() {
    postgresql_marked "$1" && [ -n "$SAID" ] || return 0
    lines=$SAID
    postgresql_ask "$1" 'SHOW config_file' || return 0
    folder=${SAID%/*}/conf.d
    if [ -n "$(reads_conf_d "$SAID")" ] && [ -w "$JOURNAL/progress" ]; then
        say_once "$1" "$folder/zz-optimizer-once.conf" "$lines" || return 1
        postgresql_marked "$1" && [ -n "$SAID" ] || return 0
        lines=$SAID
    fi
    emit note "PostgreSQL marks as waiting for a restart what a restart leaves as it is: $(
        printf '%s\n' "$lines" | sed 's/ = .*//' | tr '\n' ' ')"
}

# cluster, file, lines. Whatever happens in between, the file goes with the change.
say_once() {
    note_sealed made "$2" || return 0
    flush "$JOURNAL/progress"
    if printf '%s\n' "$3" >"$2" && chmod 644 "$2"; then reload_postgresql "$1"; fi
    rm -f "$2"
    flush "${2%/*}"
    reload_postgresql "$1"
}
