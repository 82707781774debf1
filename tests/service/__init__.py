"""Tests of the service, folder by folder as the package has them."""
