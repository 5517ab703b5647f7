"""Durations for people."""


def describe_duration(seconds: float) -> str:
    """95 → "1 min 35 s", 4000 → "1 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
