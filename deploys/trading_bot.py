"""pyinfra INVENTORY deploys/trading_bot.py [--dry]: bring hosts to `trading-bot`."""

from optimizer.deploys import tune

tune("trading-bot")
