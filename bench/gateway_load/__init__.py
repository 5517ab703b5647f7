"""The gateway under load while a job trains: reads, large uploads, watchers that vanish."""
