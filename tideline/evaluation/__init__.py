"""How good the detectors are on labelled data: protocols, the pass through the pipeline, reports."""
