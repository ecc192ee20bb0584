# Words that every program on the host shares: how to answer, read a value, hash a file.
# POSIX sh; run by dash, bash and busybox.
set -u
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL PATH
TAB=$(printf '\t')
NEWLINE='
'
STATE=${OPTIMIZER_STATE:-/var/lib/optimizer}
JOURNAL=$STATE/journal
SNAPSHOTS=$STATE/snapshots

# Print one answer: words separated by tabs. No word is two, or a line of its own, whatever a
# server or a program has put into it.
emit() {
    line=$1
    shift
    for word; do
        case $word in *"$NEWLINE"* | *"$TAB"*) word=$(printf '%s' "$word" | tr '\n\t' '  ') ;; esac
        line=$line$TAB$word
    done
    printf '%s\n' "$line"
}

# Squeeze blanks of $1 into REPLY, as number separators vary between tab and space.
squeeze() {
    set -f
    # shellcheck disable=SC2086
    set -- $1
    REPLY=$*
    set +f
}

# What the last look saw at $1, in REPLY. 1: it was not looked at.
looked() {
    case $LOOKED in *"$NEWLINE$1$TAB"*) ;; *) return 1 ;; esac
    REPLY=${LOOKED#*"$NEWLINE$1$TAB"}
    REPLY=${REPLY%%"$NEWLINE"*}
}
LOOKED=

# Read the canonical text of the value at $1 into REPLY: a file of the kernel, or a parameter
# of a server (redis:…), an object in one of its databases, a variable of a Node service (node:…),
# a package, or a parameter of the running kernel (boot:…).
# 0: read; 1: does not exist; 2: cannot be read. An empty value reads as @empty.
# The shell's own `read` will not do: it asks for single bytes, and a file of /proc/sys
# answers only the first such request (dash and busybox get 6 where the value is 60).
read_value() {
    case $1 in
    redis:*) redis_read "$1"; return ;;
    postgresql:*) if is_object "$1"; then postgresql_object_read "$1"; else postgresql_read "$1"; fi; return ;;
    pgbouncer:*) pgbouncer_read "$1"; return ;;
    node:*) node_read "$1"; return ;;
    package:*) package_read "$1"; return ;;
    boot:*) boot_read "$1"; return ;;
    esac
    ! looked "$1" || return 0
    [ -e "$1" ] || { REPLY=@absent; return 1; }
    REPLY=$(cat "$1" 2>/dev/null) || { REPLY=@unreadable; return 2; }
    squeeze "${REPLY%%"$NEWLINE"*}"
    case $1 in
    /sys/*) case $REPLY in
        *\[*\]*)
            REPLY=${REPLY#*\[}
            REPLY=${REPLY%%\]*}
            ;;
        esac ;;
    esac
    [ -n "$REPLY" ] || REPLY=@empty
    return 0
}

# Write the text $2 to the value at $1; on failure the words of the kernel, or of the server,
# are in ERROR.
write_value() {
    case $1 in
    redis:*) redis_write "$1" "$2"; return ;;
    postgresql:*) postgresql_object_write "$1" "$2"; return ;;
    package:*) package_write "$1" "$2"; return ;;
    esac
    case $1=$2 in
    *=@absent)
        ERROR="it goes with what brought it"
        return 1
        ;;
    /proc/sys/vm/dirty_*bytes=0) write_zero_bytes "$1"; return ;;
    esac
    write_text "$1" "$2"
}

write_text() {
    text=$2
    [ "$text" = @empty ] && text=
    ERROR=$({ printf '%s\n' "$text" >"$1"; } 2>&1) && return 0
    ERROR=${ERROR##*: }
    return 1
}

# Zero is nothing that the kernel takes for the bytes at $1: it makes zero of them when their ratio
# changes.
write_zero_bytes() {
    ratio=${1%bytes}ratio
    read_value "$ratio" || return 1
    kept=$REPLY
    [ "$kept" = 1 ] && other=2 || other=1
    write_text "$ratio" "$other" && write_text "$ratio" "$kept"
}

# Whether a value of write $1 changes with files, or after them, so not before the confirmation.
comes_later() {
    case $1 in file | pend | last) return 0 ;; esac
    return 1
}

sha256_of() {
    REPLY=$(sha256sum <"$1" 2>/dev/null) || REPLY=
    REPLY=${REPLY%% *}
}

# Describe what is at path $1 into REPLY: @absent, `sha256 mode uid:gid`, or @other.
describe_file() {
    if [ -h "$1" ]; then
        REPLY=@other
    elif [ -f "$1" ]; then
        sha256_of "$1"
        REPLY="$REPLY $(stat -c '%a %u:%g' "$1")"
    elif [ -e "$1" ]; then
        REPLY=@other
    else
        REPLY=@absent
    fi
}

# Describe the symbolic link at $1 into REPLY: its target, @absent, or @other.
describe_link() {
    if [ -h "$1" ]; then
        REPLY=$(readlink "$1")
    elif [ -e "$1" ]; then
        REPLY=@other
    else
        REPLY=@absent
    fi
}

# Flush a file or directory to the disk; older sync takes no names and flushes all.
flush() {
    sync "$@" 2>/dev/null || sync
}

has() {
    command -v "$1" >/dev/null 2>&1
}

runs_systemd() {
    [ -d /run/systemd/system ] && has systemctl
}

boot_id() {
    IFS= read -r REPLY </proc/sys/kernel/random/boot_id || REPLY=unknown
}

now() {
    REPLY=$(date -u +%Y-%m-%dT%H:%M:%SZ)
}
