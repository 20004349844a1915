"""Training recipes; each takes data and a budget and writes weights."""
