"""A seeded economy of merchants: events in order of arrival, and the truth about them."""
