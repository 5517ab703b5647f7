"""`tally`: the REST API from a terminal, and the whole stack on one machine."""
