"""Real data that ships with Tideline."""
