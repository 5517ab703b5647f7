"""What the download says of its adapter: a card as the Hugging Face hub shows it."""
