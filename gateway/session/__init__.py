"""The sans-I/O session: frames and answers in, effects out."""
