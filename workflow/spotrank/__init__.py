"""spotrank: predict spatial gene expression from H&E slides, and measure it honestly."""
