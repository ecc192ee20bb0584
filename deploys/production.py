"""pyinfra INVENTORY deploys/production.py [--dry]: bring hosts to `production`."""

from optimizer.deploys import tune

tune("production")
