"""What strangers wrote, as a terminal, a log, a page and a spreadsheet take it for text alone."""
