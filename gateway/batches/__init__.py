"""Pictures that nobody has counted: a ZIP of them, a question, and a table of answers."""
