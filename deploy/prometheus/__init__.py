"""Scraping, rules and alerts; `queries` reads what they ask for, `check` holds it to what running processes export."""
