"""What a training run will cost before it starts: memory by arithmetic, minutes by arithmetic and a short measurement."""
