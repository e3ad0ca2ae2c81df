"""The features, a file for each group of families; ``features.catalogue`` puts them together."""
