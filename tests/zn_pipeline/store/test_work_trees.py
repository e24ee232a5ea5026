from zn_pipeline.store.work_trees import main_tree, work_trees


def test_all_work_trees_of_a_repository(tmp_project, tmp_path_factory):
    root = tmp_project.path
    assert main_tree(root) == root
    assert work_trees(root) == [root]
    tree = tmp_path_factory.mktemp("trees") / "tree"
    tmp_project.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    assert main_tree(tree) == root
    assert work_trees(tree) == [tree, root]
    assert work_trees(root) == [root, tree]


def test_a_project_in_a_folder_of_the_repository(tmp_project, tmp_path_factory):
    inner = tmp_project.path / "sub" / "project"
    (inner / ".dvc").mkdir(parents=True)
    (inner / ".dvc" / "config").write_text("")
    tmp_project.commit("inner")
    tree = tmp_path_factory.mktemp("trees") / "tree"
    tmp_project.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    assert main_tree(tree / "sub" / "project") == inner
    assert work_trees(inner) == [inner, tree / "sub" / "project"]


def test_without_git(tmp_path):
    assert main_tree(tmp_path) == tmp_path
    assert work_trees(tmp_path) == [tmp_path]


def test_a_main_tree_without_dvc_is_not_used(tmp_project, tmp_path_factory):
    tree = tmp_path_factory.mktemp("trees") / "tree"
    tmp_project.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    (tmp_project.path / ".dvc").rename(tmp_project.path / "gone")
    assert main_tree(tree) == tree


def test_a_submodule_stays_itself(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".git").write_text("gitdir: ../modules/sub\n")
    assert main_tree(tmp_path / "sub") == tmp_path / "sub"
