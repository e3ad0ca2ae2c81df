"""Other stream processors doing a simpler job on the same events; see ``bench.peers.tally``."""
