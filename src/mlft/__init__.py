"""Multi-level fine-tuning: from a numerical solver and a budget of solver time to a trained surrogate."""
