"""The crate in the job folder keeps to what Process Run Crate 0.5 and RO-Crate 1.1 demand.

Checked here are the MUSTs of both as far as they touch one run; ``test_crate_validator`` asks the profile's own judge.
"""

import hashlib
import json
import platform

import pytest

from jobs.provenance import PROFILE


@pytest.fixture
def crate(behave, root, contributor, run_until_final):
    contributor.first_name, contributor.last_name = "Ada", "Lovelace"
    contributor.save()
    (root / "in put.txt").write_text("x")
    job = run_until_final(behave("write", data="in put.txt", text="secret of nobody"))
    return job, json.loads((root / job.folder_path / "ro-crate-metadata.json").read_text())


def graph_of(crate: dict) -> dict:
    return {one["@id"]: one for one in crate["@graph"]}


def test_the_root_names_its_profile_and_what_rocrate_demands(crate):
    _, found = crate
    graph = graph_of(found)
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    top = graph["./"]
    assert top["conformsTo"] == {"@id": PROFILE}
    assert all(top[name] for name in ("name", "description", "license", "datePublished", "mentions"))
    assert "CreativeWork" in graph[PROFILE]["@type"]


def test_the_action_has_tool_person_times_inputs_and_outputs(crate, root):
    job, found = crate
    graph = graph_of(found)
    action = next(one for one in found["@graph"] if one["@type"] == "CreateAction")
    tool, person = graph[action["instrument"]["@id"]], graph[action["agent"]["@id"]]
    assert tool["@type"] == "SoftwareApplication"
    assert tool["identifier"] == f"sha256:{job.tool_digest}"
    assert person["name"] == "Ada Lovelace"
    assert action["startTime"] <= action["endTime"]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    inputs = [graph[one["@id"]] for one in action["object"]]
    assert hashlib.sha256(b"x").hexdigest() in [one.get("sha256") for one in inputs]
    assert {"name": "text", "value": "secret of nobody"}.items() <= next(
        one for one in inputs if one.get("name") == "text"
    ).items()
    assert {one["@id"] for one in action["result"]} == {
        "outputs/report.txt", "outputs/part-1.txt", "outputs/part-2.txt",
    }  # fmt: skip


def test_the_versions_are_those_that_the_tool_said_it_ran_with(crate):
    graph = graph_of(crate[1])
    action = next(one for one in crate[1]["@graph"] if one["@type"] == "CreateAction")
    needed = [graph[one["@id"]] for one in graph[action["instrument"]["@id"]]["softwareRequirements"]]
    versions = {one["name"]: one.get("softwareVersion") for one in needed}
    assert versions == {"Python": platform.python_version(), "Behaviour": "2.0", "Manners": "1.1"}


def test_every_reference_leads_somewhere_and_every_data_file_is_there(crate, root):
    job, found = crate
    graph = graph_of(found)
    parts = [one["@id"] for one in graph["./"]["hasPart"]]
    assert all((root / job.folder_path / part).exists() for part in parts)
    for entity in found["@graph"]:
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and "@id" in one and not one["@id"].startswith("https://w3id.org/ro/crate/"):
                    assert one["@id"] in graph, one


def test_neither_addresses_nor_the_machines_paths_are_in_it(crate, root):
    text = json.dumps(crate[1])
    assert "@example.org" not in text
    assert str(root.parent) not in text
