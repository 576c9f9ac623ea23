"""Running an integer program in Lava's CPU simulator of Loihi."""
