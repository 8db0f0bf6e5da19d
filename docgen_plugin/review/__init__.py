"""Ways for people to decide on suggestions."""
