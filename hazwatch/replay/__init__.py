"""Replay: a recording through the same two folds, on the recording's time, with no way to reach the live system.

Nothing in here imports a channel, a dispatcher or an adapter that appends; what comes out is a file.
"""
