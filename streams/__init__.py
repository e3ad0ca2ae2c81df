"""Processors, the exactly-once runtime, checkpoints, replay and the Faust app of monitors."""
