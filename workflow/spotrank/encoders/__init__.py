"""Patches in, one vector a patch out."""
