"""The JSON API of the desk: the same data and commands, under ``/api/v1``."""
