"""The history of the tables; `gateway.database` applies it at start."""
