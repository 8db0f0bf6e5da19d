"""Reads dbt projects and writes descriptions into their property files."""
