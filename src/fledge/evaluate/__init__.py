"""What a model knows, and how sure the numbers are: bits per byte of text, answers graded against the truth."""
