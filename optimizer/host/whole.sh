[ "$(head -n 1 "$0")" = "# sha256 $(sed 1d "$0" | sha256sum | cut -d ' ' -f 1)" ] || { printf 'host optimizer: %s is damaged, and does nothing\n' "$0" >&2; exit 1; }
