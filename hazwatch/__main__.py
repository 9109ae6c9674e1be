"""`python -m hazwatch` is the `hazwatch` command."""

from hazwatch.cli import main

main()
