"""What lies in a job's folder, and how it is written."""
