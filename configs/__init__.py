"""Settings: typed sections, YAML file, environment and command line merged in one place."""
