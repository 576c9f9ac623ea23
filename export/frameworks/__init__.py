"""Export of a folder with a snnTorch or Norse layer."""
