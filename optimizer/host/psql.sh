# Where psql is, and how it is run as the account that owns a cluster. Complete in itself, as the
# maintenance program has it too.

for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
    [ ! -d "$directory" ] || PATH=$PATH:$directory
done

# Run a command as user $1. The setpriv that comes with runuser opens no session, of which each
# call would leave two lines in the journal.
as_user() {
    user=$1
    shift
    if [ "$(id -un)" = "$user" ]; then
        "$@"
    elif command -v runuser >/dev/null 2>&1 && command -v setpriv >/dev/null 2>&1; then
        setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- "$@"
    elif command -v runuser >/dev/null 2>&1; then
        runuser -u "$user" -- "$@"
    else
        # shellcheck disable=SC2016
        su "$user" -s /bin/sh -c '"$0" "$@"' -- "$@"
    fi
}
