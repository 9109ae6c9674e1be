"""The composition: command line, configuration, wiring, supervision, clocks, metrics. Nothing imports it."""
