"""Shell completion: what a command line may go on with, and a file a shell that writes it down."""
