"""The words that every part shares: what can go wrong, what can become of an image, who an instance is."""
