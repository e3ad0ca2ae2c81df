"""The desk as people meet it: a real browser before the running demo."""
