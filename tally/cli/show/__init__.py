"""What a person sees: tables, bars and progress on a terminal, curves in a picture."""
