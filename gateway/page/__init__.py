"""The page at /ui: its files, and the route that serves them."""
