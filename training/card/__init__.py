"""What stands in a checkpoint's card, and how it is printed and drawn."""
