"""The vocabulary of the house: frozen values, wire codecs and tables. Pure functions allowed, nothing else."""
