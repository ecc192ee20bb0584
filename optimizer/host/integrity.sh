# Whether what is kept on this host can be believed: written by root alone, whole, about this very
# host, and in a form that is understood. By what is not, nothing is put back.

# The newest form of a manifest that these programs understand.
FORMAT=1

# Nobody but root can change $1, or put something else in its place; in a directory such as /tmp
# only its owner may rename what is there.
is_roots() {
    place=$1
    while [ -n "$place" ]; do
        case $(stat -c '%u %A' "$place" 2>/dev/null) in
        '0 '?????-??-*) ;;
        '0 d'????????[tT]) [ "$place" != "$1" ] || return 1 ;;
        *) return 1 ;;
        esac
        place=${place%/*}
    done
}

# Nobody but root can change the directory $1, which may be reached over links of root's; or WHY.
is_private() {
    WHY=
    [ -d "$1" ] || { WHY="$1 is no directory"; return 1; }
    is_roots "$(cd "$1" 2>/dev/null && pwd -P)" && return 0
    WHY="$1 belongs, or lies in what belongs, not to root alone: look at what is in it, then chown root and chmod 700"
    return 1
}

# As is_private, where $1 itself is no link.
is_own_place() {
    [ ! -h "$1" ] || { WHY="$1 is a symbolic link"; return 1; }
    is_private "$1"
}

# Nobody but root can change what the journal or snapshot in directory $1 has, and all of it are
# files, but for the links of the lock; or WHY. A named pipe would never end, a link may lead anywhere.
is_kept_well() {
    is_own_place "$1" || return 1
    WHY=$(stat -c '%u %A %n' "$1"/* "$1"/files/* 2>/dev/null | root=$1 awk '
        { name = $0; sub(/^[^ ]* [^ ]* /, "", name); short = substr(name, length(ENVIRON["root"]) + 2)
          kind = substr($2, 1, 1); is_folder = (short ~ /^(files|menu|package)$/); is_lock = (short == "busy") }
        kind == "l" && (is_lock || short ~ /^after\.[^\/]*$/) { if ($1 == 0) next }
        kind == "l" { print name " is a symbolic link"; exit }
        kind == "p" { print name " is a named pipe"; exit }
        kind == "d" && !is_folder { print name " is a directory"; exit }
        kind != "-" && kind != "d" || is_folder && kind != "d" || is_lock { print name " is no regular file"; exit }
        $1 != 0 { print name " belongs to user " $1; exit }
        $2 ~ /^.....w/ || $2 ~ /^........w/ { print name " can be changed by others"; exit }')
    [ -z "$WHY" ]
}

# The manifest in directory $1 is whole, of this host, and understood; or WHY. Its id has to be $2
# or $3: of the two one may be damaged as well.
is_whole() {
    is_kept_well "$1" || return 1
    [ -f "$1/manifest" ] || { WHY="$1/manifest is missing"; return 1; }
    [ -s "$1/manifest" ] || { WHY="$1/manifest is empty"; return 1; }
    sha256_of "$1/manifest"
    # The latter is not known to everybody.
    if [ "$REPLY" != "$2" ] && [ "$REPLY" != "${3:-none}" ]; then
        WHY="$1/manifest was changed"
        return 1
    fi
    is_understood "$1" && is_of_this_host "$1"
}

is_understood() {
    form=$(header "$1" format)
    case ${form:-1} in
    *[!0-9]* | ?????*) ;;
    *) [ "${form:-1}" -gt "$FORMAT" ] || return 0 ;;
    esac
    WHY="$1/manifest is of a newer version (form $form, understood up to $FORMAT): use a newer optimizer"
    return 1
}

is_of_this_host() {
    theirs=$(header "$1" machine)
    mine=
    { IFS= read -r mine </etc/machine-id; } 2>/dev/null
    [ "${theirs#@empty}" = "$mine" ] && return 0
    WHY="$1 is of another host, $theirs"
    return 1
}

# As is_whole, of the journal, and of the program in it. KNOWN_ID: what its manifest was when the
# change began, where that is known from elsewhere.
is_journal_whole() {
    id=
    [ ! -f "$JOURNAL/id" ] || { IFS= read -r id <"$JOURNAL/id"; } 2>/dev/null
    is_whole "$JOURNAL" "${id:-none}" "${KNOWN_ID:-}" || return 1
    is_program_whole "$JOURNAL/restore" && return 0
    WHY="$JOURNAL/restore was changed"
    return 1
}

# The journal is damaged, WHY: something may have been written for its change, and what it was cannot
# be believed.
is_journal_damaged() {
    ! is_journal_whole || return 1
    why=$WHY
    # What others may have written is damaged in any case.
    is_armed || ! is_kept_well "$JOURNAL" || return 1
    # It may have been put away meanwhile.
    [ -e "$JOURNAL" ] || [ -h "$JOURNAL" ] || return 1
    WHY=$why
}

# The journal can be locked: what others may change is not even that, as a lock may lead anywhere.
is_lockable() {
    [ -e "$JOURNAL" ] || [ -h "$JOURNAL" ] || return 0
    is_own_place "$JOURNAL"
}

# Something may have been written for the change of the journal: it is not being made any more, and
# that its timer is armed is noted last of all.
is_armed() {
    [ -e "$JOURNAL/waiter" ] || grep -qs '^armed' "$JOURNAL/progress" || { [ -e "$TWIN" ] && ! is_being_made; }
}

is_being_made() {
    for maker in "$JOURNAL"/of.*; do
        [ ! -e "$maker" ] || return 0
    done
    return 1
}

# All bytes that the directory $1 keeps are those that they are named by; or WHY.
are_bytes_whole() {
    for blob in "$1"/files/*; do
        [ -e "$blob" ] || continue
        sha256_of "$blob"
        [ "$REPLY" = "${blob##*/}" ] || { WHY="the bytes of ${blob##*/} were changed"; return 1; }
    done
}

# Whether the program $1 is what it was when it was kept: its first line names the hash of the rest.
is_program_whole() {
    if [ -h "$1" ] || [ ! -f "$1" ]; then return 1; fi
    IFS= read -r line <"$1" || return 1
    sum=$(sed 1d "$1" | sha256sum)
    [ "$line" = "# sha256 ${sum%% *}" ]
}

# Lines of the progress of directory $1 that no program of ours can have written there. Those of
# values and of services have to be in the manifest; the others are sealed, as they name what
# nothing else does. A last line without an end is one that a power cut or a full disk cut.
check_progress() {
    [ -s "$1/progress" ] || return 0
    ends=$(tail -c 1 "$1/progress" | tr '\n' '.')
    awk -F '\t' -v manifest="$1/manifest" -v ends="$ends" '
        FILENAME == manifest && $1 == "value" { value[$3] }
        FILENAME == manifest && $1 == "action" { split($3, word, " "); unit[word[1]] }
        FILENAME == manifest { next }
        { odd += last; last = 0 }
        $1 == "armed" && NF == 5 && $2 ~ /^(systemd|process)$/ && $3 ~ /^[0-9]+$/ &&
            $4 ~ /^-?[0-9.]+$/ && $5 ~ /^1(\.[0-9]+\.[^.]+)?$/ { next }
        $0 == "complete" || $1 == "made" || $1 == "collateral" { next }
        $1 == "language" && $2 ~ /^[A-Za-z0-9_.@:-]+$/ { next }
        $1 ~ /^(intent|wrote|seen|moved|unheld)$/ && ($2 in value) { next }
        $1 == "restarted" && ($2 in unit) { next }
        { last = 1 }
        END { exit odd + (ends == "." ? last : 0) > 0 }' "$1/manifest" "$1/progress"
}

# As emit, with a seal: the hash of what is before it.
emit_sealed() {
    sealed=$(emit "$@")
    seal=$(printf '%s' "$sealed" | sha256sum)
    emit "$sealed" "${seal%% *}"
}

# Whether line $1 is as it was sealed.
is_sealed() {
    seal=$(printf '%s' "${1%"$TAB"*}" | sha256sum)
    [ "${1##*"$TAB"}" = "${seal%% *}" ]
}

# Seal the lines that name what changed along with a write; others stay as they are.
seal_collateral() {
    while IFS= read -r line; do
        case $line in collateral"$TAB"*)
            seal=$(printf '%s' "$line" | sha256sum)
            line=$line$TAB${seal%% *}
            ;;
        esac
        printf '%s\n' "$line" || return 1
    done
}

# Seal the file $1 with a last line, which no reading of values has.
seal_file() {
    seal=$(sha256sum <"$1")
    printf 'sealed\t%s\n' "${seal%% *}" >>"$1"
}

is_file_sealed() {
    seal=$(sed '$d' "$1" | sha256sum)
    [ "$(tail -n 1 "$1")" = "sealed$TAB${seal%% *}" ]
}
