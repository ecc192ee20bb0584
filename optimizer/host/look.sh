# One look at all values of a manifest, for a pass that reads every one of them and writes none: a
# program started for each value would take most of the time of a change.

# Have those of the manifest $1 in LOOKED, for read_value; what is not there is read by itself.
# Whoever writes a value, or has to see what others do meanwhile, sets LOOKED to nothing again.
look() {
    LOOKED=$NEWLINE$(look_at_kernel "$1"; redis_sweep "$1")$NEWLINE
}

# As read_value has them: the first line, and of alternatives the one that is chosen.
look_at_kernel() {
    awk -F '\t' '$1 == "value" && $3 ~ /^\/[A-Za-z0-9_.\/@,+-]+$/ { print $3 }' "$1" |
        xargs grep -s '' /dev/null /dev/null |
        awk '{ cut = index($0, ":"); path = substr($0, 1, cut - 1); text = substr($0, cut + 1) }
            path in seen { next }
            { seen[path]; gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text) }
            path ~ /^\/sys\// && (start = index(text, "[")) && (end = index(substr(text, start), "]")) {
                text = substr(text, start + 1, end - 2)
            }
            { print path "\t" (text == "" ? "@empty" : text) }'
}
