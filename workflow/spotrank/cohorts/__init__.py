"""Where samples come from: HEST-1k, the hub, own folders, simulation."""
