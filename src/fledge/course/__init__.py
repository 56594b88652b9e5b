"""The learner's side of the book: workspace, exercises, quizzes, paths, progress, notebook and report."""
