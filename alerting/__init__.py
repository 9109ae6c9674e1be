"""The second fold: from condition changes, commands and receipts to alarms and notices, and the way to phones.

The modules directly in this folder are pure: `book` folds, `routing` chooses who hears, `message` words it. The
packages `dispatch` and `channels` do the I/O.
"""
