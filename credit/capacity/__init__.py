"""What a merchant can carry, by the kind of capacity of a product. Pure, one module each."""
