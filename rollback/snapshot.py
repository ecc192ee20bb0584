"""pyinfra INVENTORY rollback/snapshot.py --data snapshot=ID [--dry]: go back to a snapshot."""

from optimizer.deploys import undo
from optimizer.engine import door

undo(door.data("snapshot", "last"))
