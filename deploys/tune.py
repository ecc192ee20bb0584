"""pyinfra INVENTORY deploys/tune.py [--dry]: each host's profile is in its inventory data."""

from optimizer.deploys import tune

tune()
