"""One module per role: what a process of that role does from start to stop."""
