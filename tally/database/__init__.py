"""What a service's own database stands on: SQLite or PostgreSQL, deadlines, migrations."""
