# The guard of each write: what belongs together is read before and after it, and whatever else the
# write changed is in the journal before anything is built on it.
#
#   $JOURNAL/around          what belongs together, as it was before the first write in its place; it is
#                            there only while writes go there
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

# Read what can be written in the directories $1 into file $2; of these places all that can be read, with
# one program less. Reading a switch of the watchdog may change it: all of them are in the manifest
# where one of them is. Limits of frequency follow what the processor is allowed (boost) and what
# the governor is told.
read_around() {
    case $1 in /proc/sys/net/* | /proc/sys/vm | /proc/sys/fs)
        grep -rs '' "$1" >"$2" 2>/dev/null
        return
        ;;
    esac
    # shellcheck disable=SC2086
    find $1 -type f -perm -200 ! -name '*watchdog' ! -name 'scaling_m*_freq' ! -name scaling_setspeed \
        ! -path '*/stats/*' -exec grep -s '' /dev/null {} + >"$2" 2>/dev/null
}

# Write $2 to the value at $1, and see what else that changed. Returns as write_value does, and 1 where
# the journal has no room for what was seen.
guarded_write() {
    around "$1"
    place=$REPLY
    if [ -n "$place" ] && [ "$place" != "${GUARDED:-}" ]; then
        read_around "$place" "$JOURNAL/around.new"
        start_from "$JOURNAL/around.new" || { no_room; return 1; }
        GUARDED=$place
    fi
    note intent "$1" || return 1
    LOOKED=
    write_value "$1" "$2"
    written=$?
    if [ -n "$place" ]; then
        read_around "$place" "$JOURNAL/around.now"
        { account && note seen "$1"; } || { no_room; return 1; }
    fi
    return $written
}

# What is compared with from now on is the reading in file $1.
start_from() {
    seal_file "$1" && mv -f "$1" "$JOURNAL/around"
}

# Have in the journal what the last reading has that is not known yet. It is compared with the first one
# of its place, until there are files that this one has not. 1: not all of it is in the journal.
account() {
    found=$(changed "$JOURNAL/around" "$JOURNAL/around.now" again)
    status=$?
    [ -z "$found" ] || seal_collateral >>"$JOURNAL/progress" <<FOUND || return 1
$found
FOUND
    case $status in
    0) ;;
    3) start_from "$JOURNAL/around.now" ;;
    *) return 1 ;;
    esac
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
        account || { FAILED=yes; emit failed - "$JOURNAL/progress" whole "has no room for what else the last write changed"; }
    fi
    unguard
}

# Compare the readings in files $1 and $2 for what else a write changed; print `collateral` and, when
# $3 is `again`, `moved`, and once more what is journalled already and is yet another value now.
# 3: there are files in $2 that are not in $1.
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
        FILENAME == progress {
            if ($1 == "collateral" && !($2 in first)) first[$2] = $3
            if ($1 == "collateral") known[$2] = $4
            if ($1 == "moved") known[$2] = $3
            next
        }
        /^sealed\t/ { next }
        { cut = /^redis:/ ? index($0, "\t") : index($0, ":"); path = substr($0, 1, cut - 1); text = substr($0, cut + 1) }
        # Some awks have the element there as soon as it is assigned to, so it is asked for first.
        FILENAME == before { if (path in seen) text = seen[path] "\n" text; seen[path] = text; next }
        { if (path in now) text = now[path] "\n" text; now[path] = text }
        END {
            for (path in now) {
                if (!(path in seen)) { appeared = 3; continue }
                if (path ~ unsteady) continue
                is = canonical(path, now[path]); was = canonical(path, seen[path])
                if (is == (again != "" && (path in known) ? known[path] : was)) continue
                if (((path in first) || (path in planned)) && again == "") continue
                if (path in planned) { print "moved\t" path "\t" is; continue }
                printf "collateral\t%s\t%s\t%s\n", path, (path in first) ? first[path] : was, is
            }
            exit appeared
        }' manifest="$JOURNAL/manifest" progress="$JOURNAL/progress" before="$1" again="${3:-}" unsteady="$UNSTEADY" \
        "$JOURNAL/manifest" "$JOURNAL/progress" "$1" "$2"
}
