"""Two configurations over the same recording: what each of them says, what one says and the other does not, and how
both do against events that somebody has labelled. Nothing in here reads a clock or reaches a log or a channel.
"""
