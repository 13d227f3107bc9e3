"""The gateway: moves Responses API frames between a client and a provider, under a policy."""
