"""Backtest: the same processors over the same log under several policies, judged in money."""
