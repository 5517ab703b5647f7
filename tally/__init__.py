"""What the four services share, the contracts they speak, and the command line."""
