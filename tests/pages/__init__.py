"""Tests of the dashboard: words, lanes and templates without a server; a real server in a real Chromium."""
