"""Training data that a served model writes: answers, new instructions, harder ones, and pairs that a judge has ordered.

Everything goes through `fledge.endpoint`, so every answer is remembered: stopped and started again, a command goes on where it
was. What comes out are rows in MiniMind's schemas, which every job here reads.
"""
