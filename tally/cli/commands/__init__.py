"""The commands of `tally`, a file for each group of them."""
