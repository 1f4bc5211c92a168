"""Malformed metadata tables, each an edit of a cohort's folder and the sentence it must give."""

import pandas as pd


def typed(**columns):
    """An edit of a cohort's table: cells of SIM1, SIM2, …, as people type them."""

    def edit(folder):
        table = pd.read_csv(folder / "HEST_v1_1_0.csv", dtype=str)
        for column, cells in columns.items():
            table.loc[: len(cells) - 1, column] = cells
        table.to_csv(folder / "HEST_v1_1_0.csv", index=False)

    return edit


TABLES = {
    "patients that differ in case": (
        typed(patient=["P1", "P2", "p1 "]),
        "the patients 'P1' of SIM1 and 'p1' of SIM3 differ in case, spaces, leading zeros or '.0'",
    ),
    "patients that differ in .0": (
        typed(patient=["1", "2", "1.0"]),
        "the patients '1' of SIM1 and '1.0' of SIM3 differ in case",
    ),
    "patients that differ in leading zeros": (
        typed(patient=["P-01", "P2", "P-1"]),
        "the patients 'P-01' of SIM1 and 'P-1' of SIM3 differ in case",
    ),
    "patients that differ in an inner space": (
        typed(patient=["Patient 7", "P2", "Patient7"]),
        "the patients 'Patient 7' of SIM1 and 'Patient7' of SIM3 differ in case",
    ),
    "data sets that differ in case": (
        typed(patient=["P1", "P2", "P1"], dataset_title=["Mine", "Mine", "mine"]),
        "the patients 'P1 (Mine)' of SIM1 and 'P1 (mine)' of SIM3 differ in case",
    ),
    "backup of a table only": (
        lambda folder: (folder / "HEST_v1_1_0.csv").rename(folder / "HEST_v1_1_0 (1).csv"),
        "HEST_v1_1_0 (1).csv is not named as one",
    ),
    "table with a cell too many": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text(
            "id,patient,dataset_title\nSIM1,P1,breast, mine\nSIM3,P2,breast, mine\n"
        ),
        "a row has more cells than the header, or a quotation no end; put cells that hold a ','",
    ),
    "table with a quotation without end": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text(
            'id,patient,dataset_title\nSIM1,"P1,x\nSIM3,P2,x\n'
        ),
        "a quotation no end",
    ),
    "column twice in the table": (
        lambda folder: (folder / "HEST_v1_1_0.csv").write_text(
            "id,patient,dataset_title,patient \nSIM1,P,x,y\n"
        ),
        "the column 'patient' stands there twice",
    ),
}
