"""Data of other forms to the documented ZIP, without a gateway."""
