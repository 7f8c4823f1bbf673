"""What the relations of the film graph say about the entities that they join."""

from __future__ import annotations

import numpy as np
import pandas as pd

FILM = "film"
PERSON = "person working in film"

# (type of head, type of tail). Types are coarse on purpose: whether somebody acts or directs is a fact that may
# be asked for, whether an entity is a person is not.
DOMAINS: dict[str, tuple[str, str]] = {
    "film.actor.film": (PERSON, FILM),
    "film.cinematographer.film": (PERSON, FILM),
    "film.content_rating.film": ("content rating", FILM),
    "film.director.film": (PERSON, FILM),
    "film.film.actor": (FILM, PERSON),
    "film.film.award_nomination": (FILM, "film award"),
    "film.film.award_won": (FILM, "film award"),
    "film.film.cinematography": (FILM, PERSON),
    "film.film.country": (FILM, "country"),
    "film.film.directed_by": (FILM, PERSON),
    "film.film.genre": (FILM, "film genre"),
    "film.film.language": (FILM, "language"),
    "film.film.prequel": (FILM, FILM),
    "film.film.produced_by": (FILM, PERSON),
    "film.film.production_companies": (FILM, "film production company"),
    "film.film.rating": (FILM, "content rating"),
    "film.film.sequel": (FILM, FILM),
    "film.film.subjects": (FILM, "subject of films"),
    "film.film.written_by": (FILM, PERSON),
    "film.film_genre.films_in_this_genre": ("film genre", FILM),
    "film.film_subject.films": ("subject of films", FILM),
    "film.producer.film": (PERSON, FILM),
    "film.production_company.films": ("film production company", FILM),
    "film.writer.film": (PERSON, FILM),
}
OTHER = "thing"

# What people call a relation of a film. Freebase states most facts twice; those that lead away from films do.
WORDS = {
    "film.film.actor": "actor",
    "film.film.award_nomination": "award nomination",
    "film.film.award_won": "award",
    "film.film.cinematography": "cinematographer",
    "film.film.country": "country",
    "film.film.directed_by": "director",
    "film.film.genre": "genre",
    "film.film.language": "language",
    "film.film.prequel": "prequel",
    "film.film.produced_by": "producer",
    "film.film.production_companies": "production company",
    "film.film.rating": "content rating",
    "film.film.sequel": "sequel",
    "film.film.subjects": "subject",
    "film.film.written_by": "writer",
}


def entity_types(facts: pd.DataFrame) -> pd.Series:
    """The type of each entity, indexed by entity, sorted: the one that most of its facts imply.

    Ties go to the type that comes first in the alphabet. Relations that are not listed here say nothing; an
    entity of which nothing is said is a 'thing'.
    """
    said = []
    code_F, relations = pd.factorize(facts["relation"])
    for side, position in (("head", 0), ("tail", 1)):
        types = [DOMAINS[name][position] if name in DOMAINS else OTHER for name in relations]
        implied = np.array(types, dtype=object)[code_F]
        said.append(pd.DataFrame({"entity": facts[side], "type": implied}))
    votes = pd.concat(said, ignore_index=True).value_counts().reset_index(name="votes")
    # 'thing' comes last however often it was said.
    votes["known"] = votes["type"] != OTHER
    votes = votes.sort_values(["entity", "known", "votes", "type"], ascending=[True, False, False, True])
    first = votes.drop_duplicates("entity")
    return pd.Series(first["type"].to_numpy(), index=pd.Index(first["entity"]), name="type")
