"""What a job is set to and what it measures: every setting and every figure is stated here."""
