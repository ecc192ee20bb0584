"""pyinfra INVENTORY deploys/hft.py [--dry]: bring hosts to `hft`."""

from optimizer.deploys import tune

tune("hft")
