"""What a refusal says: a stable code with its values, and the sentence in each language."""
