"""The sub-commands of `hazwatch`, a file each."""
