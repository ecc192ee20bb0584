"""pyinfra INVENTORY deploys/trading_loop.py [--dry]: bring hosts to `trading-loop`."""

from optimizer.deploys import tune

tune("trading-loop")
