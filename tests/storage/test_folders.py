"""Folders of projects."""


def test_project_has_a_directory(project, root):
    assert root.is_dir()
    assert root.name == str(project.pk)
