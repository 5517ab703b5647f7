"""Rewards that other packages bring, each in a process of its own."""
