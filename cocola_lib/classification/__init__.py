"""Tables I and II: frozen pairs, the line-up of models, what each answered, and a check for shortcuts."""
