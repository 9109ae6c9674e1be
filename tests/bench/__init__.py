"""Tests of `hazwatch bench`."""
