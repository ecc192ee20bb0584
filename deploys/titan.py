"""pyinfra INVENTORY deploys/titan.py [--dry]: bring hosts to `titan`."""

from optimizer.deploys import tune

tune("titan")
