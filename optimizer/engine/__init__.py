"""The only place that imports pyinfra: inventories, connections, commands, deploys."""
