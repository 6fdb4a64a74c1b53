"""Writing the other side's files: open files, what was not sent yet, its journal, its way home, and conflicts."""
