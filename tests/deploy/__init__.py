"""What is deployed is checked against the code that it names."""
