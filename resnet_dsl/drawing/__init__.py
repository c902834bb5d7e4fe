"""Pictures of networks: what is shown of a program, where it stands on the page, and how that is written."""
