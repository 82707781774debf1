"""The worklist in a browser: pages, an API, pictures, health."""
