"""`python -m tally.cli`: as `tally`, for a checkout that is not installed."""

from tally.cli.main import app

if __name__ == "__main__":
    app(prog_name="tally")
