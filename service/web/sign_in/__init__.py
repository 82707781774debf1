"""Who asks: the ways by which a person or a program says so, and the pages for those who do."""
