"""Runs openapi-python-client with our fixes of its templates, and the formatter."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import openapi_python_client
from openapi_python_client.config import ConfigFile
from spec_model import GenerationError, Spec, read_yaml, sequence

from generator.spec_copy import for_generator

PACKAGE = "smarterproctoring_generated"


class TemplateFix(NamedTuple):
    """A change to one of the generator's own templates.

    Attributes:
        template: The template's name.
        old: Its text, which must occur exactly once, so that a new release cannot silently drop a fix.
        new: Our text.
    """

    template: str
    old: str
    new: str


TEMPLATE_FIXES = [
    # A 2xx whose body is not what the spec says raises *after* the change was applied. The bytes stay in
    # `content`. May go when the generator lets a caller say what an unreadable success should become.
    TemplateFix(
        "endpoint_module.py.jinja",
        "parsed=_parse_response(client=client, response=response),",
        "parsed=parse_or_none(_parse_response, client=client, response=response),",
    ),
    TemplateFix(
        "endpoint_module.py.jinja",
        "from ...types import Response, UNSET\n",
        "from ...parsing import parse_or_none\nfrom ...types import Response, UNSET\n",
    ),
    # A date and time without a zone says no moment: where other text is allowed, it stays the text that it is. May go
    # when the generator lets a caller say how date-times are read.
    TemplateFix(
        "property_templates/datetime_property.py.jinja",
        "check_type_for_construct(property, source) %}isinstance({{ source }}, str){%",
        "check_type_for_construct(property, source) %}is_moment({{ source }}){%",
    ),
    TemplateFix(
        "endpoint_module.py.jinja",
        "from ...parsing import parse_or_none\n",
        "from ...parsing import is_moment, parse_or_none\n",
    ),
    TemplateFix(
        "model.py.jinja",
        "from ..types import UNSET, Unset\n",
        "from ..parsing import is_moment\nfrom ..types import UNSET, Unset\n",
    ),
    # A model's repr shows what it holds, and so do logs and tracebacks. What the spec calls personal or secret, and
    # what it does not describe, is left out. May go when the generator lets a caller say what a repr shows.
    TemplateFix(
        "model.py.jinja",
        """\
{%- else -%}
{{ property.to_string() | as_unembedded_code }}
{%- endif -%}
{% endmacro %}
""",
        """\
{%- elif property.name in (model.data.model_extra or {}).get("x-not-in-repr", ()) -%}
{{ property.python_name }}: {{ property.get_type_string() | as_unembedded_code }} = _attrs_field(
{%- if property.default is not none -%}
default={{ property.default.python_code | as_unembedded_code }}, {% elif not property.required -%}
default=UNSET, {% endif -%}
repr=False)
{%- else -%}
{{ property.to_string() | as_unembedded_code }}
{%- endif -%}
{% endmacro %}
""",
    ),
    TemplateFix(
        "model.py.jinja",
        "_attrs_field(init=False, factory=dict)",
        "_attrs_field(init=False, factory=dict, repr=False)",
    ),
    # A model in a result goes through pickle and copy.deepcopy; a copy of UNSET would be another value. May go when the
    # generator makes UNSET the only one of its kind.
    TemplateFix(
        "types.py.jinja",
        "        return False\n\n\nUNSET",
        """\
        return False

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET""",
    ),
    # The two clients need attrs, and importing any module of the package imports this one. May go when attrs is
    # gone from the output.
    TemplateFix(
        "package_init.py.jinja",
        "from .client import AuthenticatedClient, Client\n",
        """\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import AuthenticatedClient, Client
""",
    ),
    TemplateFix(
        "package_init.py.jinja",
        '    "Client",\n)\n',
        """\
    "Client",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
""",
    ),
]


@dataclass(frozen=True)
class Config:
    """The generator's settings.

    Attributes:
        content: The file's bytes.
        post_hooks: The commands of the formatter.
    """

    content: bytes
    post_hooks: Sequence[str]


def read_config(path: Path) -> Config:
    """Read the generator's settings; refuse those that the generator would ignore silently.

    Raises:
        GenerationError: A key that it does not know, or one that has to be otherwise.
    """
    content, config = read_yaml(path)
    known = sorted(ConfigFile.model_fields)
    if unknown := sorted(set(config) - set(known)):
        raise GenerationError(
            f"{path.name}: unknown key {', '.join(unknown)}; the generator knows {', '.join(known)}"
        )
    if config.get("package_name_override") != PACKAGE:
        raise GenerationError(
            f"{path.name}: package_name_override must be {PACKAGE}, the overrides import it"
        )
    if not config.get("post_hooks"):
        raise GenerationError(
            f"{path.name}: post_hooks must name the formatter; the default reads foreign settings"
        )
    return Config(content, sequence(config["post_hooks"]))


def write_package(spec: Spec, config: Config, package: Path) -> None:
    """Let openapi-python-client write its package.

    Raises:
        GenerationError: It refuses the spec, or a template is not what the fixes expect.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        templates = folder / "templates"
        templates.mkdir()
        fix_templates(templates)
        # Copies, so that the provenance is right even if the file is saved meanwhile.
        spec_copy = folder / spec.name
        spec_copy.write_bytes(for_generator(spec))
        config_copy = folder / "config.yml"
        config_copy.write_bytes(config.content)
        command = [sys.executable, "-m", "openapi_python_client", "generate"]
        command += ["--path", str(spec_copy), "--config", str(config_copy)]
        command += [
            "--output-path",
            str(package),
            "--custom-template-path",
            str(templates),
        ]
        command += ["--meta", "none", "--fail-on-warning"]
        run(command, environment(), "the generator refused the spec")


def format_package(config: Config, package: Path) -> None:
    """Run the formatter over the package.

    Raises:
        GenerationError: It fails.
    """
    for hook in config.post_hooks:
        run(
            shlex.split(hook),
            environment(),
            f"the formatter failed: {hook}",
            cwd=package,
        )


def fix_templates(folder: Path) -> None:
    """Write copies of the generator's templates with TEMPLATE_FIXES applied.

    Raises:
        GenerationError: A template does not hold a text once.
    """
    originals = Path(openapi_python_client.__file__).parent / "templates"
    for fix in TEMPLATE_FIXES:
        copy = folder / fix.template
        source = copy if copy.exists() else originals / fix.template
        template = source.read_text(encoding="utf-8")
        if template.count(fix.old) != 1:
            raise GenerationError(
                f"the generator's template {fix.template} no longer holds {fix.old!r} once: look at "
                f"TEMPLATE_FIXES in {__file__}"
            )
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(template.replace(fix.old, fix.new), encoding="utf-8")


def environment(**more: str) -> Mapping[str, str]:
    """Return the environment of a tool: that of this process, with the programs next to this Python first."""
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    return {**os.environ, "PATH": path, **more}


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    failure: str,
    cwd: Path | None = None,
) -> None:
    """Run a tool; show its output only if it fails.

    Raises:
        GenerationError: It fails.
    """
    # In its own process group, so that a Ctrl-C also ends the processes that it started.
    with subprocess.Popen(
        command,
        env=variables,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise GenerationError(f"{failure}\n{stdout}{stderr}".rstrip())
