# Put the journal back now, on the controller's word. Given by the controller: RUN.
trap '' HUP PIPE
if [ -e "$JOURNAL/manifest" ] && [ "$(header "$JOURNAL" run)" = "$RUN" ]; then
    if take_busy 120; then restore_journal; else emit result busy; fi
else
    emit result gone
fi
