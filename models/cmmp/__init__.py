"""CMMP: conditional multi-modal prompts for human-object interactions, on open_clip towers."""
