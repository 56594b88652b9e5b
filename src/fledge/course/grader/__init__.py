"""Grading code: the learner's file runs in a process of its own (`child`), and the verdict is made in this one (`grade`)."""
