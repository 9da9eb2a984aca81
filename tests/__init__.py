"""Runwright's tests."""
