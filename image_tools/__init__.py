"""What scripts/build-images and scripts/run-image share: our images, how they are built and weighed."""
