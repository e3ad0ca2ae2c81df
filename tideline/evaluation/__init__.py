"""How good the detectors are on labelled data: protocols, the pass, reports."""
