# Keep a snapshot without changing anything. Given by the controller: MANIFEST, put_blobs.
MODE=manual
if [ -n "$(header "$JOURNAL" run)" ]; then
    # What the host has now may go back at any time.
    tell_pending waiting
    emit result refused
    exit 0
fi
made=$(mkdir -p "$SNAPSHOTS" 2>&1 && chmod 700 "$STATE") || { emit refused state "$made"; emit result refused; exit 0; }
id=$EXPECTED_ID
JOURNAL=$SNAPSHOTS/.$id
rm -rf "$JOURNAL"
why=$({
    mkdir "$JOURNAL" "$JOURNAL/files" && printf '%s' "$MANIFEST" >"$JOURNAL/manifest" &&
        printf '%s' "$RESTORE_PROGRAM" >"$JOURNAL/restore" && put_blobs
} 2>&1) || { rm -rf "$JOURNAL"; emit refused state "$why"; emit result refused; exit 0; }
sha256_of "$JOURNAL/manifest"
[ "$REPLY" = "$id" ] || { rm -rf "$JOURNAL"; emit refused state "the snapshot reads back wrong"; emit result refused; exit 0; }
flush "$JOURNAL/manifest" "$JOURNAL"
if [ ! -e "$SNAPSHOTS/$id" ]; then mv "$JOURNAL" "$SNAPSHOTS/$id"; else rm -rf "$JOURNAL"; fi
record "$SNAPSHOTS/$id" taken "$id"
emit snapshot "$id"
emit result taken
