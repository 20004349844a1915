"""The pipeline: video in, interactions out; sources, stages, delivery and the command line."""
