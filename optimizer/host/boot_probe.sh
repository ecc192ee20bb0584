# What GRUB will boot with. Given by the controller: VALUES, of which boot:NAME are read here,
# GRUB yes: what its files make of the command line, too.

probe_boot() {
    printf '%s\n' "$VALUES" | sed -n '/^boot:./p' | sort -u | while IFS= read -r path; do
        boot_read "$path"
        emit value "$path" read-only "$REPLY"
    done
    [ "$GRUB" = yes ] && has update-grub && has grub-mkconfig || return 0
    grub_variables 3>&1 >/dev/null
}

# Its files are read as grub-mkconfig reads them: by a shell. Ours is a mark, which shows where its
# words would stand. A file that fails ends this shell, and then nothing is answered.
grub_variables() (
    set +u
    GRUB_CMDLINE_LINUX=
    GRUB_CMDLINE_LINUX_DEFAULT=
    # shellcheck disable=SC1091
    [ ! -f /etc/default/grub ] || . /etc/default/grub </dev/null
    printf '%s\n' "${GRUB_FILE%/*}"/*.cfg "$GRUB_FILE" | sort -u | {
        while IFS= read -r file; do
            if [ "$file" = "$GRUB_FILE" ]; then
                GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT @optimizer@"
            elif [ -e "$file" ]; then
                # shellcheck disable=SC1090
                . "$file" </dev/null
            fi
        done
        case $GRUB_CMDLINE_LINUX$GRUB_CMDLINE_LINUX_DEFAULT in *["$NEWLINE$TAB"]*) exit ;; esac
        emit grub "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT" >&3
    }
)
