"""From what a profile wants and what a host has to what has to change. Pure."""
