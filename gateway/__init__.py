"""The documented REST API: uploads, jobs, live events, downloads."""
