"""This machine itself."""

hosts = ["@local"]
