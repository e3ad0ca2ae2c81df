"""Alerts and limit changes to other systems: signed webhooks, e-mail and instant messages."""
