"""Train by a recipe, judge the network on the whole test split, and write its model card."""
