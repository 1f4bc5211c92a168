"""The encoder that a bundle tells of, read at the start of every run: without torch."""

from pathlib import Path


def spec_of(about):
    """The entry of a bundle's encoder, with the path of its weights on this machine; about: of
    bundle.json."""
    spec = about["encoder"]["spec"]
    if not isinstance(spec, dict):
        return spec
    return spec | {"weights": str(Path(spec["weights"]).expanduser())}
