"""Renderings of data as text and JSON. Nothing here decides or reaches a host."""
