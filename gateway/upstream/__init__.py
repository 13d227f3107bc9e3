"""How the gateway reaches a provider: one transport a file."""
