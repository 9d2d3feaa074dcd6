"""What must hold of what is deployed, one file a domain; a rule takes what it is about and returns complaints."""
