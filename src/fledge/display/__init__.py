"""How things look: tables and bars on a terminal, and letters that a plot can show."""
