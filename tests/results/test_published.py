"""The published numbers: each with its source, and not what we measured."""

from importlib.resources import files

import pandas as pd

from echobench.data.labels import REGIONS


def test_every_published_number_has_a_source_and_a_known_region():
    with (files("echobench.results") / "published.csv").open() as stream:
        published = pd.read_csv(stream)
    assert published[["paper", "edition", "locator", "segmentation_network", "mean"]].notna().all(axis=None)
    assert set(published["region"]) <= {*REGIONS, "mean"}
    table_1 = published[published["locator"] == "Table 1"].set_index(["generator", "train_data", "region"])
    assert table_1.loc[("sdm", "4C ED", "mean"), "mean"] == 89.3
    assert table_1.loc[("real", "all", "mean"), "mean"] == 87.1
