"""A procedural world of people and things: drawn, acted and known exactly."""
