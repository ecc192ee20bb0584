"""What the controller keeps: copies of the hosts' snapshots, and a record of each run."""
