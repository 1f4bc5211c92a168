"""Find the tissue of one slide, and lay patches on it."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from pathlib import Path

    from spotrank.bundles import bundle
    from spotrank.prediction import geojson, places, slide

    params, given = snakemake.params, snakemake.params.given
    geometry, um_per_px = bundle.describe(snakemake.input.bundle)["patches"], params.um_per_px
    found = slide.look(snakemake.input.slide, um_per_px)
    side_um = geometry["size"] * geometry["um_per_px"]
    if given:
        laid = places.of_files(found, geometry, **given)
    else:
        laid = places.grid(found, side_um, params.stride_um or side_um, params.min_tissue)
    geojson.write_tissue(Path(snakemake.output.tissue), found)
    places.write(laid, snakemake.output.patches)
