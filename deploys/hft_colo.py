"""pyinfra INVENTORY deploys/hft_colo.py [--dry]: bring hosts to `hft-colo`."""

from optimizer.deploys import tune

tune("hft-colo")
