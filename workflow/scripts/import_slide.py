"""Write a slide that OpenSlide can't read as a tiled TIFF."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import os

    os.environ["VIPS_CONCURRENCY"] = str(snakemake.threads)  # read when libvips is loaded

    from spotrank.cohorts import slide_import

    slide_import.write(snakemake.input.image, snakemake.output.tif)
