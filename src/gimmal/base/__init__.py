"""What every room stands on: errors, primitives, persistence, path rules, displayable text."""
