# The guard of each write: what belongs together is read before and after it, and whatever else the
# write changed is in the journal before anything is built on it.
#
#   $JOURNAL/around          what belongs together, as it was before the write under way; it is there
#                            only while there is one
#   $JOURNAL/before          all kernel parameters, as they were before the first write
#   progress: collateral PATH BEFORE AFTER, of what no step of the manifest has
#             moved PATH VALUE, of what a step has that is held or follows

# What changes by itself.
UNSTEADY='^/proc/sys/(kernel/(random/|ns_last_pid|pty/nr|perf_|sched_domain|hostname)|fs/(dentry-state|file-nr|inode-|aio-nr|quota/|binfmt_misc/)|net/netfilter/nf_conntrack_count|net/ipv4/tcp_available_congestion_control)'

# All kernel parameters at once, and all of the servers that are changed. 1: there is no room for them.
sweep() {
    redis_sweep "$JOURNAL/manifest" >"$1.redis" || return 1
    grep -rs '' /proc/sys/fs /proc/sys/kernel /proc/sys/net /proc/sys/vm 2>/dev/null |
        sort - "$1.redis" >"$1" || return 1
    rm -f "$1.redis"
}

# Where the kernel keeps what belongs together with the value at $1, into REPLY; empty where a
# write cannot reach anything else.
around() {
    case $1 in
    /proc/sys/net/*/*) REPLY=${1#/proc/sys/net/}; REPLY=/proc/sys/net/${REPLY%%/*} ;;
    /proc/sys/*/*) REPLY=${1#/proc/sys/}; REPLY=/proc/sys/${REPLY%%/*} ;;
    /sys/kernel/mm/*) REPLY="${1%/*} /proc/sys/vm" ;;
    /sys/devices/system/cpu/smt/*) REPLY="${1%/*} /sys/devices/system/cpu/cpufreq" ;;
    # Of an interrupt one setting has two names, in two notations; in /proc itself are processes.
    /proc/*) REPLY= ;;
    /*) REPLY=${1%/*} ;;
    *) REPLY= ;;
    esac
}

# Read what can be written in the directories $1 into file $2. Reading a switch of the watchdog may
# change it: all of them are in the manifest where one of them is. Limits of frequency follow
# what the processor is allowed (boost) and what the governor is told.
read_around() {
    # shellcheck disable=SC2086
    find $1 -type f -perm -200 ! -name '*watchdog' ! -name 'scaling_m*_freq' ! -name scaling_setspeed \
        ! -path '*/stats/*' -exec grep -s '' /dev/null {} + >"$2" 2>/dev/null
}

# Write $2 to the value at $1, and see what else that changed. Returns as write_value does.
guarded_write() {
    around "$1"
    place=$REPLY
    if [ -n "$place" ] && [ "$place" != "${GUARDED:-}" ]; then
        read_around "$place" "$JOURNAL/around.new"
        { seal_file "$JOURNAL/around.new" && mv -f "$JOURNAL/around.new" "$JOURNAL/around"; } || { no_room; return 1; }
        GUARDED=$place
    fi
    note intent "$1" || return 1
    write_value "$1" "$2"
    written=$?
    if [ -n "$place" ]; then
        why=${ERROR:-}
        read_around "$place" "$JOURNAL/around.now"
        if changed "$JOURNAL/around" "$JOURNAL/around.now" again | seal_collateral >>"$JOURNAL/progress" &&
            note seen "$1" && seal_file "$JOURNAL/around.now" && mv -f "$JOURNAL/around.now" "$JOURNAL/around"; then
            ERROR=$why
        else
            no_room
            written=1
        fi
    fi
    return $written
}

unguard() {
    GUARDED=
    rm -f "$JOURNAL/around" "$JOURNAL/around.new" "$JOURNAL/around.now"
}

# A write that was cut off before anybody looked around it is made up for.
find_cut_off() {
    [ -e "$JOURNAL/around" ] || return 0
    # What was seen since has been accounted for, and is not looked at again: others work here too.
    path=$(awk -F '\t' '$1 == "intent" { path = $2 } $1 == "seen" && $2 == path { path = "" }
        END { print path }' "$JOURNAL/progress")
    around "$path"
    if [ -n "$REPLY" ] && ! is_file_sealed "$JOURNAL/around"; then
        FAILED=yes
        emit failed - "$JOURNAL/around" whole "was changed: what else the last write changed is not known for sure"
    elif [ -n "$REPLY" ]; then
        read_around "$REPLY" "$JOURNAL/around.now"
        changed "$JOURNAL/around" "$JOURNAL/around.now" again | seal_collateral >>"$JOURNAL/progress"
    fi
    unguard
}

# Compare the readings in files $1 and $2 for what else a write changed; print `collateral` and, when
# $3 is `again`, `moved`, and once more what is journalled already and is yet another value now.
changed() {
    awk -F '\t' '
        function canonical(path, text) {
            gsub(/[ \t\n]+/, " ", text)
            if (path ~ /^\/sys\// && text ~ /\[.*\]/) { sub(/^.*\[/, "", text); sub(/\].*$/, "", text) }
            sub(/^ /, "", text); sub(/ $/, "", text)
            return text == "" ? "@empty" : text
        }
        FILENAME == manifest {
            # A class of a parameter is planned by itself, and swept with the others.
            if ($3 ~ /^redis:/) sub(/\.[a-z]+$/, "", $3)
            if ($1 == "value") planned[$3] = 1
            next
        }
        FILENAME == progress { if ($1 == "collateral" && !($2 in first)) first[$2] = $3; next }
        { cut = /^redis:/ ? index($0, "\t") : index($0, ":"); path = substr($0, 1, cut - 1); text = substr($0, cut + 1) }
        # Some awks have the element there as soon as it is assigned to, so it is asked for first.
        FILENAME == before { if (path in seen) text = seen[path] "\n" text; seen[path] = text; next }
        { if (path in now) text = now[path] "\n" text; now[path] = text }
        END {
            for (path in now) {
                if (!(path in seen) || seen[path] == now[path] || path ~ unsteady) continue
                if (((path in first) || (path in planned)) && again == "") continue
                if (path in planned) { print "moved\t" path "\t" canonical(path, now[path]); continue }
                was = (path in first) ? first[path] : canonical(path, seen[path])
                printf "collateral\t%s\t%s\t%s\n", path, was, canonical(path, now[path])
            }
        }' manifest="$JOURNAL/manifest" progress="$JOURNAL/progress" before="$1" again="${3:-}" unsteady="$UNSTEADY" \
        "$JOURNAL/manifest" "$JOURNAL/progress" "$1" "$2"
}
