# Put the journal back now, on the controller's word. Given by the controller: RUN.
TASK=restoring
cancel_main() {
    trap '' HUP PIPE
    is_waiting || { tell_ended; return; }
    take_busy 120 || { if is_waiting; then emit result busy; else tell_ended; fi; return; }
    is_waiting || { leave_busy; tell_ended; return; }
    restore_journal
}
cancel_main
