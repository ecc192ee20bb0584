# Keep a snapshot without changing anything. Given by the controller: MANIFEST, put_blobs.
MODE=manual
make_state || { emit refused state "$WHY"; emit result refused; exit 0; }
if is_journal_broken || is_journal_whole; then
    # What the host has now may go back at any time.
    tell_pending waiting
    emit result refused
    exit 0
fi
id=$EXPECTED_ID
JOURNAL=$SNAPSHOTS/.$id
rm -rf "$JOURNAL"
why=$({ mkdir "$JOURNAL" "$JOURNAL/files" && put_journal; } 2>&1) || { rm -rf "$JOURNAL"; emit refused state "$why"; emit result refused; exit 0; }
if ! are_bytes_whole "$JOURNAL" || ! is_whole "$JOURNAL" "$id" || ! is_program_whole "$JOURNAL/restore"; then
    rm -rf "$JOURNAL"
    emit refused state "the snapshot reads back wrong: $WHY"
    emit result refused
    exit 0
fi
flush "$JOURNAL/manifest" "$JOURNAL"
if [ ! -e "$SNAPSHOTS/$id" ]; then mv "$JOURNAL" "$SNAPSHOTS/$id"; else rm -rf "$JOURNAL"; fi
record "$SNAPSHOTS/$id" taken "$id"
emit snapshot "$id"
emit result taken
