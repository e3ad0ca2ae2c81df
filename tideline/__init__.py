"""Command line, demo and event sources of Tideline."""

from importlib.metadata import version

__version__ = version("tideline")
