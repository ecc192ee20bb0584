"""pyinfra INVENTORY deploys/trading_agents.py [--dry]: bring hosts to `trading-agents`."""

from optimizer.deploys import tune

tune("trading-agents")
