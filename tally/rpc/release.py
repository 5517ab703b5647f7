"""Which release of Tally is installed."""

from importlib.metadata import PackageNotFoundError, version


def installed_release(fallback: str = "unknown") -> str:
    """Its version; `fallback` where it was not installed but copied."""
    try:
        return version("tally-grpo")
    except PackageNotFoundError:
        return fallback
