"""What a training run will cost before it starts: memory by arithmetic, minutes by arithmetic and a short measurement.

`facts` (of the job and its text) → `memory` and `work` (of one step) → `machines` and `measure` (how fast it is done) →
`budget` (the shape for a time) → `predict` (the plan) → `profiles` (settings that are proposed, and why).
"""
