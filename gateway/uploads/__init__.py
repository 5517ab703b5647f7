"""A ZIP, judged row by row, to the canonical dataset and its pictures."""
