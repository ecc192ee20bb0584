# One look at the host: everything a plan needs, in one command, changing nothing.
# Given by the controller, one item a line:
#   VALUES path patterns below /proc and /sys    FILES paths of our own files
#   MODULES kernel modules   UNITS systemd units   PROPERTIES unit properties (one line)
#   NAMES users and groups   WITH_SNAPSHOTS yes: the snapshots and what they touched too

probe_facts() {
    read_value /proc/sys/kernel/hostname; emit fact hostname "$REPLY"
    machine=
    { IFS= read -r machine </etc/machine-id; } 2>/dev/null
    emit fact machine_id "$machine"
    boot_id; emit fact boot_id "$REPLY"
    emit fact kernel "$(uname -r)"
    emit fact uid "$(id -u)"
    awk -F = '{ gsub(/"/, "", $2) }
        $1 == "ID" { print "fact\tos\t" $2 }
        $1 == "VERSION_ID" { print "fact\tos_version\t" $2 }
        $1 == "PRETTY_NAME" { print "fact\tos_name\t" $2 }' /etc/os-release 2>/dev/null
    awk '/^processor/ { cpus++ } END { if (cpus) print "fact\tprocessors\t" cpus }' /proc/cpuinfo
    awk '/^Cpus_allowed_list/ { print "fact\tcpus_allowed\t" $2 }' /proc/self/status
    { IFS= read -r REPLY </sys/devices/system/cpu/present; } 2>/dev/null && emit fact cpus_present "$REPLY"
    awk '/^MemTotal/ { printf "fact\tmem_total\t%.0f\n", $2 * 1024 }
        /^MemAvailable/ { printf "fact\tmem_available\t%.0f\n", $2 * 1024 }
        { sub(/:$/, "", $1); found[$1] = $2 }
        END { if (found["Hugepagesize"])
            printf "fact\thuge_pages\t%.0f %d %d %d %d %.0f\n", found["Hugepagesize"] * 1024,
                found["HugePages_Total"], found["HugePages_Free"], found["HugePages_Rsvd"],
                found["HugePages_Surp"], found["Hugetlb"] * 1024 }' /proc/meminfo
    awk '$1 == "some" { sub(/avg10=/, "", $2); print "fact\tmemory_pressure\t" $2 }' /proc/pressure/memory
    runs_systemd && emit fact failed_units "$(systemctl list-units --failed --plain --no-legend | awk '{ printf "%s ", $1 }')"
    # The directory may not be there yet; then what it will be made in counts.
    holder=$STATE
    while [ ! -d "$holder" ]; do holder=${holder%/*}; holder=${holder:-/}; done
    emit fact state_free "$(df -Pk "$holder" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
    for limit in memory.max cpu.max; do
        { IFS= read -r REPLY <"/sys/fs/cgroup/$limit"; } 2>/dev/null && emit fact "$limit" "$REPLY"
    done
    IFS= read -r REPLY </proc/cmdline; emit fact cmdline "$REPLY"
    if [ -d /run/systemd/system ]; then
        emit fact init systemd
    else
        IFS= read -r REPLY </proc/1/comm; emit fact init "$REPLY"
    fi
    set -- /sys/devices/system/node/node[0-9]*
    [ -e "$1" ] || set -- none
    emit fact numa_nodes $#
    probe_virtualization
    emit fact now "$(date +%s)"
    { read -r REPLY rest </proc/uptime; } 2>/dev/null && emit fact uptime "$REPLY"
    for tool in systemd-run setsid logrotate modprobe flock; do
        if has "$tool"; then emit fact "has_$tool" yes; fi
    done
}

probe_virtualization() {
    if has systemd-detect-virt; then
        emit fact virtualization "$(systemd-detect-virt 2>/dev/null)"
    elif grep -q '^flags.* hypervisor' /proc/cpuinfo 2>/dev/null; then
        emit fact virtualization vm
    else
        emit fact virtualization none
    fi
}

probe_disks() {
    for disk in /sys/block/*; do
        [ -e "$disk/queue/scheduler" ] || continue
        name=${disk##*/}
        case $name in
        loop* | ram* | zram* | sr* | fd* | dm-* | md*) continue ;;
        nvme*) kind=nvme ;;
        vd* | xvd*) kind=virtio ;;
        *) read_value "$disk/queue/rotational"; [ "$REPLY" = 1 ] && kind=hdd || kind=ssd ;;
        esac
        emit disk "$name" "$kind"
    done
}


# Patterns are expanded by the shell itself; one `grep` then reads all of the files.
probe_values() {
    printf '%s\n' "$VALUES" | awk 'NF && !/^(redis|postgresql|pgbouncer|package|node|boot):/ && !seen[$0]++' >"$scratch.patterns"
    while IFS= read -r pattern; do
        found=
        for path in $pattern; do
            [ -e "$path" ] || continue
            found=yes
            state=read-only
            [ -w "$path" ] && state=writable
            printf '%s\t%s\n' "$path" "$state"
        done
        [ -n "$found" ] || emit absent "$pattern" >&3
    done <"$scratch.patterns" >"$scratch.paths" 3>"$scratch.absent"
    cat "$scratch.absent"
    cut -f 1 "$scratch.paths" | xargs grep -sH '' /dev/null >"$scratch.texts"
    awk -F '\t' '
        function squeezed(text) { gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text); return text }
        FILENAME == paths { state[$1] = $2; order[++count] = $1; next }
        {
            # A path may have a colon of its own: the right cut gives a path that was asked for.
            for (cut = 1; cut <= length($0); cut++)
                if (substr($0, cut, 1) == ":" && (substr($0, 1, cut - 1) in state)) break
            path = substr($0, 1, cut - 1)
            if (path in state && !(path in text)) text[path] = squeezed(substr($0, cut + 1))
        }
        END {
            for (i = 1; i <= count; i++) {
                path = order[i]
                if (!(path in text)) { print "value\t" path "\tunreadable\t-\t"; continue }
                word = text[path]; raw = ""
                if (path ~ /^\/sys\// && word ~ /\[.*\]/) {
                    raw = word; sub(/^.*\[/, "", word); sub(/\].*$/, "", word)
                }
                print "value\t" path "\t" state[path] "\t" (word == "" ? "@empty" : word) "\t" raw
            }
        }' paths="$scratch.paths" "$scratch.paths" "$scratch.texts"
}

probe_file() {
    describe_file "$1"
    case $REPLY in
    @absent) : ;;
    @other) if [ -h "$1" ]; then emit link "$1" "$(readlink "$1")"; else emit odd "$1"; fi ;;
    *) emit file "$1" "$REPLY" "$(od -An -v -tx1 "$1" | tr -d ' \n')" ;;
    esac
    directory=${1%/*}
    while [ -n "$directory" ] && [ ! -d "$directory" ]; do directory=${directory%/*}; done
    emit directory "${directory:-/}"
}

# Lines that count of the files $3.. of area $1; $2 is an awk condition on the line.
config_lines() {
    area=$1
    condition=$2
    shift 2
    for path; do
        shift
        if [ -h "$path" ]; then
            emit config-file "$area" "$path" "$(readlink "$path")" "$(stat -L -c %Y "$path" 2>/dev/null)"
        fi
        if [ -f "$path" ] && [ -r "$path" ]; then set -- "$@" "$path"; fi
    done
    [ $# -gt 0 ] || return 0
    # One process for all of them: a probe of many small processes is slow on a small host.
    stat -c "%F${TAB}config-file${TAB}$area${TAB}%n${TAB}${TAB}%Y" "$@" | sed -n "s/^regular[^$TAB]*$TAB//p"
    awk -v area="$area" "$condition"' { print "config\t" area "\t" FILENAME "\t" FNR "\t" $0 }' "$@"
}

probe_config() {
    lib=/lib
    [ -h /lib ] && lib=/nonexistent
    written='!/^[ \t]*([#;]|$)/'
    config_lines sysctl "$written" /etc/sysctl.d/*.conf /run/sysctl.d/*.conf \
        /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf $lib/sysctl.d/*.conf
    config_lines sysctl.conf "$written" /etc/sysctl.conf
    config_lines tmpfiles '/^[wW]/' /etc/tmpfiles.d/*.conf /run/tmpfiles.d/*.conf \
        /usr/local/lib/tmpfiles.d/*.conf /usr/lib/tmpfiles.d/*.conf
    config_lines modules "$written" /etc/modules /etc/modules-load.d/*.conf /run/modules-load.d/*.conf \
        /usr/local/lib/modules-load.d/*.conf /usr/lib/modules-load.d/*.conf
    config_lines journald "$written" /etc/systemd/journald.conf /usr/lib/systemd/journald.conf \
        /etc/systemd/journald.conf.d/*.conf /run/systemd/journald.conf.d/*.conf \
        /usr/local/lib/systemd/journald.conf.d/*.conf /usr/lib/systemd/journald.conf.d/*.conf
    [ "$GRUB" != yes ] || config_lines grub '/^[ \t]*(export[ \t]+)?GRUB_CMDLINE_LINUX(_DEFAULT)?[+]?=/' \
        /etc/default/grub /etc/default/grub.d/*.cfg
}

# $1 is a module, $2 the build option that makes it a fixed part of the kernel.
probe_module() {
    if [ -e "/sys/module/$1/initstate" ]; then
        emit module "$1" loaded
    elif [ -d "/sys/module/$1" ] || is_builtin "$1" "$2"; then
        emit module "$1" builtin
    elif has modprobe && modprobe -n -q "$1" 2>/dev/null; then
        emit module "$1" loadable
    else
        emit module "$1" missing
    fi
}

# Module $1 with the kernel's option $2; what is asked for many times is read once.
is_builtin() {
    if [ -z "${builtin_modules:-}" ]; then
        builtin_modules=$NEWLINE$(sed 's/.*\///; s/\.ko.*//' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
            [ ! -e /proc/config.gz ] || zcat /proc/config.gz | sed -n 's/=y$//p')$NEWLINE
    fi
    case $builtin_modules in *"$NEWLINE$1$NEWLINE"* | *"${NEWLINE}CONFIG_$2$NEWLINE"*) return 0 ;; esac
    return 1
}

probe_units() {
    runs_systemd && [ -n "$UNITS" ] || return 0
    # shellcheck disable=SC2086
    systemctl show --no-pager -p "$PROPERTIES" -- $UNITS 2>/dev/null |
        list=$UNITS awk 'BEGIN { split(ENVIRON["list"], unit, " "); i = 1 }
            /^$/ { i++; next }
            { print "unit\t" unit[i] "\t" $0 }' >"${scratch:?}"
    cat "$scratch"
    probe_unit_lines
    awk -F '\t' '$3 ~ /^MainPID=[1-9]/ { sub(/MainPID=/, "", $3); print $2 "\t" $3 }' "$scratch" |
        while IFS=$TAB read -r unit pid; do probe_process "$unit" "$pid"; done
}

# The lines that set what was asked for: in the unit itself, then in its drop-ins, as systemd reads them.
probe_unit_lines() {
    for word in FragmentPath DropInPaths; do
        awk -F '\t' -v word="$word" '{ cut = index($3, "="); if (substr($3, 1, cut - 1) != word) next
            count = split(substr($3, cut + 1), path, " ")
            for (i = 1; i <= count; i++) print $2 "\t" path[i] }' "$scratch"
    done | while IFS=$TAB read -r unit path; do
        [ ! -r "$path" ] || awk -v unit="$unit" -v path="$path" -v names="$PROPERTIES" '
            BEGIN { count = split(names, one, ","); for (i = 1; i <= count; i++) wanted[one[i]] }
            { name = $0; sub(/[ \t]*=.*/, "", name); if (name in wanted && /=/) print "unit-line\t" unit "\t" path "\t" FNR "\t" $0 }' "$path"
    done
}

probe_process() {
    awk -v unit="$1" 'NR > 1 {
            name = substr($0, 1, 26); rest = substr($0, 27); split(rest, part, " ")
            sub(/ +$/, "", name); print "limit\t" unit "\t" name "\t" part[1] "\t" part[2] }' \
        "/proc/$2/limits" 2>/dev/null
    awk -v unit="$1" '/^Cpus_allowed_list/ { print "process\t" unit "\tCPUAffinity\t" $2 }' "/proc/$2/status" 2>/dev/null
    awk -v unit="$1" '{ sub(/.*\) /, ""); print "process\t" unit "\tNice\t" $17 }' "/proc/$2/stat" 2>/dev/null
    { IFS= read -r REPLY <"/proc/$2/oom_score_adj"; } 2>/dev/null && emit process "$1" OOMScoreAdjust "$REPLY"
}

probe_names() {
    for name in $NAMES; do
        grep -q "^$name:" /etc/passwd 2>/dev/null && emit user "$name"
        grep -q "^$name:" /etc/group 2>/dev/null && emit group "$name"
    done
}

# Other tools that set the same things.
probe_authorities() {
    awk -F '\t' '
        $2 ~ /^(tuned|irqbalance|saptune|bpftune|tlp|power-profiles-.*|ksmtuned|auto-cpufreq)$/ {
            print "authority\t" $2 "\trunning"
        }
        $2 ~ /^(redis|valkey)-server$/ { runs["redis"] }
        $2 ~ /^(postgres|postmaster)$/ { runs["postgresql"] }
        END { for (name in runs) print "service\t" name }' "$processes"
    if [ -s /etc/tuned/active_profile ]; then
        IFS= read -r REPLY </etc/tuned/active_profile || :
        emit authority tuned-profile "$REPLY"
    fi
    [ ! -r /etc/ufw/ufw.conf ] || ! grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf || emit authority ufw enabled
}

# Snapshots whose manifests can be believed are in WHOLE, one a line; no others are read.
probe_snapshots() {
    WHOLE=
    for snapshot in "$SNAPSHOTS"/*; do
        name=${snapshot##*/}
        [ -e "$snapshot" ] || [ -h "$snapshot" ] || continue
        [ ! -e "$snapshot/undone" ] || emit undone "$name"
        if ! is_whole "$snapshot" "$name"; then
            emit damaged "$name" "$WHY"
            continue
        fi
        WHOLE=$WHOLE$snapshot$NEWLINE
        are_bytes_whole "$snapshot" || emit damaged "$name" "$WHY"
        is_program_whole "$snapshot/restore" || emit damaged "$name" "$snapshot/restore was changed"
        awk -F '\t' '$1 == "file" { print $3; print $4 }' "$snapshot/manifest" |
            while read -r blob rights; do
                [ "$blob" = @absent ] || [ -e "$snapshot/files/$blob" ] ||
                    emit damaged "$name" "the bytes of $blob are missing"
            done
        # What a write reset, and could not be held, is ours as well.
        awk -F '\t' -v id="$name" '$1 == "unheld" { left[$2] = $3 }
            END { for (path in left) print "unheld\t" id "\t" path "\t" left[path] }' "$snapshot/progress"
        awk -v id="$name" '{ print "snapshot\t" id "\t" $0 }' "$snapshot/manifest"
    done
    # What an unconfirmed change left is in force, and cannot be told from here any more.
    if is_journal_broken; then emit damaged "$(journal_id)" "it was not confirmed, and $WHY"; fi
}

# Of the id and the manifest at least one may be as it was; it is by this that a controller knows the change.
journal_id() {
    case $id in
    ????????????????????????????????????????????????????????????????) printf '%s' "$id" ;;
    *) [ ! -f "$JOURNAL/manifest" ] || sha256_of "$JOURNAL/manifest"; printf '%s' "${REPLY:-journal}" ;;
    esac
}

# Files of others that a change put a line into; their bytes stay here.
probe_lines() {
    printf '%s' "${WHOLE:-}" | while IFS= read -r snapshot; do
        awk -F '\t' '$1 == "line" { print $2 "\t" $7 }' "$snapshot/manifest"
    done | sort -u | while IFS=$TAB read -r path line; do emit_lined "$path" "$line"; done
}

emit_lined() {
    describe_file "$1"
    case $REPLY in @*) return ;; esac
    described=$REPLY
    if grep -qxF -- "$2" "$1"; then set -- "$1" "$2" yes; else set -- "$1" "$2" no; fi
    emit lined "$1" "$described" "$(stat -c %s "$1")" "$3" "$2"
}

probe_pending() {
    if is_journal_broken; then
        emit broken "$WHY"
    elif is_journal_whole; then
        tell_pending pending
    fi
}

# What differs as soon as a change begins, is confirmed or is put back: a look that spans such a
# moment has seen some of each.
change_mark() {
    stat -c %i "$JOURNAL" 2>/dev/null
    stat -c %s "$STATE/history" 2>/dev/null
}

# What the snapshots touched is looked at too.
touched() {
    printf '%s' "$WHOLE" | while IFS= read -r snapshot; do
        awk -F '\t' -v wanted="$1" '
            $1 == "value" && wanted == "value" { print $3 }
            ($1 == "file" || $1 == "link" || $1 == "directory") && wanted == "file" { print $2 }' \
            "$snapshot/manifest"
    done
}

# What earlier probes of this account left, that were killed.
clear_scratch() {
    for left in /tmp/optimizer-probe.*; do
        pid=${left#*.}
        [ -d "$left" ] && [ ! -h "$left" ] && [ "$(stat -c %u "$left")" = "$(id -u)" ] && [ ! -e "/proc/${pid%%.*}" ] && rm -rf "$left"
    done
}

probe_main() {
    clear_scratch
    identify self
    work=$(mktemp -d "/tmp/optimizer-probe.${REPLY%%.*}.XXXXXX") || { emit error "no temporary directory can be made"; return; }
    scratch=$work/list
    processes=$work/processes
    trap 'rm -rf "$work"; exit 1' HUP INT PIPE TERM
    mark=$(change_mark)
    if [ "$WITH_SNAPSHOTS" = yes ] && [ -d "$SNAPSHOTS" ]; then
        probe_snapshots
        VALUES=$VALUES$NEWLINE$(touched value)
        FILES=$FILES$NEWLINE$(touched file)
    fi
    list_processes >"$processes"
    probe_facts
    probe_disks
    probe_values
    probe_parameters
    probe_redis
    probe_postgresql
    probe_pgbouncer
    probe_packages
    probe_node_health
    probe_node
    probe_boot
    probe_lines
    printf '%s\n' "$FILES" | awk 'NF && !seen[$0]++' >"$scratch"
    while IFS= read -r path; do probe_file "$path"; done <"$scratch"
    probe_config
    for module in $MODULES; do probe_module "${module%%:*}" "${module#*:}"; done
    probe_units
    probe_names
    probe_authorities
    probe_pending
    [ "$(change_mark)" = "$mark" ] || emit torn
    rm -rf "$work"
    emit end
}
probe_main 2>/dev/null
