"""Online reinforcement learning: the model answers, the answers are rewarded, and it learns from them.

The tour: `prompts` (what is asked) → `play` (episodes from the live weights, many at once; `tools` between its turns) →
`fledge.rewards` (what they are worth) → `advantages` (how much better than expected) → `rollouts` (the batches that a job
trains on, and everything that an exact resume needs) → `policy` (log-probabilities and losses). The loop knows none of it.
"""
