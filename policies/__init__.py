"""What to do with data: policies as data, read from YAML."""
