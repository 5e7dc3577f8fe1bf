"""Tests of training write many small files."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """No test here loses power, so none waits until its files are on the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
