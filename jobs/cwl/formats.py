"""File formats are IRIs; an ontology named by the tool may say that one is a kind of another."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from xml.sax import SAXException

from rdflib import OWL, RDFS, Graph, URIRef

from jobs.cwl.errors import UnsupportedFeature


def expand(name: str, namespaces: Mapping[str, str]) -> str:
    """The full IRI of ``prefix:name``; a name without a known prefix is returned as it is."""
    prefix, colon, rest = name.partition(":")
    return namespaces[prefix] + rest if colon and prefix in namespaces and not rest.startswith("//") else name


def fits(actual: str, wanted: Iterable[str], schemas: tuple[str, ...]) -> bool:
    """True where the format is one of the wanted ones, a subclass of one, or equivalent to one."""
    wanted = frozenset(wanted)
    return actual in wanted or (bool(schemas) and bool(_wider(actual, schemas) & wanted))


@lru_cache(maxsize=256)
def _wider(actual: str, schemas: tuple[str, ...]) -> frozenset[str]:
    graph = _ontology(schemas)
    seen: set[URIRef] = set()
    todo = [URIRef(actual)]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        found = [*graph.objects(node, RDFS.subClassOf), *graph.objects(node, OWL.equivalentClass)]
        found += graph.subjects(OWL.equivalentClass, node)
        todo += [other for other in found if isinstance(other, URIRef)]
    return frozenset(str(node) for node in seen)


@lru_cache(maxsize=8)
def _ontology(schemas: tuple[str, ...]) -> Graph:
    graph = Graph()
    for source in schemas:
        if not source.startswith("file:"):
            raise UnsupportedFeature(f"The ontology {source} is not a file beside the tool.")
        try:
            graph.parse(source, format="xml")
        except SAXException:
            graph.parse(source, format="turtle")
    return graph
