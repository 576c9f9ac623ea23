"""The files of an exported Lava bundle, in the bundle's own folder layout."""
