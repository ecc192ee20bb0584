"""Areas of tuning: which tunables apply to a host, and how a plan of it is put together."""
