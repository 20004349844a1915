"""Annotated pictures of people and what they do, from whatever format they come in."""
