"""Bytes to values and back, and what each position in a frame may hold. Pure; the only importer of orjson."""
