"""Random kills and stops of a real stack while jobs run, against what it had acknowledged."""
