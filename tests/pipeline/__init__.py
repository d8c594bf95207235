"""The pipeline of the desktop images, on images of one file."""
