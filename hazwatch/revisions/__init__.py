"""What a new revision changes of the one before it, in the words of those who answer for it."""
