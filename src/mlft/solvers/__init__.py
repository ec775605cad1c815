"""Numerical kernels: plain functions, batched, compiled on the CPU; no randomness, no files, no clock."""
