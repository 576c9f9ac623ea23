"""Integer networks in Lava's CPU simulator of Loihi."""
