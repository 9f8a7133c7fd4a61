"""Who may do what: principals, the scope that each route needs, and the audit log."""
