"""The files of an exported Lava bundle, laid out as the bundle is on disk."""
