# Find the Node processes of the host, and what sets the environment of their units.
# Given by the controller: NODE, the names of variables; NODE_FLAGS, options that a profile wants;
# NODE_DIRECTIVES of units. Of environments and files only what was asked for leaves the host.

# awk: which variables were asked for, and the two sides of an assignment.
NODE_NAMES='
    BEGIN { count = split(ENVIRON["NODE"], one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
    function squeezed(text) { gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text); return text }
    function name_of(word) { return substr(word, 1, index(word, "=") - 1) }
    function text_of(word) { return squeezed(substr(word, index(word, "=") + 1)) }'

# awk: hand each word of `text` to take(word); quotes and backslashes are as systemd has them.
NODE_WORDS="$NODE_NAMES"'
    function each_word(text,  i, c, quote, word, begun) {
        quote = ""; word = ""; begun = 0
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (c == "\\") { word = word substr(text, ++i, 1); begun = 1 }
            else if (quote != "") { if (c == quote) quote = ""; else word = word c }
            else if (c == "\"" || c == "\047") { quote = c; begun = 1 }
            else if (c == " " || c == "\t") { if (begun) take(word); word = ""; begun = 0 }
            else { word = word c; begun = 1 }
        }
        if (begun) take(word)
    }'

probe_node() {
    export NODE NODE_DIRECTIVES
    node_processes >"$scratch.node"
    if grep -qv "${TAB}container$TAB" "$scratch.node"; then
        emit service node
    elif [ "$(id -u)" != 0 ] && grep -q "${TAB}node$" "$processes"; then
        # The programs of others cannot be seen by this account; a name is better than nothing.
        emit service node
    fi
    [ "$WITH_SNAPSHOTS" = no ] || library_users | sort -u
    [ -n "$NODE" ] || return 0
    emit fact file_limit "$(most_files)"
    # The first process of each group: the youngest whose parent is not Node.
    awk -F '\t' '
        { name[$3] = $1; kind[$3] = $2; parent[$3] = $4; path[$3] = $5 }
        END { for (pid in name)
                if (parent[pid] in name) workers[name[parent[pid]]]++
                else if (pid + 0 > first[name[pid]] + 0) first[name[pid]] = pid
              for (group in first) {
                  pid = first[group]
                  print group "\t" kind[pid] "\t" pid "\t" workers[group] + 0 "\t" path[pid]
              } }' "$scratch.node" | sort >"$scratch.groups"
    while IFS=$TAB read -r name kind pid workers path; do probe_node_group; done <"$scratch.groups"
}

# How many open files systemd can give to a service. Without CAP_SYS_RESOURCE, bit 24, as in many
# containers, it raises no limit above its own; systemd then gives less, without a word.
most_files() {
    case $(sed -n 's/^CapEff:.*\(.\)......$/\1/p' /proc/1/status)/$(awk '{ print $3 }' /proc/1/uid_map) in
    [13579bdf]/4294967295) cat /proc/sys/fs/nr_open ;;
    *) awk '/^Max open files/ { print $5 }' /proc/1/limits ;;
    esac
}

# What runs with a file of our library, by unit.
library_users() {
    loading_processes | while IFS= read -r found; do
        node_group "$found"
        emit library-user "${REPLY%%"$TAB"*}"
    done
}

# Every Node process, one a line: its group, the kind of that, its number, its parent, its program.
node_processes() {
    node_programs | while IFS=$TAB read -r found program; do
        node_group "$found"
        emit "$REPLY" "$found" "$(parent_of "$found")" "$program"
    done
}

# `name<tab>kind` of what process $1 belongs to, in REPLY. kind: unit, user, container or none.
node_group() {
    cgroup=$(sed -n 's/^[^:]*:[^:]*:\(.*\.service\)/\1/p; s/^0::\(.*\)/\1/p' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
    space=$(readlink "/proc/$1/ns/pid")
    if [ -n "$space" ] && [ "$space" != "$(readlink /proc/self/ns/pid)" ]; then
        REPLY="pid $1${TAB}container"
        return
    fi
    case $cgroup in
    */docker-* | */docker/* | */libpod* | */kubepods* | */cri-containerd* | */lxc/* | */machine.slice/*) REPLY="pid $1${TAB}container" ;;
    */user@*) REPLY="pid $1${TAB}user" ;;
    *.service | *.service/*)
        cgroup=${cgroup%%.service*}
        REPLY="${cgroup##*/}.service${TAB}unit"
        ;;
    *) REPLY="pid $1${TAB}none" ;;
    esac
}

probe_node_group() {
    emit node "$name" kind "$kind"
    emit node "$name" pid "$pid"
    emit node "$name" workers "$workers"
    [ "$kind" != container ] || return 0
    user=$(stat -c %U "/proc/$pid")
    emit node "$name" user "$user"
    emit node "$name" executable "$path"
    node_binary
    if is_run_by_pm2; then emit node "$name" pm2 yes; fi
    node_environment "$name" "$pid"
    node_flags "$name" "$pid"
    [ "$kind" = unit ] && runs_systemd || return 0
    # What else is asked of units is asked of this one as well.
    UNITS="$UNITS $name"
    node_unit_settings
    for directive in $NODE_DIRECTIVES; do
        if node_directive "$pid" "$directive"; then emit node-limit "$name" "$directive" "$REPLY"; fi
    done
}

# The program is asked once for each path: its version, and which options it does not take in
# NODE_OPTIONS. As the user of the service, who may be the one who can write to it.
node_binary() {
    if ! may_run "$user" "$path"; then
        emit node "$name" unsafe yes
        return 0
    fi
    if ! grep -q "^$path$TAB" "$scratch.binaries"; then
        # shellcheck disable=SC2016,SC2086
        asked=$(cd / && as_node_user "$user" "$path" -e '
            const taken = process.allowedNodeEnvironmentFlags
            console.log([process.versions.node, ...process.argv.slice(1).filter((flag) => !taken.has(flag))].join(" "))' \
            -- $NODE_FLAGS) || asked=
        emit "$path" "$asked" >>"$scratch.binaries"
    fi
    asked=$(awk -F '\t' -v path="$path" '$1 == path { print $2 }' "$scratch.binaries")
    emit node "$name" version "${asked%% *}"
    case $asked in *' '*) ;; *) return 0 ;; esac
    for flag in ${asked#* }; do
        node_starts "$user" "$path" "$flag" / && continue
        emit node-refused "$name" "$flag" "${SAID%%"$NEWLINE"*}"
    done
}

is_run_by_pm2() {
    [ -n "$(node_variable "$pid" pm_id)$(node_variable "$pid" PM2_HOME)" ] ||
        { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q 'God Daemon'
}

# What process $2 was started with.
node_environment() {
    { tr '\n\0' ' \n' <"/proc/$2/environ"; } 2>/dev/null | name=$1 awk "$NODE_NAMES"'
        name_of($0) in known && !seen[name_of($0)]++ {
            print "node-variable\t" ENVIRON["name"] "\t" name_of($0) "\t" text_of($0) }'
}

# Options of Node itself: they end where the program's name or `--` begins. A program that gave
# itself a title has overwritten them, and then those count with which the unit starts it.
node_flags() {
    { tr '\n\0' ' \n' <"/proc/$2/cmdline"; } 2>/dev/null | name=$1 flags=$NODE_FLAGS awk '
        BEGIN { count = split(ENVIRON["flags"], one, " "); for (i = 1; i <= count; i++) known[one[i]] = 1 }
        NR == 1 || ended { next }
        is_value { is_value = 0; next }
        !/^-/ || $0 == "--" || $0 == "-" { ended = 1; next }
        { flag = $0; sub(/=.*/, "", flag); if (flag ~ /^--/) gsub(/_/, "-", flag) }
        flag in known { print "node-flag\t" ENVIRON["name"] "\t" flag "\t" (index($0, "=") ? substr($0, index($0, "=") + 1) : "") }
        /^(-r|-C|--require|--import|--loader|--experimental-loader|--conditions|--env-file|--title|--icu-data-dir)$/ { is_value = 1 }'
}

node_unit_settings() {
    systemctl show --no-pager -p Environment -p EnvironmentFiles -p FragmentPath -p DropInPaths \
        -p ExecReload -p MemoryMax -p CPUQuotaPerSecUSec -p Transient -- "$name" >"$scratch.unit"
    for property in MemoryMax CPUQuotaPerSecUSec Transient; do
        emit node "$name" "$property" "$(sed -n "s/^$property=//p" "$scratch.unit")"
    done
    emit node "$name" reloads "$(sed -n 's/^ExecReload=.*argv\[\]=\([^;]*\) ;.*/\1/p' "$scratch.unit" | head -n 1)"
    sed -n 's/^Environment=//p' "$scratch.unit" | name=$name awk "$NODE_WORDS"'
        function take(word) {
            if (name_of(word) in known) print "node-configured\t" ENVIRON["name"] "\t" name_of(word) "\t" text_of(word)
        }
        { each_word($0) }'
    sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=[a-z]*)$/\1/p' "$scratch.unit" |
        while IFS= read -r pattern; do
            # It may be a pattern, which the shell expands as systemd does.
            for file in $pattern; do node_environment_file "$file"; done
        done
    sed -n 's/^FragmentPath=//p; s/^DropInPaths=//p' "$scratch.unit" | tr ' ' '\n' |
        while IFS= read -r file; do node_unit_file "$file"; done
    probe_file "/etc/systemd/system/$name.d/zz-optimizer-node.conf"
}

# Quotes are as in a shell, but blanks within a value need none.
node_environment_file() {
    [ -r "$1" ] || return 0
    name=$name path=$1 awk "$NODE_WORDS"'
        function take(word) { text = text (text == "" ? "" : " ") word }
        { sub(/^[ \t]+/, "") }
        !/^[#;]/ && name_of($0) in known {
            assigned = name_of($0); text = ""; each_word(substr($0, index($0, "=") + 1))
            print "node-file\t" ENVIRON["name"] "\t" ENVIRON["path"] "\t" assigned "\t" squeezed(text)
        }' "$1"
}

# What one file of the unit sets; an empty Environment= takes back what was set before it.
node_unit_file() {
    [ -r "$1" ] || return 0
    name=$name path=$1 awk "$NODE_WORDS"'
        BEGIN { count = split(ENVIRON["NODE_DIRECTIVES"], one, " "); for (i = 1; i <= count; i++) directive[one[i]] = 1 }
        function told(what, text) { print "node-line\t" ENVIRON["name"] "\t" ENVIRON["path"] "\t" what "\t" text }
        function take(word) { if (name_of(word) in known) told(name_of(word), text_of(word)) }
        /\\$/ { held = held substr($0, 1, length($0) - 1) " "; next }
        { line = held $0; held = ""; sub(/^[ \t]+/, "", line); key = line; sub(/[ \t]*=.*/, "", key)
          text = index(line, "=") ? substr(line, index(line, "=") + 1) : ""; sub(/^[ \t]+/, "", text) }
        key == "Environment" { if (text == "") told("@reset", ""); else each_word(text) }
        key in directive { told(key, squeezed(text)) }' "$1"
}
