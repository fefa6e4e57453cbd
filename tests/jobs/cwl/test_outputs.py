"""Collecting apart from running: another machine's paths, inputs that are gone, sums left out."""

import os

import pytest

from jobs.cwl import OutputError, build_command, collect_outputs, load_tool

GLOB = {"type": "File", "outputBinding": {"glob": "$(runtime.outdir)/*.mrc"}}


def test_outputs_are_found_where_they_lie_now(write_tool, tmp_path) -> None:
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": GLOB}}))
    command = build_command(tool, {}, outdir="/scratch/job-1/out", tmpdir="/scratch/job-1/tmp")
    (tmp_path / "x.mrc").write_text("123")
    found = collect_outputs(tool, {}, tmp_path, 0, command=command)
    assert found["map"]["path"] == str(tmp_path.resolve() / "x.mrc")
    assert found["map"]["size"] == 3


def test_written_object_may_use_the_command_s_own_paths(write_tool, tmp_path) -> None:
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": "File"}}))
    command = build_command(tool, {}, outdir="/scratch/out", tmpdir="/scratch/tmp")
    (tmp_path / "x").write_text("")
    (tmp_path / "cwl.output.json").write_text('{"map": {"class": "File", "path": "/scratch/out/x"}}')
    assert collect_outputs(tool, {}, tmp_path, 0, command=command)["map"]["basename"] == "x"


def test_inputs_may_be_gone(write_tool, tmp_path) -> None:
    tool = load_tool(write_tool({"baseCommand": "run", "inputs": {"f": "File"}, "outputs": {"map": GLOB}}))
    (tmp_path / "x.mrc").write_text("")
    job = {"f": {"class": "File", "path": "/nowhere/f"}}
    assert collect_outputs(tool, job, tmp_path, 0)["map"]["size"] == 0


def test_checksums_can_be_left_out(write_tool, tmp_path) -> None:
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": GLOB}}))
    (tmp_path / "x.mrc").write_text("")
    assert "checksum" not in collect_outputs(tool, {}, tmp_path, 0, checksums=False)["map"]


def test_missing_output_is_named(write_tool, tmp_path) -> None:
    tool = load_tool(
        write_tool({"baseCommand": "run", "outputs": {"map": {"type": "File", "outputBinding": {"glob": "m.mrc"}}}})
    )
    with pytest.raises(OutputError) as refusal:
        collect_outputs(tool, {}, tmp_path, 0)
    assert refusal.value.field == "map"
    assert "m.mrc" in refusal.value.message


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("x.mrc", "/etc/passwd"),
        ("x.mrc", "../beside"),
        ("x.mrc", "/proc/self/environ"),
        ("cwl.output.json", "/etc/passwd"),
    ],
)
def test_links_out_of_the_folder_are_refused(write_tool, tmp_path, link, target) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "beside").write_text("")
    os.symlink(target, out / link)
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": GLOB}}))
    with pytest.raises(OutputError):
        collect_outputs(tool, {}, out, 0)


def test_dangling_link_is_no_file(write_tool, tmp_path) -> None:
    os.symlink(tmp_path / "gone", tmp_path / "x.mrc")
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": GLOB}}))
    with pytest.raises(OutputError):
        collect_outputs(tool, {}, tmp_path, 0)


def test_link_in_a_subfolder_of_an_output_folder_is_refused(write_tool, tmp_path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    os.symlink("/etc", tmp_path / "d" / "e" / "f")
    tool = load_tool(
        write_tool({"baseCommand": "run", "outputs": {"d": {"type": "Directory", "outputBinding": {"glob": "d"}}}})
    )
    with pytest.raises(OutputError):
        collect_outputs(tool, {}, tmp_path, 0)


def test_pipe_is_no_file_and_is_not_waited_for(write_tool, tmp_path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "x.mrc")
    os.mkfifo(tmp_path / "d" / "pipe")
    folder = {"type": "Directory", "outputBinding": {"glob": "d"}}
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"d": folder}}))
    assert collect_outputs(tool, {}, tmp_path, 0)["d"]["listing"] == []
    tool = load_tool(write_tool({"baseCommand": "run", "outputs": {"map": GLOB}}))
    with pytest.raises(OutputError):
        collect_outputs(tool, {}, tmp_path, 0)
