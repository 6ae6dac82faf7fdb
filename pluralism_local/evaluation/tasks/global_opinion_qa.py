"""GlobalOpinionQA, distributional: the answers of a country's people to a survey question (Modular Pluralism §4).

{question, options, attribute country, gold_distribution} ──> Sample
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.facts import Papers, Partition, both, by_pool
from pluralism_local.evaluation.tasks.rows import distribution, options, text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED_COUNTRY,
    DISTRIBUTIONAL_ANSWER_COUNTRY,
    PROMPTING_COUNTRY,
)

COUNTRIES = frozenset(
    """
Albania, Andorra, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan, Bangladesh, Belarus, Belgium,
Bolivia, Bosnia Herzegovina, Brazil, Britain, Bulgaria, Burkina Faso, Canada, Chile, China, Colombia, Croatia,
Cyprus, Czech Rep., Czechia, Denmark, Ecuador, Egypt, El Salvador, Estonia, Ethiopia, Finland, France, Georgia,
Germany, Ghana, Great Britain, Greece, Guatemala, Honduras, Hong Kong SAR, Hungary, Iceland, India, Indonesia,
Iran, Iraq, Israel, Italy, Ivory Coast, Japan, Jordan, Kazakhstan, Kenya, Kuwait, Kyrgyzstan, Latvia, Lebanon,
Libya, Lithuania, Macau SAR, Malaysia, Maldives, Mali, Mexico, Mongolia, Montenegro, Morocco, Myanmar,
Netherlands, New Zealand, Nicaragua, Nigeria, North Macedonia, Northern Ireland, Norway, Pakistan, Palest. ter.,
Peru, Philippines, Poland, Portugal, Puerto Rico, Romania, Russia, S. Africa, S. Korea, Senegal, Serbia,
Singapore, Slovakia, Slovenia, South Korea, Spain, Sweden, Switzerland, Taiwan, Taiwan ROC, Tajikistan,
Tanzania, Thailand, Tunisia, Turkey, Uganda, Ukraine, United States, Uruguay, Uzbekistan, Venezuela, Vietnam,
Zimbabwe
""".strip()
    .replace("\n", " ")
    .split(", ")
)
"""Countries of the published file, as the surveys spell them; some are followed by "(Non-national sample)" there."""

NATIONAL = " (Current national sample)"
"""How the surveys mark some countries' samples, as opposed to those of cities."""


def unfamiliar(countries: Iterable[str]) -> list[str]:
    """Those that the published file does not have, sorted: a new survey's, or a typo."""
    return sorted({country for country in countries if country.partition(" (")[0] not in COUNTRIES})


class DistributionalGlobalOpinionQA(Task):
    """The attribute is a country, as the surveys name it; the answer is a distribution."""

    name = "distributional-globalopinionqa"
    answers = "distribution"
    mode = "distributional"
    about = "GlobalOpinionQA: survey answers of a country's people"
    headline = ("js_distance", "js_distance_by_country", "most_likely_accuracy")
    partitions = (
        Partition(
            "country",
            "countries",
            lambda sample: sample.attribute or "",
            averaged=True,
            figure=("js_distance", "J–S distance by country"),
            patched="The paper's Figure 6: an Asian or African community added to the default pool lowers the J–S "
            "distance of Asian and African countries by 5.2 % and 6.7 % on average.",
        ),
    )
    papers = Papers(
        metrics={"js_distance": both("Table 3", (0.322, 0.337, 0.352, 0.286), (0.435, 0.390, 0.418, 0.316))},
        parts={
            "js_distance": {
                f"{part}{sampled}": both("Table 3", llama, chat)
                for part, llama, chat in (
                    ("United States", (0.294, 0.261, 0.330, 0.228), (0.408, 0.389, 0.400, 0.288)),
                    ("France", (0.305, 0.286, 0.351, 0.247), (0.415, 0.371, 0.403, 0.297)),
                    ("Germany", (0.306, 0.314, 0.311, 0.262), (0.408, 0.371, 0.397, 0.292)),
                    ("Japan", (0.311, 0.300, 0.327, 0.282), (0.433, 0.403, 0.417, 0.322)),
                    ("India", (0.328, 0.377, 0.348, 0.310), (0.433, 0.367, 0.407, 0.290)),
                    ("Argentina", (0.299, 0.326, 0.373, 0.290), (0.437, 0.400, 0.415, 0.310)),
                    ("Nigeria", (0.324, 0.345, 0.362, 0.311), (0.423, 0.365, 0.408, 0.321)),
                )
                for sampled in ("", NATIONAL)
            }
        },
        pools={"js_distance": by_pool(0.3162, 0.3221, 0.3003)},
    )

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        question, country = text(row, "question", where), text(row, "attribute", where)
        answers = options(row, where)
        gold = distribution(row, "gold_distribution", len(answers), where)
        return Sample(
            id=content_id(self.name, question, answers, country, gold, row.get("id")),
            row=where.row,
            cluster=question,
            question=question,
            options=answers,
            gold=gold,
            attribute=country,
            data=row,
        )

    def comment(self, sample: Sample) -> Wording:
        return word(COMMENT_EXPLAINED_COUNTRY, country=sample.attribute or "", question=sample.question)

    def prompting(self, sample: Sample) -> Wording:
        return word(PROMPTING_COUNTRY, country=sample.attribute or "", question=sample.question)

    def alone(self, sample: Sample) -> Wording:
        return self.prompting(sample)  # the answer's wording without its passage

    def answer(self, sample: Sample, comment: str) -> Wording:
        return word(
            DISTRIBUTIONAL_ANSWER_COUNTRY,
            country=sample.attribute or "",
            comment=comment,
            question=sample.question,
        )

    def data_warnings(self, samples: Sequence[Sample]) -> list[str]:
        unknown = unfamiliar(sample.attribute or "" for sample in samples)
        return [f"The published surveys do not have: {', '.join(unknown)}."] if unknown else []
