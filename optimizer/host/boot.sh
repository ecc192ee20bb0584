# The kernel command line: what the kernel was booted with, and the menu by which GRUB boots it.

GRUB_CONFIG=/boot/grub/grub.cfg
GRUB_FILE=/etc/default/grub.d/zz-optimizer.cfg
COMMAND_LINE=/proc/cmdline

# Read the parameter at path $1 (boot:NAME) of the running kernel into REPLY; @absent without it.
# Of one given twice the last counts, but for those of which the kernel passes over the rest.
boot_read() {
    REPLY=$(name=${1#boot:} awk '
        function take(word,    at, name) {
            at = index(word, "=")
            name = at ? substr(word, 1, at - 1) : word
            gsub(/-/, "_", name)
            if (name != wanted || (found != "@absent" && is_first)) return
            found = at ? substr(word, at + 1) : "present"
        }
        BEGIN {
            wanted = ENVIRON["name"]
            gsub(/-/, "_", wanted)
            is_first = wanted ~ /^(isolcpus|nohz_full|default_hugepagesz|hugepagesz|hugepages)$/
            found = "@absent"
        }
        NR == 1 {
            line = $0 " "
            for (i = 1; i <= length(line); i++) {
                letter = substr(line, i, 1)
                if (letter == "\"") { is_quoted = !is_quoted; continue }
                if (is_quoted || letter !~ /[ \t]/) { word = word letter; continue }
                if (word == "--") exit
                if (word != "") take(word)
                word = ""
            }
        }
        END { print found }' "$COMMAND_LINE" 2>/dev/null)
    [ -n "$REPLY" ] || REPLY=@empty
}

# Whether the change in folder $1 has a menu of GRUB in it.
has_menu() {
    grep -q "^file$TAB$GRUB_CONFIG$TAB" "$1/manifest"
}

# Make a menu of the files as they are now, in a folder of its own: grub-mkconfig would write into
# the file itself, and a power cut then leave half of it. $1: where that folder may be, $2: language
# of the titles. The menu is $MENU/grub.cfg; 1: there is none, and why is in ERROR.
make_menu() {
    MENU=$1/menu
    rm -rf "$MENU"
    mkdir "$MENU" || { ERROR="there is no room for a new menu"; return 1; }
    # It may look into all disks of the host, and hang at one of them.
    limit=
    ! has timeout || limit="timeout 120"
    # shellcheck disable=SC2086
    LC_ALL=$2 LANG=$2 $limit grub-mkconfig -o "$MENU/grub.cfg" >"$MENU/said" 2>&1 </dev/null
    case $? in
    0) ERROR= ;;
    124) ERROR="grub-mkconfig did not end within two minutes" ;;
    *) ERROR="grub-mkconfig: $(tail -n 1 "$MENU/said")" ;;
    esac
    [ -n "$ERROR" ] || [ -s "$MENU/grub.cfg" ] || ERROR="grub-mkconfig made nothing"
    [ -z "$ERROR" ]
}

# The menu has titles in the language of whoever had it made.
menu_languages() {
    printf '%s\n' C
    sed -n 's/^LANG=//p' /etc/default/locale 2>/dev/null | tr -d "\"'"
}

# Before anything is written: what is made of the files now has to be the menu that is there. It
# would take other people's changes along otherwise. 1: it is another one, and why is in ERROR.
menu_is_current() {
    for language in $(menu_languages); do
        if make_menu "$JOURNAL" "$language" && cmp -s "$MENU/grub.cfg" "$GRUB_CONFIG"; then
            rm -rf "$MENU"
            note language "$language"
            return
        fi
    done
    ERROR=${ERROR:-"$GRUB_CONFIG is not what its files make now: run update-grub first, then plan anew"}
    return 1
}

# Whether the files, of which ours is written by now, make the very menu $1 that was planned. 1: why
# not is in ERROR.
menu_is_made() {
    language=$(awk -F '\t' '$1 == "language" { print $2 }' "$JOURNAL/progress")
    if make_menu "$JOURNAL" "${language:-C}" && ! cmp -s "$MENU/grub.cfg" "$1"; then
        ERROR="its files make another menu"
    fi
    rm -rf "$MENU"
    [ -z "$ERROR" ]
}

# Somebody had the menu made anew with our words in it: once more, without. $1: where there is room.
remake_menu() {
    for language in $(menu_languages); do :; done
    new=$GRUB_CONFIG.optimizer-new
    if make_menu "$1" "$language"; then
        ERROR=$({ cp -p "$GRUB_CONFIG" "$new" && cat "$MENU/grub.cfg" >"$new" && flush "$new" &&
            mv -f "$new" "$GRUB_CONFIG" && flush "${GRUB_CONFIG%/*}"; } 2>&1)
    fi
    rm -rf "$MENU" "$new"
    [ -z "$ERROR" ]
}
