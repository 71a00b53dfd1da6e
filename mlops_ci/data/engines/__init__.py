"""Engines that read and measure tables."""
