"""What a user may command about folders, files and uploads."""
