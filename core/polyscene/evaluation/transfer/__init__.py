"""Transfer: what training on some scenarios does for others, and what joint training costs or gives each."""
