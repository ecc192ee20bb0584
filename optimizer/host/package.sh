# Packages of Debian and its kin. One is a value at `package:NAME`, or at `package:FOR/NAME` where it
# comes along with another. Its text: the version; @absent; else dpkg's word for its state, such as
# config-files, where somebody removed it and kept its configuration.

# Indexes are not written down anew, downloads are not kept, and another apt is waited for.
package_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root \
        -o Dir::Log::Planner=/dev/null -o APT::Keep-Downloaded-Packages=false \
        -o DPkg::Lock::Timeout=60 -o Dpkg::Use-Pty=0 \
        "$@" 2>&1 </dev/null
}

# As read_value. Of several architectures the host's own counts.
package_read() {
    has dpkg-query || { REPLY=@absent; return 1; }
    REPLY=$(dpkg-query -W -f '${Architecture}\t${db:Status-Status}\t${Version}\n' "${1##*[:/]}" 2>/dev/null |
        awk -F '\t' -v own="$(dpkg --print-architecture)" '$1 == own || $1 == "all" {
            print ($2 ~ /^(installed|triggers-(pending|awaited))$/ ? $3 : $2) }')
    case $REPLY in '' | not-installed) REPLY=@absent ;; esac
}

# As write_value: installed in this very version and nothing else, or purged and nothing else.
package_write() {
    case $2 in
    @absent) package_purge "$1" "${1##*[:/]}" ;;
    [0-9]*) package_install "$1" "${1##*[:/]}" "$2" ;;
    *) ERROR="nothing can make it $2"; return 1 ;;
    esac
}

# path name version. It is fetched into the journal first, where what it holds can be looked at, and
# stays there until all is done. What apt and dpkg say goes into files there: should this shell be
# killed, a pipe would be gone, and scripts of a package would die of it, halfway.
package_install() {
    # What a purge that was cut off has left is no ground to install on.
    package_read "$1"
    ! is_half_package "$1" "$REPLY" || package_purge "$1" "$2" || return 1
    folder=${from:-$JOURNAL}/package
    rm -rf "$folder"
    ERROR=$(mkdir -p "$folder/partial" 2>&1) && package_put "$@" && rm -rf "$folder"
}

package_put() {
    said=$(cd "$folder" && package_apt download "$2=$3") || { package_says "$said"; return 1; }
    package_read "$1"
    [ "$REPLY" != @absent ] || package_is_free "$folder"/*.deb || return 1
    mark=
    # What only comes along goes with `apt autoremove`, as it would have without us.
    case $1 in */*) mark=--mark-auto ;; esac
    package_needs_nothing "$2" "$3" || return 1
    # shellcheck disable=SC2086
    package_apt --no-remove $mark -o Dir::Cache::archives="$folder" install "$2=$3" >"$folder/said" && return 0
    package_says "$(cat "$folder/said")"
    return 1
}

# All that it needs is there by now, or the plan was not the whole truth.
package_needs_nothing() {
    more=$(package_apt -s install "$1=$2" | awk -v name="$1" '
        $1 == "Remv" || ($1 == "Inst" && ($2 != name || $3 ~ /^\[/)) { printf " %s", $2 }')
    [ -n "$more" ] || return 0
    ERROR="it would also change$more, which is not in the plan"
    return 1
}

# What lies where a package is unpacked would be replaced, and be gone with the package.
package_is_free() {
    there=$(dpkg-deb --fsys-tarfile "$1" 2>/dev/null | tar -t 2>/dev/null | while IFS= read -r path; do
        path=${path#.}
        case $path in '' | */) continue ;; esac
        { [ ! -e "$path" ] && [ ! -h "$path" ]; } || printf ' %s' "$path"
    done)
    [ -n "$there" ] || return 0
    ERROR="the package would replace$there, which is there already"
    return 1
}

# path name. dpkg refuses where something that stays depends on it, and takes a half-done one as
# well. Triggers of an installation that was cut off are made up for.
package_purge() {
    # apt would go on having it marked.
    case $1 in */*) package_mark manual "$2" ;; esac
    if package_dpkg --purge --force-remove-reinstreq "$2"; then
        package_triggers
        ERROR=
        return 0
    fi
    why=$ERROR
    case $1 in */*) package_mark auto "$2" ;; esac
    ERROR=$why
    return 1
}

# Triggers, also of packages that are not ours. One that failed, as where the disk was full, has its
# package half configured, in the very version in which it had been configured before. Where it still
# fails a change is not undone: none was begun on a host with anything half done.
package_triggers() {
    package_dpkg --triggers-only -a || :
    failed_ones=$(dpkg-query -W -f '${db:Status-Status} ${Version} ${Config-Version} ${binary:Package}\n' 2>/dev/null |
        awk '$1 == "half-configured" && $2 == $3 { print $4 }')
    # shellcheck disable=SC2086
    [ -z "$failed_ones" ] || package_dpkg --configure $failed_ones && return 0
    [ "${UNDO:-}" = yes ] && [ "$(header "$from" kind)" != rollback ] || return 0
    FAILED=yes
    emit failed - "package:${failed_ones%%"$NEWLINE"*}" installed half-configured "$ERROR"
}

package_mark() {
    ! has apt-mark || apt-mark -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@" >/dev/null 2>&1 </dev/null
}

# dpkg by itself does not wait for another one.
package_dpkg() {
    log=${from:-$JOURNAL}/said
    for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        failed=0
        DEBIAN_FRONTEND=noninteractive dpkg "$@" >"$log" 2>&1 </dev/null || failed=$?
        said=$(cat "$log" 2>/dev/null)
        rm -f "$log"
        [ "$failed" != 0 ] || { ERROR=; return 0; }
        case $said in *lock*"by another process"*) sleep 3 ;; *) break ;; esac
    done
    package_says "$said"
    return 1
}

# What went wrong, in ERROR: the lines of $1 that say so, or the last one.
package_says() {
    ERROR=$(printf '%s\n' "$1" | sed -n 's/^E: //p; /^dpkg.*: /p; s/^ /&/p' | tail -n 8 | tr '\n\t' '  ')
    [ -n "$ERROR" ] || ERROR=$(printf '%s\n' "$1" | tail -n 1 | tr '\t' ' ')
}

# An apt that outlived the shell that began it is at work still: taking its lock waits for it. What
# was being written before that, under a name that is made up, nobody writes any more.
package_await() {
    case $1 in package:*) has apt-get || return 0 ;; *) return 0 ;; esac
    package_await_lock
    unwritten=
    [ "${UNDO:-}" != yes ] || unwritten=$(find /var/lib/apt /var/cache/apt -maxdepth 1 -type f -newer "$from/manifest" \
        \( -name 'extended_states.??????' -o -name '*pkgcache.bin.??????' \) 2>/dev/null)
    package_apt check >/dev/null || :
    [ "${UNDO:-}" = yes ] || return 0
    # shellcheck disable=SC2086
    [ -z "$unwritten" ] || rm -f $unwritten
    package_tidy "$1" "${1##*[:/]}"
}

# One that has no lock yet is known by the folder in the journal that it was given. Not written as one
# word here, as this search is a process too.
package_await_lock() {
    for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        grep -qs "[D]ir::Cache::archives=$JOURNAL/package" /proc/[0-9]*/cmdline || return 0
        sleep 3
    done
}

# path name, of one that we had begun with. dpkg takes in what another one had noted when it was
# killed; apt does nothing before that. What apt had only marked, or dpkg was about to unpack, is in no
# list yet: it is unpacked once more, to be purged with its mark and all its files.
package_tidy() {
    package_triggers
    package_keep "$1" "$2"
    [ -e "$from/package/said" ] || return 0
    for deb in "$from"/package/*.deb; do
        [ "$(dpkg-deb -f "$deb" Package 2>/dev/null)" = "$2" ] || continue
        package_read "$1"
        case $REPLY in
        half-installed) ;;
        @absent) package_is_free "$deb" || continue ;;
        *) continue ;;
        esac
        package_dpkg --unpack "$deb" || :
    done
}

# path name. A purge that was killed at its start has left no more than its mark and the wish for it.
package_keep() {
    wish=$(dpkg-query -W -f '${db:Status-Want} ${db:Status-Status}' "$2" 2>/dev/null)
    case $wish in *" installed") ;; *) return 0 ;; esac
    case $1 in */*) package_mark auto "$2" ;; esac
    case $wish in purge*) printf '%s install\n' "$2" | dpkg --set-selections >/dev/null 2>&1 ;; esac
}

# Whether text $2 of the value at $1 is a package that an interrupted change of ours left half done.
is_half_package() {
    [ "${UNDO:-}" = yes ] || return 1
    case $1=$2 in package:*=[0-9@]*) return 1 ;; package:*) return 0 ;; esac
    return 1
}

# Who depends on package $1, in REPLY as names with `, ` between; dpkg is asked, and changes nothing.
package_dependents() {
    REPLY=$(dpkg --no-act --purge "$1" 2>&1 </dev/null |
        sed -n 's/^ \([^ :]*\)[^ ]* \(pre-\)\{0,1\}depends on .*/\1/p' | sort -u |
        awk 'NR > 1 { printf ", " } { printf "%s", $0 }')
}

# Configuration files of package $1 that are not as the package brought them, in REPLY likewise.
package_edited() {
    REPLY=$(dpkg -V "$1" 2>/dev/null | sed -n 's/^.* c \(\/.*\)$/\1/p' |
        awk 'NR > 1 { printf ", " } { printf "%s", $0 }')
}
