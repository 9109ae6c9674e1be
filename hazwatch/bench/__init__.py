"""`hazwatch bench`: the whole pipeline on this machine under a rising load, with a ledger that must match."""
