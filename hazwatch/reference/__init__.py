"""The reference pages, made from the program itself: `python -m hazwatch.reference DIR`.

What is written here cannot drift from the code: commands come from their help, tables of the configuration from their
structs, kinds, formats and channels from the scan of their folders, metrics from their table.
"""
