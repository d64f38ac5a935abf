"""The check of the structure finds what it is for."""

import pathlib
import subprocess

import pytest

CHECK = pathlib.Path(__file__).parents[2] / "tests/structure/run"


@pytest.fixture
def tree(tmp_path):
    """A checkout of two rooms without a fault, and how to check it."""

    class Tree:
        def write(self, path, text):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

        def check(self):
            build = tmp_path / "build"
            for source in tmp_path.glob("src/*/*.c"):
                object_file = build / source.relative_to(tmp_path).with_suffix(".o")
                object_file.parent.mkdir(parents=True, exist_ok=True)
                command = ["cc", "-c", f"-I{tmp_path}/src", source, "-o", object_file]
                subprocess.run(command, check=True)
            command = [CHECK, "--source", tmp_path, "--build", build]
            return subprocess.run(command, capture_output=True, text=True)

        def assert_fails(self, *parts):
            result = self.check()
            assert result.returncode == 1, result.stdout
            for part in parts:
                assert part in result.stdout

    made = Tree()
    made.write("tests/structure/allowed", "# nothing\n")
    made.write("src/base/one.h", "void one(void);\n")
    made.write("src/base/one.c", '#include "base/one.h"\n\nvoid one(void)\n{\n}\n')
    made.write("src/ws/two.h", '#include "base/one.h"\nvoid two(void);\n')
    made.write("src/ws/two.c", '#include "ws/two.h"\n\nvoid two(void)\n{\n\tone();\n}\n')
    return made


def test_a_good_tree_passes(tree):
    result = tree.check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_upward_include(tree):
    tree.write("src/base/three.h", '\n#include "ws/two.h"\n')
    tree.assert_fails("src/base/three.h:2: base must not include ws/two.h")


def test_an_unknown_room(tree):
    tree.write("src/cellar/three.h", "void three(void);\n")
    tree.assert_fails("src/cellar: unknown room")


def test_a_circle_of_calls_without_a_header(tree):
    tree.write("src/base/one.c", "void three(void);\nvoid one(void)\n{\n\tthree();\n}\n")
    tree.write("src/base/three.c", "void four(void);\nvoid three(void)\n{\n\tfour();\n}\n")
    tree.write("src/base/four.c", "void one(void);\nvoid four(void)\n{\n\tone();\n}\n")
    tree.assert_fails("src/base: four, one, three depend on each other", "four uses one")


def test_a_circle_of_headers(tree):
    tree.write("src/base/one.h", '#include "base/three.h"\nvoid one(void);\n')
    tree.write("src/base/three.h", '#ifndef THREE\n#define THREE\n#include "base/one.h"\n#endif\n')
    tree.assert_fails("base/one.h, base/three.h depend on each other")


def test_a_long_file_and_a_long_function(tree):
    body = "\tone();\n" * 57
    tree.write("src/ws/two.c", f'#include "ws/two.h"\n\nvoid two(void)\n{{\n{body}}}\n')
    assert tree.check().returncode == 0
    tree.write("src/ws/two.c", f'#include "ws/two.h"\n\nvoid two(void)\n{{\n{body}\tone();\n}}\n')
    tree.assert_fails("src/ws/two.c:3: two() has 61 lines, at most 60")
    tree.write("src/ws/two.c", '#include "ws/two.h"\n\nvoid two(void)\n{\n}\n' + "\n" * 496)
    tree.assert_fails("src/ws/two.c: 501 lines, at most 500")


def test_exceptions(tree):
    tree.write("src/base/three.h", '#include "ws/two.h"\n')
    tree.write("tests/structure/allowed", "include 1 base/three.h ws/two.h # until it moves\n")
    assert tree.check().returncode == 0
    tree.write("src/base/three.h", "void three(void);\n")
    tree.assert_fails("not needed: include 1 base/three.h ws/two.h")


def test_an_exception_has_a_reason(tree):
    tree.write("tests/structure/allowed", "file 600 ws/two.c\n")
    assert tree.check().returncode != 0
