"""What every other package of the domain uses: names, bounds, texts, and problems of input. Pure."""
