"""What build_command says beyond argv: streams, environment, resources, limits, files to put in place."""

from pathlib import Path

import pytest

from jobs.cwl import InvalidInputs, ToolError, build_command, load_tool, write_work_files


def command_of(path, job=None, **more):
    return build_command(load_tool(path), job or {}, outdir="/o", tmpdir="/t", **more)


def test_nothing_is_written_by_planning(write_tool, folder, tmp_path) -> None:
    path = write_tool(
        {
            "baseCommand": "run",
            "inputs": {"f": "File"},
            "requirements": {"InitialWorkDirRequirement": {"listing": ["$(inputs.f)"]}},
        },
        {"x": "1"},
    )
    out = tmp_path / "out"
    command = build_command(
        load_tool(path), {"f": {"class": "File", "path": str(folder / "x")}}, outdir=out, tmpdir=tmp_path / "tmp"
    )
    assert not out.exists()
    assert [(file.path, file.source) for file in command.work_files] == [(f"{out}/x", str(folder / "x"))]
    write_work_files(command)
    assert (out / "x").read_text() == "1"
    assert (out / "x").is_symlink()


def test_job_order_is_not_changed(write_tool, folder) -> None:
    path = write_tool(
        {"baseCommand": "run", "inputs": {"f": {"type": "File", "secondaryFiles": ".i"}}}, {"x": "", "x.i": ""}
    )
    job = {"f": {"class": "File", "path": str(folder / "x")}}
    before = {"f": dict(job["f"])}
    command_of(path, job)
    assert job == before


def test_granted_cores_are_what_the_command_sees(write_tool) -> None:
    path = write_tool({"baseCommand": "run", "arguments": ["$(runtime.cores)", "$(runtime.ram)"]})
    command = command_of(path, cores=6, ram_mb=4096)
    assert command.argv == ["run", "6", "4096"]


def test_fewer_cores_than_required_are_refused_but_not_fewer_than_hinted(write_tool) -> None:
    required = write_tool({"baseCommand": "run", "requirements": {"ResourceRequirement": {"coresMin": 4}}})
    with pytest.raises(ToolError):
        command_of(required, cores=2)
    hinted = write_tool({"baseCommand": "run", "hints": {"ResourceRequirement": {"coresMin": 4}}})
    assert command_of(hinted, cores=2).runtime.cores == 2
    assert command_of(hinted).resources.cores == 4


def test_less_memory_than_required_is_refused(write_tool) -> None:
    required = write_tool({"baseCommand": "run", "requirements": {"ResourceRequirement": {"ramMin": 4000}}})
    with pytest.raises(ToolError):
        command_of(required, ram_mb=100)


@pytest.mark.parametrize("asked", [{"coresMin": -1}, {"coresMin": 4, "coresMax": 2}, {"ramMin": "$(inputs.word)"}])
def test_senseless_resources_are_refused(write_tool, asked) -> None:
    path = write_tool(
        {"baseCommand": "run", "inputs": {"word": "string"}, "requirements": {"ResourceRequirement": asked}}
    )
    with pytest.raises(ToolError):
        command_of(path, {"word": "much"})


def test_environment_names_are_checked(write_tool) -> None:
    path = write_tool({"baseCommand": "run", "requirements": {"EnvVarRequirement": {"envDef": {"A=B": "x"}}}})
    with pytest.raises(ToolError):
        command_of(path)


def test_environment_values_are_text(write_tool) -> None:
    path = write_tool(
        {
            "baseCommand": "run",
            "inputs": {"n": "int"},
            "requirements": {"EnvVarRequirement": {"envDef": {"N": "$(inputs.n)"}}},
        }
    )
    assert command_of(path, {"n": 3}).environment == {"HOME": "/o", "TMPDIR": "/t", "N": "3"}


def test_streams_and_limit(write_tool) -> None:
    path = write_tool(
        {
            "baseCommand": "run",
            "inputs": {"f": "File"},
            "stdin": "$(inputs.f.path)",
            "stdout": "$(inputs.f.nameroot).log",
            "outputs": {"e": "stderr"},
            "requirements": {"ToolTimeLimit": {"timelimit": 60}},
        },
        {"x.txt": ""},
    )
    file = str(path.parent / "x.txt")
    command = command_of(path, {"f": {"class": "File", "path": file}})
    assert (command.stdin, command.stdout, command.stderr) == (file, "x.log", "e.stderr")
    assert command.time_limit == 60


def test_refusal_names_the_input(write_tool) -> None:
    path = write_tool({"baseCommand": "run", "inputs": {"size": "float", "maps": "File[]"}})
    with pytest.raises(InvalidInputs) as refusal:
        command_of(path, {"size": "big", "maps": []})
    assert refusal.value.field == "size"
    assert "size" in refusal.value.message
    with pytest.raises(InvalidInputs) as refusal:
        command_of(path, {"size": 1, "maps": [{"class": "File", "path": "/nowhere/x.mrc"}]})
    assert refusal.value.errors == {"maps[0]": ["maps[0]: there is no file x.mrc."]}


def test_input_gone_after_the_run_is_no_error_then(write_tool) -> None:
    path = write_tool({"baseCommand": "run", "inputs": {"f": {"type": "File", "inputBinding": {}}}})
    command = command_of(path, {"f": {"class": "File", "path": "/nowhere/x"}}, must_exist=False)
    assert command.argv == ["run", "/nowhere/x"]


def test_copied_folder_keeps_links_as_links(write_tool, folder, tmp_path) -> None:
    path = write_tool(
        {
            "baseCommand": "run",
            "inputs": {"d": "Directory"},
            "requirements": {"InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.d)", "writable": True}]}},
        },
        {"d/x": "1"},
    )
    (folder / "d" / "out").symlink_to("/etc/passwd")
    out = tmp_path / "out"
    job = {"d": {"class": "Directory", "path": str(folder / "d")}}
    write_work_files(build_command(load_tool(path), job, outdir=out, tmpdir=tmp_path / "tmp"))
    assert (out / "d" / "out").readlink() == Path("/etc/passwd")
    assert not (out / "d" / "x").is_symlink()
