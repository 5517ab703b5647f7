"""What an operator follows: a line for each thing that happened, and whom it concerns."""
