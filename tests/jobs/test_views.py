"""Pages of tools and jobs, the start page, the operator's page."""

import pytest

from jobs.cwl.form import ResultHint
from jobs.models import Attempt, ComputeSite, Job, JobEvent, Result
from jobs.states import JobState
from jobs.views.story import cards, phases
from storage.services.folders import folder_of, folder_root

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _real_tools(settings):
    settings.TOOL_DIRS = [settings.BASE_DIR / "jobs" / "tools"]


@pytest.fixture
def site(db):
    return ComputeSite.objects.create(name="local", cores=2, memory_mb=4096)


@pytest.fixture
def make_job(project, site, contributor):
    def make(state=JobState.RUNNING, **more):
        number = project.jobs.count() + 1
        values = {"tool": "resolution_map", "tool_digest": "a" * 64, "inputs": {"pixel_size": 1.2}, **more}
        return Job.objects.create(
            project=project, number=number, site=site, state=state, submitted_by=contributor, **values
        )

    return make


def test_a_job_is_hidden_from_a_stranger_and_open_to_a_viewer(browser_of, make_job, viewer, stranger):
    address = f"/jobs/{make_job().pk}/"
    for part in ("", "live/", "results/"):
        assert browser_of(stranger).get(address + part).status_code == 404
        assert browser_of(viewer).get(address + part).status_code == 200


def test_a_viewer_is_offered_neither_cancel_nor_run(browser_of, make_job, viewer, contributor):
    address = f"/jobs/{make_job().pk}/"
    assert "/cancel/" in browser_of(contributor).get(address).text
    assert "/cancel/" not in browser_of(viewer).get(address).text
    assert browser_of(viewer).post(f"{address}cancel/").status_code == 403


def test_a_failed_job_says_what_was_wrong_and_what_to_change(browser_of, make_job, contributor):
    failure = {"code": "truncated", "message": "half1.mrc is cut short.", "hint": "Upload it again.", "input": "half1"}
    page = browser_of(contributor).get(f"/jobs/{make_job(JobState.FAILED, failure=failure).pk}/").text
    assert "half1.mrc is cut short." in page
    assert "Upload it again." in page
    assert "#in-half1" in page


def test_a_running_job_shows_the_evidence_and_its_progress(browser_of, make_job, site, viewer):
    job = make_job(progress={"done": 3, "total": 24, "text": "aligned mic_003"})
    seen = job.created_at.replace(year=2020)
    Attempt.objects.create(job=job, number=1, site=site, last_seen_at=seen, last_word="RUNNING")
    page = browser_of(viewer).get(f"/jobs/{job.pk}/live/").text
    assert "Last seen running" in page
    assert "asking again" in page
    assert "3 of 24" in page


def test_the_list_filters_by_state_and_pages_by_number(browser_of, make_job, project, viewer):
    for _ in range(51):
        make_job(JobState.SUCCEEDED)
    make_job(JobState.FAILED)
    browser = browser_of(viewer)
    first = browser.get(f"/projects/{project.pk}/jobs/?state=succeeded").context
    assert [first["jobs"][0].number, len(first["jobs"]), first["more"]] == [51, 50, 2]
    second = browser.get(f"/projects/{project.pk}/jobs/?state=succeeded&before=2").context
    assert [job.number for job in second["jobs"]] == [1]
    assert len(browser.get(f"/projects/{project.pk}/jobs/?state=failed").context["jobs"]) == 1


def test_the_list_costs_the_same_with_many_jobs(browser_of, make_job, project, viewer, django_assert_num_queries):
    browser = browser_of(viewer)
    make_job()
    address = f"/projects/{project.pk}/jobs/"
    browser.get(address)
    with django_assert_num_queries(6):
        browser.get(address)
    for _ in range(20):
        make_job()
    with django_assert_num_queries(6):
        browser.get(address)


def test_a_wrong_form_keeps_what_was_typed_and_names_the_fields(browser_of, project, site, contributor):
    typed = {"inputs.half1": "none.mrc", "inputs.half2": "", "inputs.pixel_size": "0"}
    page = browser_of(contributor).post(f"/projects/{project.pk}/run/resolution_map/", typed)
    assert page.status_code == 400
    assert 'value="none.mrc"' in page.text
    assert 'href="#in-half2"' in page.text
    assert not Job.objects.exists()


def test_sample_values_fill_the_form(browser_of, project, site, contributor):
    page = browser_of(contributor).get(f"/projects/{project.pk}/run/resolution_map/?sample=1").text
    assert 'value="samples/resolution/half1.mrc"' in page


def test_a_viewer_cannot_open_a_tools_form(browser_of, project, viewer):
    assert browser_of(viewer).get(f"/projects/{project.pk}/run/resolution_map/").status_code == 403


def test_a_pattern_says_how_many_files_it_names(browser_of, project, root, viewer):
    (root / "a.tif").touch()
    address = f"/projects/{project.pk}/matches/"
    assert "1 file" in browser_of(viewer).get(address, {"inputs.movies": "*.tif"}).text
    assert "Nothing in the project" in browser_of(viewer).get(address, {"inputs.movies": "*.mrc"}).text


def test_the_operators_page_is_not_there_for_others(browser_of, operator, owner, make_job):
    make_job(JobState.HELD, reason="site away")
    assert browser_of(owner).get("/operator/").status_code == 404
    assert "site away" in browser_of(operator).get("/operator/").text


def test_the_start_page_shows_running_jobs_and_tools(browser_of, make_job, viewer):
    make_job(title="Night run")
    page = browser_of(viewer).get("/").text
    assert "Night run" in page
    assert "Resolution map" in page


def test_an_ended_job_shows_how_far_it_came(make_job):
    job = make_job(JobState.FAILED)
    for state in ("staging_in", "running", "failed"):
        JobEvent.objects.create(job=job, to_state=state)
    looks = [phase.look for phase in phases(job, {event.to_state for event in job.events.all()})]
    assert looks == ["done", "done", "bad", "later", "later"]


def test_files_of_one_output_share_a_card_and_a_surface_finds_its_colours(make_job):
    job = make_job(JobState.SUCCEEDED)
    made = [
        Result.objects.create(job=job, output=output, title=output, viewer=viewer, path=path, size=1, position=place)
        for place, (output, viewer, path) in enumerate(
            [("map", "map-coloured", "m.mrc"), ("shots", "images", "a.png"), ("shots", "images", "b.png"),
             ("res", "map", "r.mrc")]
        )
    ]  # fmt: skip
    found = cards(made, [ResultHint(output="map", viewer="map-coloured", title="map", colour_by="res")])
    assert [(card.title, len(card.results)) for card in found] == [("map", 1), ("Shots", 2), ("Res", 1)]
    assert [card.folded for card in found] == [False, True, True]
    assert found[0].colour == made[3]


def test_a_file_leads_to_the_job_that_made_it(browser_of, make_job, viewer, stranger, project):
    made = make_job(JobState.SUCCEEDED)
    folder = folder_root(folder_of(project)) / "jobs" / f"{made.number}-resolution_map"
    folder.mkdir(parents=True)
    (folder / "map.csv").write_text("a,b\n")
    browser = browser_of(viewer)
    page = browser.get(f"/projects/{project.pk}/files/", {"look": f"jobs/{folder.name}/map.csv"})
    way = f"/projects/{project.pk}/jobs/{made.number}/"
    assert f'href="{way}"' in page.text
    assert browser.get(way)["Location"] == f"/jobs/{made.pk}/"
    assert browser_of(stranger).get(way).status_code == 404


@pytest.mark.parametrize("number", ["77", "9" * 30])
def test_a_job_that_ran_elsewhere_leads_to_the_list_with_a_word(browser_of, project, viewer, number):
    page = browser_of(viewer).get(f"/projects/{project.pk}/jobs/{number}/", follow=True)
    assert page.status_code == 200
    assert "did not run in this project" in page.text
