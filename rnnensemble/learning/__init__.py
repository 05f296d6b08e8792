"""How one network learns: its loss, its state and one epoch of training."""
