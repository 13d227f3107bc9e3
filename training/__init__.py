"""Makes the model and the lexicon that the module `names` ships. `make model DATA=folder`; see docs/names.md."""
