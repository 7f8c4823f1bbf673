"""Every way in which a plugin can be broken, one module each; none of them may take the host down."""
