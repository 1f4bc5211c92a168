"""Write a slide that OpenSlide can't read as a tiled TIFF."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    import os

    os.environ["VIPS_CONCURRENCY"] = str(snakemake.threads)  # read when libvips is loaded

    from pathlib import Path

    from spotrank.cohorts import slide_import
    from spotrank.cohorts.sources import spatialdata

    slide, row = snakemake.params.slide, snakemake.params.row
    if slide:
        slide_import.write(slide, snakemake.output[0])
    else:
        size, strips = spatialdata.image_blocks(row)
        origin = {"original": Path(row["folder"]).name, "what": "is a picture of SpatialData"}
        slide_import.write_strips(size, strips, snakemake.output[0], origin)
