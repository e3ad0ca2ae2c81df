"""What merchants can carry, by kind of capacity."""
