"""Files, jobs and comparisons, and what hangs on them, deleted: when asked for, or with age."""
