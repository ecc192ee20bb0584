# How a change leaves files, links, lines and directories on the disk: entirely, or not at all.

# Make path $1 the file $2 (`sha256 mode uid:gid` or @absent) with the bytes from folder $3.
put_file() {
    ERROR=
    case $1 in /etc/systemd/system/*) RELOAD=yes ;; esac
    if [ "$2" = @absent ]; then
        end_unit "$1"
        ERROR=$(rm -f "$1" 2>&1) || return 1
        flush "${1%/*}"
        return 0
    fi
    sha=${2%% *}
    rights=${2#* }
    ERROR=$({ cp "$3/$sha" "$1.optimizer-new" && is_named_by "$1.optimizer-new" "$sha" && chown "${rights#* }" "$1.optimizer-new" &&
        chmod "${rights%% *}" "$1.optimizer-new" && flush "$1.optimizer-new" &&
        mv -f "$1.optimizer-new" "$1"; } 2>&1) || {
        rm -f "$1.optimizer-new"
        return 1
    }
    flush "${1%/*}"
}

# Whether the bytes of $1 are those with the hash $2: what was damaged is not put anywhere.
is_named_by() {
    sha256_of "$1"
    [ "$REPLY" = "$2" ] && return 0
    printf '%s\n' "its bytes were changed where they are kept" >&2
    return 1
}

put_link() {
    case $1 in /etc/systemd/system/*) RELOAD=yes ;; esac
    if [ "$2" = @absent ]; then
        ERROR=$(rm -f "$1" 2>&1)
    else
        ERROR=$(ln -sfn "$2" "$1" 2>&1)
    fi
}

# Make $5 the last line of file $1 (present), or take it out (absent): down to the first $4
# bytes where those are the file $3, else only the line. Where it stands in for another line $6,
# it takes that one's place, and gives it back. Owner and mode stay.
put_line() {
    new=$1.optimizer-new
    ERROR=$({ cp -p "$1" "$new" && put_line_into "$@" && flush "$new" && mv -f "$new" "$1"; } 2>&1) || {
        rm -f "$new"
        return 1
    }
    flush "${1%/*}"
}

put_line_into() {
    if [ "${6:-@empty}" != @empty ]; then
        if [ "$2" = present ]; then put_in_place "$1" "$6" "$5"; else put_in_place "$1" "$5" "$6"; fi
        return
    fi
    if [ "$2" = present ]; then
        [ -z "$(tail -c 1 "$1")" ] || printf '\n' >>"$new"
        printf '%s\n' "$5" >>"$new"
        return
    fi
    head -c "$4" "$1" >"$new"
    sha256_of "$new"
    # What somebody added behind our line is theirs.
    rest=$(tail -c "+$(($4 + 1))" "$1"; printf x)
    rest=${rest#"$NEWLINE"}
    { [ "$REPLY" = "${3%% *}" ] && [ "$rest" = "$5${NEWLINE}x" ]; } || grep -vxF -- "$5" "$1" >"$new" || [ ! -s "$new" ]
}

# The last line of file $1 that is $2 becomes $3, byte for byte what else there is.
put_in_place() {
    old=$2 new_line=$3 awk '{ line[NR] = $0; if ($0 == ENVIRON["old"]) last = NR }
        END { if (!last) exit 1
              for (i = 1; i <= NR; i++) print (i == last ? ENVIRON["new_line"] : line[i]) }' "$1" >"$new"
}

# Remove directory $1, unless somebody else has put a file into it. 1: it cannot be, and why is in ERROR.
drop_directory() {
    [ -d "$1" ] || return 0
    ERROR=$(rmdir "$1" 2>&1) || [ -n "$(ls -A "$1")" ]
}
