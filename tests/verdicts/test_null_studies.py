"""No true difference: how often is one found?"""

from null_studies import alarms


def test_false_alarms_are_as_rare_as_said():
    """Of 30 studies, 36 pairs each: a test at 5 % finds something in 3 to 7 %, one over genes and
    slides in several times as many."""
    found = alarms(0, 4, 30)
    assert 0.03 < found["the larger p"] < 0.07
    assert found["over gene × slide"] > 0.15
    assert found["a verdict"] <= 0.05
