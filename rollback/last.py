"""pyinfra INVENTORY rollback/last.py [--dry]: undo the newest apply that is still in effect."""

from optimizer.deploys import undo

undo("last")
