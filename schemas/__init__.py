"""What crosses a boundary: events in, decisions out, the topic catalogue and the wire codec."""
