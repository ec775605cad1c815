"""What is lost when drivers and workers are killed: nothing that was acknowledged."""
