"""The operator's form of a site: rows for queues and tools, errors beside their fields, nothing lost."""

import re
from html import unescape

import pytest

from jobs import site_fields, site_rows
from jobs.lifecycle import site_settings
from jobs.models import ComputeSite
from jobs.services import sites

pytestmark = pytest.mark.django_db
PAGE = "/operator/sites/here/"
QUEUES = [
    {"name": "", "cores": 8, "memory_mb": 16000, "nodes": 1, "wall_seconds": None, "gpus": 0, "mpi": False},
    {"name": "gpu", "cores": 32, "memory_mb": 256000, "nodes": 2, "wall_seconds": 90061, "gpus": 4, "mpi": True},
]
TOOLS = {
    "*": {"setup": [["module", "load", "relion"], ["echo", "it's\nhere"]], "wrapper": ["apptainer", "exec", "a b.sif"]},
    "behave": {"environment": {"PATH": "/a b:/bin", "X": "it's", "Y": "1\n2"}},
    "gone": {},
}


@pytest.fixture
def browser(site, operator, browser_of):
    told = {"queues": QUEUES, "tools": TOOLS, "most_jobs": 7, "settings": {"wall_seconds": 7200, "root": "/r"}}
    sites.save_site(operator, "here", told)
    return browser_of(operator)


def fields(page: str) -> dict[str, str]:
    """What a browser would send back of the page's form."""
    page = page[page.index('<button class="visually-hidden"') :]
    found = {}
    for tag in re.findall(r"<input [^>]*>", page):
        told = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in told and (told.get("type") != "checkbox" or " checked" in tag):
            found[told["name"]] = unescape(told.get("value", ""))
    for name, text in re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>\n?(.*?)</textarea>', page, re.S):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else re.search(r'value="([^"]*)"', options)[1]
    return found


def test_what_is_saved_unchanged_stays_as_it_was(browser):
    sent = fields(browser.get(PAGE).text)
    # A browser sends new lines in its own way.
    answer = browser.post(PAGE, {name: text.replace("\n", "\r\n") for name, text in sent.items()})
    assert answer.status_code in (302, 303), answer.text
    site = ComputeSite.objects.get()
    assert list(site.queues.values(*QUEUES[0])) == QUEUES
    assert (site.tools, site.most_jobs, site.open_to_all) == (TOOLS, 7, True)
    assert site.settings == {"wall_seconds": 7200, "root": "/r"}


def test_a_row_is_added_and_filled_and_another_removed_before_anything_is_saved(browser):
    sent = fields(browser.get(PAGE).text) | {"work_root": "/scratch/x", "queues-1-name": "gpus"}
    page = browser.post(PAGE, sent | {"act": "add-queues"}).text
    assert 'id="queues-2-name" name="queues-2-name" value="" autocomplete="off" spellcheck="false"  autofocus' in page
    assert "Nothing is saved yet" in page
    sent = fields(page) | {"queues-2-name": "long", "queues-2-wall": "100:00"}
    page = browser.post(PAGE, sent | {"act": "remove-queues-0"}).text
    assert "queues-2-name" not in page
    assert ComputeSite.objects.get().queues.count() == 2
    assert ComputeSite.objects.get().work_root == ""
    assert browser.post(PAGE, fields(page)).status_code in (302, 303)
    site = ComputeSite.objects.get()
    assert list(site.queues.values_list("name", "wall_seconds")) == [("gpus", 90061), ("long", 360000)]
    assert site.work_root == "/scratch/x"


def test_tools_are_added_and_removed(browser):
    page = browser.post(PAGE, fields(browser.get(PAGE).text) | {"act": "add-tools"}).text
    sent = fields(page) | {"tools-3-tool": "tally", "tools-3-setup": "module load tally\n\nulimit -c 0"}
    page = browser.post(PAGE, sent | {"act": "remove-tools-0"}).text
    assert browser.post(PAGE, fields(page)).status_code in (302, 303)
    tally = {"setup": [["module", "load", "tally"], ["ulimit", "-c", "0"]]}
    assert ComputeSite.objects.get().tools == {"behave": TOOLS["behave"], "gone": {}, "tally": tally}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("queues-1-cores", "many", "Write a whole number."),
        ("queues-1-memory_mb", "", "Write a whole number."),
        ("queues-1-nodes", "0", "greater than or equal to 1"),
        ("queues-1-wall", "one day", "Write hours:minutes:seconds"),
        ("queues-1-name", "", "Another queue has this name"),
        ("queues-1-gpus", "9" * 12, "less than or equal to"),
        ("tools-0-setup", "echo 'it", "A quotation does not end"),
        ("tools-0-wrapper", 'apptainer "x', "A quotation does not end"),
        ("tools-1-environment", "A=1\nno variable", "“no” is not NAME=value"),
        ("tools-1-tool", "*", "This tool has a row already"),
        ("cores", "", "Write a whole number."),
        ("most_jobs", "-1", "greater than or equal to 1"),
        ("people", "nobody", "Not known: nobody"),
        ("work_root", "scratch", "whole path"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_all_that_was_typed_stays(browser, name, text, words):
    sent = fields(browser.get(PAGE).text) | {"groups": "", "queues-0-cores": "6", name: text}
    answer = browser.post(PAGE, sent)
    assert answer.status_code == 400
    page = unescape(answer.text)
    told = re.search(rf'id="error-{name}">.*?</p>', page, re.S)
    assert told, page
    assert words in told[0]
    assert re.search(rf'id="{name}"[^>]*aria-invalid="true"[^>]*aria-describedby="error-{name}', page)
    assert f'href="#{name}"' in page
    assert fields(answer.text) == sent
    assert ComputeSite.objects.get().queues.first().cores == 8


def test_a_new_site_has_its_queues_at_once(operator, browser_of, db):
    browser = browser_of(operator)
    page = browser.post(
        "/operator/sites/add/", fields(browser.get("/operator/sites/add/").text) | {"act": "add-queues"}
    )
    sent = fields(page.text) | {"name": "halle", "queues-0-name": "cpu", "queues-0-cores": "16"}
    assert browser.post("/operator/sites/add/", sent).status_code in (302, 303)
    assert ComputeSite.objects.get(name="halle").queues.get().cores == 16


SSH = {
    "host": "login.example.org",
    "user": "portolan",
    "port": 2222,
    "key_file": "/k/key",
    "known_hosts_file": "/k/hosts",
}
REMOTE = {"runner": "ssh", "ssh": SSH, "environment": {"X": "a b", "Y": "it's"}, "wall_seconds": 90061, "path": "/bin"}
SETTINGS = {
    "local": {"root": "/scratch/run", "path": "/usr/bin:/bin"},
    "slurm": REMOTE | {"partition": "cpu", "account": "em", "qos": "high", "gpu_type": "a100",
                       "options": ["--constraint=a&b", "--comment=a b"]},
    "gridengine": REMOTE | {"queue": "q", "project": "p", "parallel_environment": "smp", "memory_resource": "h_vmem",
                            "gpu_resource": "gpu", "options": ["-hard"]},
    "pbs": {"torque": True, "queue": "batch", "account": "em"},
    "kubernetes": {"kubeconfig": "/k/config", "context": "c", "namespace": "n", "image": "i:1", "pull_policy": "Always",
                   "gpu_resource": "nvidia.com/gpu", "user": 1000, "group": 1000, "node_selector": {"a.b/c": "d e"},
                   "volumes": [{"path": "/data", "claim": "c", "sub_path": "a b"}, {"path": "/usr"}]},
}  # fmt: skip


@pytest.mark.parametrize("scheduler", SETTINGS)
def test_each_setting_has_a_field_and_is_read_as_it_was_written(browser, operator, scheduler):
    sites.save_site(operator, "here", {"scheduler": scheduler, "settings": SETTINGS[scheduler]})
    answer = browser.post(PAGE, fields(browser.get(PAGE).text))
    assert answer.status_code in (302, 303), answer.text
    site = ComputeSite.objects.get()
    assert (site.scheduler, site.settings) == (scheduler, SETTINGS[scheduler])


def test_every_key_that_is_known_has_a_field():
    keys = {*site_settings.GENERAL, *(key for taken in site_settings.TAKEN.values() for key in taken if key != "ssh")}
    keys |= {f"ssh.{key}" for key in site_settings.SSH}
    assert {one.key for one in site_fields.EVERY.values()} == keys


def test_fields_of_another_scheduler_count_for_nothing(browser):
    sent = fields(browser.get(PAGE).text) | {"scheduler": "slurm", "settings-partition": "cpu", "settings-queue": "x"}
    sent |= {"settings-root": "/r", "settings-ssh-host": "login.example.org", "settings-wall_seconds": ""}
    assert browser.post(PAGE, sent).status_code in (302, 303)
    assert ComputeSite.objects.get().settings == {"partition": "cpu"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("settings-ssh-host", "", "Fill this in."),
        ("settings-ssh-key_file", "-----BEGIN KEY-----", "must be the path of the key, not the key"),
        ("settings-ssh-port", "ssh", "Write a whole number."),
        ("settings-ssh-port", "0", "must be a whole number"),
        ("settings-options", "constraint", "has a word that is no option"),
        ("settings-options", "'x", "A quotation does not end"),
        ("settings-environment", "1X=a", "has a name that is no variable's"),
        ("settings-environment", "X", "“X” is not NAME=value"),
        ("settings-wall_seconds", "2 hours", "Write hours:minutes:seconds"),
    ],
)
def test_a_wrong_setting_is_told_at_its_field_and_all_that_was_typed_stays(browser, operator, name, text, words):
    sites.save_site(operator, "here", {"scheduler": "slurm", "settings": SETTINGS["slurm"]})
    sent = fields(browser.get(PAGE).text) | {"settings-partition": "gpu", name: text}
    answer = browser.post(PAGE, sent)
    assert answer.status_code == 400
    page = unescape(answer.text)
    told = re.search(rf'id="error-{name}">.*?</p>', page, re.S)
    assert told, page
    assert words in told[0]
    assert f'href="#{name}"' in page
    assert fields(answer.text) == sent
    assert ComputeSite.objects.get().settings == SETTINGS["slurm"]


@pytest.mark.parametrize(
    ("text", "words"), [("data claim=x", "absolute path"), ("/data calm=x", "“calm” is not known"), ("'", "quotation")]
)
def test_a_volume_that_is_none_is_told(browser, operator, text, words):
    sites.save_site(operator, "here", {"scheduler": "kubernetes", "settings": SETTINGS["kubernetes"]})
    page = browser.post(PAGE, fields(browser.get(PAGE).text) | {"settings-volumes": text}).text
    assert words in unescape(re.search(r'id="error-settings-volumes">.*?</p>', page, re.S)[0])


@pytest.mark.parametrize("seconds", [None, 1, 59, 60, 3600, 86399, 86400, 360000, 31 * 86400])
def test_a_time_is_read_as_it_is_shown(seconds):
    assert site_rows.seconds_of(site_rows.as_time(seconds)) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("2-01:00:00", 176400), ("12:30", 45000), ("1-0:00", 86400)])
def test_days_may_be_written_and_seconds_left_out(text, seconds):
    assert site_rows.seconds_of(text) == seconds
