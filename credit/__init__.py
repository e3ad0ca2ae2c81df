"""Credit lines: policy, life cycle and decisions. Pure."""
