"""The converted network as a layer of snnTorch and of Norse (docs/frameworks.md).

Nothing is imported here: `snntorch_neuron` and `norse_cell` each need their own package, and a user
of one need not install the other.
"""
