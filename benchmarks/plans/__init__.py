"""Plans and predicted errors, against real trainings at equal cost."""
