"""Memory: what data of growing size costs."""
