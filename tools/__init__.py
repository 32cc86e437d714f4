"""Small programs for maintainers: set-up, generated documents, checks, pictures. Nothing of the platform is in here."""
