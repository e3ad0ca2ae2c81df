"""Credit: policies, decisions, commands."""
