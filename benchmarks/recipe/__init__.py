"""Train by a recipe, evaluate the network on the whole test split, and write its model card."""
