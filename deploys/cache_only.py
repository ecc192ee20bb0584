"""pyinfra INVENTORY deploys/cache_only.py [--dry]: bring hosts to `cache-only`."""

from optimizer.deploys import tune

tune("cache-only")
