"""Is this run normal? Its record beside landmarks, reference runs and what its own model says, during and after it."""
