"""One page a module, each with one render()."""
