# Look at packages: what is installed, and what installing one would bring along.
# Given by the controller: PACKAGES, the names of those that a profile asks for.

probe_packages() {
    for name in $PACKAGES; do
        if has apt-get && has apt-cache && has dpkg-deb && package_read "package:$name"; then
            emit package "$name" "$REPLY"
            [ "$REPLY" != @absent ] || probe_installation "$name"
        else
            emit package "$name" @unmanaged
        fi
    done
}

probe_installation() {
    if path=$(command -v "$1"); then
        emit package-left "$1" "$path is there already, and no package brought it"
    elif [ -e "/etc/$1" ]; then
        emit package-left "$1" "/etc/$1 is there already, and no package brought it"
    elif [ -n "$(dpkg --audit 2>&1)" ]; then
        emit package-left "$1" "dpkg was interrupted: see dpkg --audit"
    elif package_apt -s install "$1" >"$scratch.apt"; then
        probe_along "$1"
    else
        probe_missing "$1"
    fi
}

probe_missing() {
    if grep -q '^E: \(Unable to locate package\|.*has no installation candidate\)' "$scratch.apt"; then
        emit package-left "$1" "apt knows no package $1: apt-get update, or add a source that has it"
    else
        package_says "$(cat "$scratch.apt")"
        emit package-left "$1" "apt cannot install it: $ERROR"
    fi
}

# In the order in which they are set up, each after what it needs. What is there and would change
# makes it impossible, and so does another architecture.
probe_along() {
    awk -v name="$1" '
        $1 == "Remv" { print "package-refused\t" name "\t" $2 " would be removed" }
        $1 == "Inst" && $3 ~ /^\[/ { print "package-refused\t" name "\t" $2 " would be upgraded" }
        $1 == "Inst" && $2 ~ /:/ { print "package-refused\t" name "\t" $2 " is of another architecture" }
        $1 == "Inst" && $3 ~ /^\(/ { version[$2] = substr($3, 2) }
        $1 == "Conf" && ($2 in version) { print "package-along\t" name "\t" $2 "\t" version[$2] }' \
        "$scratch.apt" | while IFS= read -r row; do
        case $row in package-along*)
            known=${row#*"$TAB"*"$TAB"}
            size=$(apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
                show "${known%"$TAB"*}=${known#*"$TAB"}" 2>/dev/null |
                awk '$1 == "Installed-Size:" { print $2; exit }')
            row=$row$TAB${size:-0}
            ;;
        esac
        printf '%s\n' "$row"
    done
}

# What stands in the way of taking the package at path $1 away.
probe_package_back() {
    package_dependents "${1##*[:/]}"
    [ -z "$REPLY" ] || emit depends "$1" "$REPLY"
    package_edited "${1##*[:/]}"
    [ -z "$REPLY" ] || emit edited "$1" "$REPLY"
}
