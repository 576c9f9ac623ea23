"""Figures of merit: reconstruction quality, sparseness, intervals, histograms of counts."""
