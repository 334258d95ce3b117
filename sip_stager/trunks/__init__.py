"""Who may call, and what number they mean."""
