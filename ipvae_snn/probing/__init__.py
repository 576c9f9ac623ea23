"""Probes of physiology: stimuli for a network's neurons, and what their responses say."""
