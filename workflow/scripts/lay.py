"""Find the tissue of one slide, and lay patches on it."""

from spotrank.base.store import job

with job(snakemake.log[0]):
    from spotrank.prediction import geojson, places, slide

    params = snakemake.params
    found = slide.look(snakemake.input.slide, params.um_per_px)
    if params.given:
        laid = places.given(found, params.geometry, snakemake.wildcards.slide, **params.given)
    else:
        laid = places.grid(found, params.geometry, params.stride_um, params.min_tissue)
    geojson.write_tissue(snakemake.output.tissue, found)
    places.write(laid, snakemake.output.patches)
