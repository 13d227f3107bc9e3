"""What is written down about each turn; never a raw value."""
