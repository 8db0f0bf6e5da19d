"""The SQLAlchemy adapter: any database URL becomes a catalog, accepted texts become comments."""
