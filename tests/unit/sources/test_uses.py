# SPDX-License-Identifier: MIT
"""What a source does with the files of sources, told by its text."""

from __future__ import annotations

import pytest

from hatch_appimage.sources.facts import Text, find_all
from hatch_appimage.sources.uses import SourceUse


def use_of(text: str) -> SourceUse:
    (facts,) = find_all([Text(text.encode(), "", stdlib=False)])
    return facts.use if facts else SourceUse()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("run([python, 'worker.py'])", ("worker.py",)),
        ("path = here / 'scripts' / 'worker.py'", ("worker.py",)),
        ("get_data(__name__, 'scripts/worker.py')", ("scripts/worker.py",)),
        ("f'{name}_impl.py'", ("*_impl.py",)),
        ("'setup_%s.py' % name", ("setup_*.py",)),
        ("'setup_{}.py'.format(name)", ("setup_*.py",)),
        ("'''See worker.py'''", ()),
        ("'''worker.py'''", ()),
        ("def f():\n  'worker.py'\n", ()),
        ("print('there is no worker.py')", ()),
        ("# 'worker.py'", ()),
        ("'worker.pyc', 'worker.pyi'", ()),
        ("run(b'worker.py')", ("worker.py",)),
        *(
            (f"for x in ['a/setup.py', 'go.mod']: read({joined})", ("a/setup.py", "of_setup.py"))
            for joined in ("f'of_{x}'", "f'lib/of_{x}'", "'of_' + x", "'of_%s' % x", "'of_{}'.format(x)")
        ),
        ("read(x + 'of_', f'of_{x}_a', f'no module {x}', f'{x}'), 'setup.py'", ("setup.py",)),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert use_of(text) == SourceUse(names)


@pytest.mark.parametrize(
    ("text", "lists"),
    [
        ("glob(join(dirname(__file__), '*.py'))", True),
        ("[name for name in listdir(__path__[0]) if name.endswith('.py')]", True),
        ("Path(inspect.getfile(Base)).parent.glob('**/*.py')", True),
        ("importlib.resources.files(p); x.suffix == '.py'", True),
        ("from importlib import resources\nresources.files(p); x.suffix == '.py'", True),
        ("join(dirname(inspect.getsourcefile(Base)), name + '.py')", True),
        ("join(dirname(__file__), f'{name}.py')", True),
        ("[name for name in os.listdir(dirname(fsencode(__file__))) if name.endswith(b'.py')]", True),
        (r"filter(re.compile(r'(\w+)\.py$').match, listdir(dirname(__file__)))", True),
        (r"filter(re.compile(r'\w+\.py\Z').match, listdir(dirname(__file__)))", True),
        (r"filter(re.compile('.*\\.py').fullmatch, listdir(dirname(__file__)))", True),
        ("Path(__file__).parent.iterdir(); path.suffix in importlib.machinery.SOURCE_SUFFIXES", True),
        ("spec = find_spec('p')\nfor x in spec.submodule_search_locations: x.suffix == '.py'", True),
        ("glob(join(dirname(find_spec('p').origin), '*.py'))", True),
        ("def is_python(name): return name.endswith('.py')", False),
        ("def is_python(name): return name.endswith('.py') and name.origin", False),
        ("def is_python(name): return splitext(name)[1] in SOURCE_SUFFIXES", False),
        ("'''*.py'''\nprint(dirname(__file__))", False),
    ],
)
def test_lists(text: str, *, lists: bool) -> None:
    assert use_of(text).lists is lists


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("for path in Path(extensions.__file__).parent.iterdir(): path.suffix == '.py'", True),
        ("join(dirname(import_module(name).__file__), name + '.py')", True),
        ("listdir(dirname(abspath(fsencode(plugins.__file__)))); name.endswith(b'.py')", True),
        ("listdir(dirname(plugins.__file__.encode())); name.endswith(b'.py')", True),
        ("listdir(plugins.__path__[0]); name.endswith('.py')", True),
        ("Path(inspect.getfile(Base)).parent.glob('*.py')", True),
        ("importlib.resources.files(package); x.suffix == '.py'", True),
        ("for x in find_spec(name).submodule_search_locations: x.suffix == '.py'", True),
        ("glob(join(dirname(find_spec(name).origin), '*.py'))", True),
        ("find_spec(name).origin.endswith('.py')", False),
        ("(Path(__file__).resolve().parent.parent / 'plugins').glob('*.py')", True),
        ("(Path(__file__).parents[1] / 'plugins').glob('*.py')", True),
        ("glob(join(dirname(dirname(abspath(__file__))), 'plugins', '*.py'))", True),
        ("glob(join(dirname(__file__), '..', 'plugins', '*.py'))", True),
        ("glob(dirname(__file__) + '/../plugins/' + '*.py')", True),
        ("(Path(__file__).parent / 'plugins').glob('*.py')", False),
        ("(Path(__file__).parents[0] / 'plugins').glob('*.py')", False),
        ("glob(join(__file__, '..', '*.py'))", False),
        ("glob(join(dirname(__file__), '*.py')); other.__file__.endswith('.py')", False),
        ("iter_modules(package.__path__); name.endswith('.py')", False),
        ("spec(name + '.py', path=package.__path__)", False),
        ("package.__path__ = [path + '.py']", False),
        ("importlib.resources.files(__name__); x.suffix == '.py'", False),
        ("(Path(__file__).parent.parent / 'data').read_text()", False),
    ],
)
def test_elsewhere(text: str, *, elsewhere: bool) -> None:
    assert use_of(text).elsewhere is elsewhere


@pytest.mark.parametrize(
    ("text", "itself"),
    [
        ("open(__file__).read()", True),
        ("exec(open(os.path.abspath(__file__)).read())", True),
        ("Path(__file__).read_text()", True),
        ("Path(__file__).resolve().open()", True),
        ("subprocess.run([sys.executable, __file__])", True),
        ("me = __file__", True),
        ("me = os.path.realpath(__file__)", True),
        ("open(os.fsencode(__file__)).read()", True),
        ("__file__.replace('.py', '.txt')", True),
        ("os.path.dirname(__file__)", False),
        ("os.path.dirname(os.path.dirname(os.path.abspath(__file__)))", False),
        ("os.path.dirname(os.fsencode(__file__))", False),
        ("os.path.join(__file__, '..', 'data')", False),
        ("Path(__file__).parent / 'data'", False),
        ("Path(__file__).resolve().parents[1]", False),
        ("Path(__file__).with_name('data.txt')", False),
        ("Path(__file__) / '..' / 'data'", False),
        ("__file__ = 'x'", False),
        ("other.__file__", False),
    ],
)
def test_itself(text: str, *, itself: bool) -> None:
    assert use_of(text).itself is itself


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("inspect.getsource(f)", True),
        ("from inspect import getsourcelines\ndef f(x): return getsourcelines(x)", True),
        ("try:\n  inspect.findsource(f)\nexcept TypeError: pass", True),
        ("try:\n  pass\nexcept OSError:\n  inspect.getsource(f)", True),
        ("try:\n  def f(x): return inspect.getsource(x)\nexcept OSError: pass", True),
        ("try:\n  inspect.getsource(f)\nexcept (OSError, TypeError): pass", False),
        ("try:\n  if x:\n    return_(inspect.getsource(f))\nexcept Exception: pass", False),
        ("try:\n  inspect.getsource(f)\nexcept: pass", False),
        ("with contextlib.suppress(OSError):\n  inspect.getsource(f)", False),
        ("with suppress(TypeError):\n  inspect.getsource(f)", True),
        ("loader.get_source(environment, name)", False),
        ("inspect.getsource", False),
    ],
)
def test_others(text: str, *, others: bool) -> None:
    assert use_of(text).others is others


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("resources.files(self.path)", True),
        ("from importlib.resources import files\nfiles(name)", True),
        ("resources.files(__package__)", False),
        ("resources.files(__spec__.parent)", False),
        ("resources.files('other')", False),
        ("resources.files()", False),
        ("self.files(name)", False),
    ],
)
def test_packages(text: str, *, packages: bool) -> None:
    assert use_of(f"'__init__.py'\n{text}").packages is packages


@pytest.mark.parametrize("text", ["print 'worker.py'", "(" * 1000 + "'worker.py'" + ")" * 1000, "'worker.py'\0"])
def test_no_python(text: str) -> None:
    assert use_of(text) == SourceUse()
