"""pyinfra INVENTORY deploys/development.py [--dry]: bring hosts to `development`."""

from optimizer.deploys import tune

tune("development")
