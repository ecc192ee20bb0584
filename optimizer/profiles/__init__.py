"""Profiles: find them by name, read them with all they extend, and refuse what is wrong."""

from optimizer.profiles.changing import override, select
from optimizer.profiles.loading import default_directories, lint, load, names

__all__ = ("default_directories", "lint", "load", "names", "override", "select")
