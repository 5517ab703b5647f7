"""What every engine takes and gives: requests and completions, images, adapters, the model."""
