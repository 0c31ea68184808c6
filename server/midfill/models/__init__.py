"""Model files: which there are (`catalog`), and how they reach this machine (`fetch`)."""
