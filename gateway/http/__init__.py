"""Around every request: the token, limits, deadlines, forms, failures as answers."""
