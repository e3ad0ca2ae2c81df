"""Credit products that ship with Tideline, as package data."""

NAMES: tuple[str, ...] = (
    "working-capital-1.yaml",
    "working-capital-2.yaml",
    "tax-and-invoice-1.yaml",
    "supply-chain-1.yaml",
    "marketplace-seller-1.yaml",
    "bill-financing-1.yaml",
    "equipment-leasing-1.yaml",
    "rural-seasonal-1.yaml",
    "platform-embedded-1.yaml",
    "green-uplift-1.yaml",
    "co-lending-1.yaml",
)
"""Files in the order of the documentation."""
